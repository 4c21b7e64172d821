package normalize

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// A trace is what a source says about its record and about the text that was
// touched: the record's number in its own count, the document's version, its
// content (as a hash), the time it was written for, and how many results a
// search had. Sources name these in their own words; traceName knows them.
type trace struct {
	n   *Normalizer
	e   *ocsf.Event
	set []label
}

type label struct{ name, value string }

// The words of a trace beside the labels of ocsf.
const traceSequence = "sequence"

// traceName is the kind of a trace's value by the name a source gives it, in
// plain form; "" for any other name.
func traceName(plain string) string {
	switch plain {
	case "sequenceid", "sequence", "sequencenumber", "seq", "seqno", "seqnum", "recordnumber", "eventrecordid", "序号", "流水序号":
		return traceSequence
	case "docversion", "documentversion", "recordversion", "versionid", "文书版本":
		return ocsf.LabelVersion
	case "dochash", "documenthash", "contenthash", "文书摘要":
		return ocsf.LabelContent
	case "docdate", "docdatetime", "writtenfor", "文书时间", "补记时间":
		return ocsf.LabelDated
	case "matches", "results", "resultcount", "hits", "命中数", "结果数":
		return ocsf.LabelMatches
	}
	return ""
}

// detailName is traceName for a detail of an audit event, which is about the
// document or query and nothing else.
func detailName(plain string) string {
	switch plain {
	case "hash":
		return ocsf.LabelContent
	case "dated":
		return ocsf.LabelDated
	case "total":
		return ocsf.LabelMatches
	case "version":
		return ocsf.LabelVersion
	}
	return traceName(plain)
}

// say takes one value; those of no kind are passed over.
func (t *trace) say(kind, value string) {
	value = strings.TrimSpace(value)
	if value == "" {
		return
	}
	switch kind {
	case "":
	case traceSequence:
		t.sequence(value)
	case ocsf.LabelContent:
		t.set = append(t.set, label{kind, t.n.key.Token("content", value)})
	case ocsf.LabelDated:
		if ms, _, ok := deviceTime(value, t.n.zone, t.e.Time); ok && within(ms) == nil {
			t.set = append(t.set, label{kind, strconv.FormatInt(ms, 10)})
		}
	default:
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			t.set = append(t.set, label{kind, strconv.FormatInt(n, 10)})
		}
	}
}

func (t *trace) sequence(value string) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 && t.e.Metadata.Sequence == 0 {
		t.e.Metadata.Sequence = n
	}
}

// end writes the labels onto what was touched.
func (t *trace) end() {
	if len(t.set) == 0 || t.e.ClassUID != ocsf.WebResourcesActivity {
		return
	}
	complete(t.e)
	r := &t.e.WebResources[0]
	r.Labels = slices.Clone(r.Labels)
	for _, l := range t.set {
		r.SetLabel(l.name, l.value)
	}
}

// traceFHIR reads the trace in the details of an AuditEvent's entities, and
// the version in a reference such as DocumentReference/7/_history/3.
func (p *fhirParser) traceFHIR(e *ocsf.Event, a *auditEvent) {
	t := trace{n: p.n, e: e}
	for i := range a.entities {
		n := &a.entities[i]
		if _, version, ok := bytes.Cut(n.what.ref, []byte("/_history/")); ok {
			t.say(ocsf.LabelVersion, string(version))
		}
		for _, d := range n.details {
			t.say(detailName(plain(string(d.kind))), string(d.value))
		}
	}
	t.end()
}

// traceATNA reads the trace in the details of an audit message's objects, and
// the number of the syslog line around it.
func (r *auditReader) traceATNA(e *ocsf.Event) {
	t := trace{n: r.n, e: e}
	for _, o := range r.m.Objects {
		for _, d := range o.Details {
			if kind := detailName(plain(d.Type)); kind != "" {
				t.say(kind, auditText(d.Value))
			}
		}
	}
	for _, f := range r.line.Data {
		if traceName(plain(f.key)) == traceSequence {
			t.sequence(f.value)
		}
	}
	t.end()
}

// traceDevice reads the trace in a device's fields. They stay where they are,
// so that rules can name them, except the hash, of which a token is kept.
func (d *device) traceDevice(e *ocsf.Event) {
	t := trace{n: d.n, e: e}
	if id := d.take("docid", "documentid", "文书编号", "文书id"); id != "" && e.ClassUID == ocsf.WebResourcesActivity {
		e.WebResources = []ocsf.Resource{{UID: id, Type: "DocumentReference"}}
	}
	for i, f := range d.fields {
		kind := traceName(f.name)
		t.say(kind, f.value)
		if kind == ocsf.LabelContent {
			d.fields[i].value = "~" + d.n.key.Token("content", f.value)
		}
	}
	t.end()
}

// traceMapped reads the trace in the columns of a row.
func (m *Mapping) traceMapped(n *Normalizer, e *ocsf.Event, get func(string) string) {
	t := trace{n: n, e: e}
	t.sequence(m.Sequence.get(get))
	t.say(ocsf.LabelVersion, m.Version.get(get))
	t.say(ocsf.LabelContent, m.Content.get(get))
	t.say(ocsf.LabelDated, m.Dated.get(get))
	t.say(ocsf.LabelMatches, m.Matches.get(get))
	t.end()
}
