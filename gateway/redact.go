package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
)

// errNotText means that content is of a kind that cannot be redacted.
var errNotText = errors.New("this kind of content cannot be redacted")

// Text replaces what is of a level or above by the name of its kind in
// brackets. text is UTF-8.
func (g *Guard) Text(text []byte, level int) []byte {
	in := g.Inspector()
	spans := in.Engine.Scan(nil, text, classify.Discover)
	out := make([]byte, 0, len(text))
	at := 0
	for _, s := range spans {
		if max(in.Levels.Of(s.Kind), in.Engine.KindLevel(s.Kind)) < level {
			continue
		}
		out = append(out, text[at:s.Start]...)
		out = append(append(append(out, '['), in.Engine.KindName(s.Kind)...), ']')
		at = s.End
	}
	return append(out, text[at:]...)
}

// Body redacts the body of a web request or any other content with a media
// type. It answers errNotText where that is impossible.
func (g *Guard) Body(ctx context.Context, media string, body []byte, level int) (clean []byte, err error) {
	defer fault(&err)
	kind, params, err := mime.ParseMediaType(media)
	if err != nil && media != "" {
		return nil, errNotText
	}
	switch {
	case kind == "multipart/form-data":
		return g.form(ctx, params["boundary"], body, level)
	case !utf8.Valid(body):
		return nil, errNotText
	case kind == "application/x-www-form-urlencoded":
		return g.query(body, level)
	case textual(kind):
		return g.Text(body, level), nil
	}
	return nil, errNotText
}

// fault makes a panic over a hostile content an error of this content alone.
func fault(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: the redaction has a fault: %T", errNotText, p)
	}
}

func textual(kind string) bool {
	return kind == "" || strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") ||
		slices.Contains([]string{"application/json", "application/xml", "application/x-ndjson", "application/javascript", "application/csv", "application/fhir+json"}, kind)
}

// query redacts a urlencoded form and keeps the order of its fields.
func (g *Guard) query(body []byte, level int) ([]byte, error) {
	var out []string
	for pair := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if err != nil {
			return nil, errNotText
		}
		clean := g.Text([]byte(plain), level)
		if string(clean) != plain {
			value = url.QueryEscape(string(clean))
		}
		out = append(out, name+"="+value)
	}
	return []byte(strings.Join(out, "&")), nil
}

// mostParts bounds the parts of a form or a mail that is redacted.
const mostParts = 1000

// form redacts the texts of a multipart form. A file that is no text and
// holds nothing of the level goes along unchanged.
func (g *Guard) form(ctx context.Context, boundary string, body []byte, level int) ([]byte, error) {
	if boundary == "" {
		return nil, errNotText
	}
	in := multipart.NewReader(bytes.NewReader(body), boundary)
	var b bytes.Buffer
	out := multipart.NewWriter(&b)
	if err := out.SetBoundary(boundary); err != nil {
		return nil, errNotText
	}
	for range mostParts {
		part, err := in.NextRawPart()
		if errors.Is(err, io.EOF) {
			return b.Bytes(), out.Close()
		}
		if err != nil {
			return nil, errNotText
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, errNotText
		}
		clean, err := g.Part(ctx, part.Header.Get("Content-Type"), part.FileName(), data, level)
		if err != nil {
			return nil, err
		}
		w, err := out.CreatePart(part.Header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(clean); err != nil {
			return nil, err
		}
	}
	return nil, errNotText
}

// Part redacts one file or field: text as text, other content only if there
// is nothing in it to redact.
func (g *Guard) Part(ctx context.Context, media, name string, data []byte, level int) ([]byte, error) {
	kind, _, _ := mime.ParseMediaType(media)
	if utf8.Valid(data) && (textual(kind) || kind == "text/html") {
		return g.Text(data, level), nil
	}
	dirty := false
	sum, err := g.Inspector().Inspect(ctx, classify.BytesSource(name, data), func(f *classify.Finding) error {
		dirty = dirty || f.Level >= level
		return nil
	})
	if err != nil || dirty || sum.Unread > 0 {
		return nil, errNotText
	}
	return data, nil
}

// Clean inspects what was redacted and says whether no rule stops it any more.
func (g *Guard) Clean(ctx context.Context, it Item, o Outcome) bool {
	route := g.Config.route(it)
	if route == nil || route.Name != o.Route {
		return false
	}
	seen, err := g.inspect(ctx, route, it)
	if err != nil {
		return false
	}
	var again Outcome
	g.rule(route, seen, &again)
	return again.Action == Allow
}

// Instead is what happens to an item that could not be redacted; it goes on
// record like any other outcome.
func (g *Guard) Instead(ctx context.Context, it Item, o Outcome) Outcome {
	o.Action = o.Otherwise
	if o.Action == "" {
		o.Action = Block
	}
	if route := g.Config.route(it); o.Action != Block && route != nil {
		seen, err := g.inspect(ctx, route, it)
		if err != nil {
			o.Action, o.Failed = Block, failure(err)
			return g.recorded(ctx, it, o)
		}
		g.askPass(ctx, it, seen, &o)
	}
	return g.recorded(ctx, it, o)
}
