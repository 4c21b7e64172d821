package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/quarantine"
)

// sourcesFile is the page of sources and of what could not be used.
type sourcesFile struct {
	Sources []sourceRow
	Items   []quarantine.Item
	Open    int
	State   string
	Page    int
	More    bool
	Missing []lack // what detectors would need
}

func states() []string { return []string{quarantine.Open, quarantine.Replayed, quarantine.Discarded} }

func (q *request) sources() error {
	m := sourcesFile{Sources: q.sourceRows(), State: q.text("state"), Missing: q.missing()}
	if !slices.Contains(states(), m.State) {
		m.State = quarantine.Open
	}
	if n, err := strconv.Atoi(q.text("page")); err == nil && n > 1 && n < 10000 {
		m.Page = n - 1
	}
	ctx := q.r.Context()
	open, err := q.Quarantine.Count(ctx, quarantine.Open)
	if err != nil {
		return err
	}
	for i := range m.Sources {
		m.Sources[i].Open = open[m.Sources[i].Name]
	}
	for _, n := range open {
		m.Open += n
	}
	if m.Items, err = q.Quarantine.List(ctx, m.State, pageSize+1, m.Page*pageSize); err != nil {
		return err
	}
	if m.More = len(m.Items) > pageSize; m.More {
		m.Items = m.Items[:pageSize]
	}
	p := q.page("sources.title")
	return q.show(p, sourcesPage(p, m))
}

// lack is a feed that detectors miss, and which ones rest without it.
type lack struct {
	Text    ocsf.Text
	Resting []ocsf.Text
}

func (q *request) missing() []lack {
	titles := map[string]ocsf.Text{}
	for _, d := range q.Detectors() {
		titles[d.ID] = d.Title
	}
	var out []lack
	for _, p := range q.Health() {
		x := lack{Text: p.Text}
		for _, id := range p.Detectors {
			x.Resting = append(x.Resting, titles[id])
		}
		out = append(out, x)
	}
	return out
}

func (m sourcesFile) link(page int) string {
	return "/sources?state=" + m.State + "&page=" + strconv.Itoa(page+1) + "#quarantine"
}

// record is a quarantined record that is looked at.
type record struct {
	quarantine.Item
	Text string // with line feeds, for editing
	// Editable is false for bytes that are no text, which a browser would
	// change.
	Editable bool
	May      bool
}

// mostShown is how many bytes a page shows and lets edit.
const mostShown = 1 << 20

func (q *request) quarantined() error {
	ctx := q.r.Context()
	item, err := q.Quarantine.Get(ctx, q.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := q.Watch(ctx, q.ses.User, api.LookedAtRecord, "Quarantine", item.ID, ""); err != nil {
		return err
	}
	m := record{Item: item, May: q.ses.User.May(identity.Replay)}
	m.Editable = utf8.Valid(item.Data) && len(item.Data) <= mostShown && !strings.ContainsRune(string(item.Data), 0)
	m.Text = shown(item.Data)
	p := q.page("record.title")
	return q.show(p, recordPage(p, m))
}

// shown is a record as text: other bytes as \x.., the end of lines as a
// browser has them.
func shown(data []byte) string {
	text := string(data[:min(len(data), mostShown)])
	if !utf8.ValidString(text) {
		text = strings.Trim(strconv.QuoteToASCII(text), `"`)
		text = strings.NewReplacer(`\n`, "\n", `\r`, "\n", `\"`, `"`).Replace(text)
	}
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

// unshown gives a mended text the ends of lines that the record had: HL7 ends
// its segments with a bare carriage return, and browsers send CR LF.
func unshown(text string, was []byte) []byte {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	before := string(was)
	switch {
	case strings.Contains(before, "\r\n"):
		text = strings.ReplaceAll(text, "\n", "\r\n")
	case strings.Contains(before, "\r"):
		text = strings.ReplaceAll(text, "\n", "\r")
	}
	return []byte(text)
}

// mend replays or discards a quarantined record.
func (q *request) mend() error {
	ctx, u, id := q.r.Context(), q.ses.User, q.r.PathValue("id")
	var err error
	switch q.r.PathValue("what") {
	case "replay":
		item, e := q.Quarantine.Get(ctx, id)
		if e != nil {
			return e
		}
		var data []byte
		if q.r.PostForm.Has("data") {
			data = unshown(q.r.FormValue("data"), item.Data)
		}
		err = q.ReplayItem(ctx, u, id, data)
	case "discard":
		err = q.DiscardItem(ctx, u, id)
	default:
		err = q.refused(http.StatusNotFound, "error.nothing")
	}
	if err != nil {
		return err
	}
	return q.redirect("/sources?done=" + q.r.PathValue("what") + "#quarantine")
}

// titles joins titles in the reader's language.
func (p *page) titles(list []ocsf.Text) string {
	var out []string
	for _, t := range list {
		out = append(out, p.In(t))
	}
	if p.zh() {
		return strings.Join(out, "、")
	}
	return strings.Join(out, ", ")
}
