package sigma

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Refused is a rule, correlation or filter that is not loaded, and why.
type Refused struct {
	// File is the path, Title and ID the rule's own, where it could be read.
	File, Title, ID string
	Reason          string
	// Kept is true when what was loaded from that file before stays in force.
	Kept bool

	folder int
	doc    *document
}

// Ignored are the files in the folders that were not read, for their names are
// not those of rules: the first thousand.
func (r *Rules) Ignored() []string { return r.ignored }

// Rule describes a loaded rule or correlation.
type Rule struct {
	ID, Title, Level, File string
	// TitleZH is the title in Chinese, where the rule has one; Status is how
	// ripe its author calls it (stable, test, experimental).
	TitleZH, Status string
	// Source is the log source, its parts joined by "/": "process_creation/windows".
	Source string
	// Version is the hash of the rule's text.
	Version string
	// Idle is true when no log source on record leads to the rule: it is only
	// used on files of events.
	Idle bool
	// Correlation is true for a rule about several events. It is of a Type
	// ("event_count"), counts the rules whose ids are in Counts, over Span.
	Correlation bool
	Type        string
	Counts      []string
	Span        time.Duration
	// Groups is how many groups it remembered a minute ago.
	Groups int
	// Waits are the placeholders for which no list of values is given: the rule
	// is loaded, and what asks for them fits nothing.
	Waits []string
	// Replaces is the file with a rule of the same id that this one replaced.
	Replaces string
	// Through are the correlations that report the rule's matches in its place;
	// empty when it is reported itself.
	Through []string
	// Filters are the ids of the filters put over it.
	Filters []string
}

// List describes the loaded rules and correlations, by id.
func (r *Rules) List() []Rule {
	out := make([]Rule, 0, r.Len())
	for _, x := range r.list {
		out = append(out, x.described(false))
	}
	held := r.remembered()
	for _, c := range r.corr.list {
		d := c.described(true)
		d.Type, d.Span = c.kind.String(), time.Duration(c.span)*time.Millisecond
		for _, p := range c.parts {
			d.Counts = append(d.Counts, p.about().id)
		}
		d.Groups = held[c.id]
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.File, b.File)) })
	return out
}

func (x *rule) described(correlation bool) Rule {
	d := Rule{
		ID: x.id, Title: x.title.EN, Level: x.level, File: x.file, Version: x.version, Waits: x.waits, Replaces: x.replaces,
		TitleZH: x.title.ZH, Status: x.doc.meta.Status, Source: x.source.String(),
		Correlation: correlation, Idle: !correlation && len(x.routes) == 0,
	}
	if x.silent {
		d.Through = x.partOf
	}
	for _, f := range x.filters {
		d.Filters = append(d.Filters, f.id)
	}
	return d
}

// Len is the number of loaded rules and correlations.
func (r *Rules) Len() int { return len(r.list) + len(r.corr.list) }

// Text is the text of a rule, correlation or filter as it was loaded.
type Text struct {
	ID, Title, File, Version string
	// Kind is "rule", "correlation" or "filter".
	Kind string
	// Folder is which of the file systems File is in.
	Folder int
	// Text is the YAML that the version is the hash of.
	Text string
	// Rules are the versions, by id, of the rules that a correlation counts.
	Rules map[string]string
}

// Texts lists the texts of all that is loaded, by id.
func (r *Rules) Texts() []Text {
	var out []Text
	for _, x := range r.list {
		out = append(out, x.written("rule"))
	}
	for _, c := range r.corr.list {
		t := c.written("correlation")
		t.Rules = map[string]string{}
		for _, p := range c.parts {
			t.Rules[p.about().id] = p.about().version
		}
		out = append(out, t)
	}
	for _, f := range r.filters {
		out = append(out, f.written("filter"))
	}
	slices.SortFunc(out, func(a, b Text) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func (x *rule) written(kind string) Text {
	return Text{ID: x.id, Title: x.title.EN, File: x.file, Folder: x.doc.folder, Version: x.version, Kind: kind, Text: strings.ToValidUTF8(x.doc.text, "\uFFFD")}
}

// Former are rules that only stand in, at the next reload, for those of the
// same files that cannot be loaded then.
func Former(texts []Text) *Rules {
	r := &Rules{}
	for _, t := range texts {
		d := &document{file: t.File, folder: t.Folder, text: t.Text, version: t.Version, loaded: true}
		d.meta.ID = t.ID
		r.docs = append(r.docs, d)
	}
	return r
}
