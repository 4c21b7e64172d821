// Package pdf reads PDF: the text of its pages, its form fields, annotations and
// properties; attached files and images are members.
//
// It reads the files itself: the Go library at hand gives wrong characters for
// Chinese text, trusts lengths, and panics. What it guarantees. Objects are
// found by looking for them, so that files with a wrong or missing table, or cut
// short, are read as far as they go; everything unpacked is bounded, by stream
// and by file. Text is decoded by the font's own map, or by the named maps for
// Chinese; where a font has neither, or a page is only an image, that is
// reported. What it does not do: it tries no passwords, not even the empty one,
// and it does not put columns of text in order.
package pdf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/cordon-health/cordon/classify"
)

const (
	// fileMost is the largest file; it is kept in memory.
	fileMost = 512 << 20
	// pagesMost bounds the pages.
	pagesMost = 200_000
)

// Readers lists the readers of this package.
func Readers() []classify.Reader { return []classify.Reader{New(false)} }

// New makes a reader. With ocr images are read by another reader, and a page
// that is only an image is not reported.
func New(ocr bool) classify.Reader { return reader{ocr} }

type reader struct{ ocr bool }

var _ classify.Reader = reader{}

// Name is pdf.
func (reader) Name() string { return "pdf" }

// Claims goes by the first bytes, before which some programs write others.
func (reader) Claims(_ string, head []byte) bool {
	return bytes.Contains(head[:min(len(head), 1024)], []byte("%PDF-"))
}

// Read gives the pages in order, then the rest.
func (r reader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	if src.Size() > fileMost {
		return classify.TooLarge
	}
	b := make([]byte, src.Size())
	if n, err := src.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read a PDF: %w", err)
	} else if n < len(b) {
		return classify.Truncated
	}
	f, err := open(b)
	if err != nil {
		return err
	}
	if f.trailer["Encrypt"] != nil {
		return classify.Encrypted
	}
	if !bytes.Contains(b[max(0, len(b)-2048):], []byte("%%EOF")) {
		out.Unread("", classify.Truncated)
	}
	d := &document{ctx: ctx, f: f, out: out, ocr: r.ocr, fonts: map[any]*font{}}
	for i, page := range f.pages() {
		if err := d.page(i+1, page); err != nil {
			return err
		}
	}
	return d.rest()
}

type document struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one Read
	f     *file
	out   classify.Sink
	ocr   bool
	fonts map[any]*font
}

// pages are the pages in their order, with what they inherit.
func (f *file) pages() []dict {
	var all []dict
	seen := map[ref]bool{}
	var walk func(v any, inherited any, depth int)
	walk = func(v any, inherited any, depth int) {
		if r, isRef := v.(ref); isRef {
			if seen[r] {
				return
			}
			seen[r] = true
		}
		d := f.dict(v)
		if depth > nestedMost || len(all) >= pagesMost || len(d) == 0 {
			return
		}
		if d["Resources"] != nil {
			inherited = d["Resources"]
		}
		if kids, ok := f.get(d["Kids"]).(array); ok {
			for _, kid := range kids {
				walk(kid, inherited, depth+1)
			}
			return
		}
		all = append(all, dict{"Contents": d["Contents"], "Resources": inherited})
	}
	root := f.dict(f.trailer["Root"])
	walk(root["Pages"], nil, 0)
	if len(all) > 0 {
		return all
	}
	for _, n := range f.sorted() {
		d, ok := f.object(n).(dict)
		if kind, _ := d["Type"].(name); ok && kind == "Page" && len(all) < pagesMost {
			all = append(all, d)
		}
	}
	return all
}

func (f *file) sorted() []int {
	all := slices.Clone(f.order)
	slices.Sort(all)
	return all
}

// page gives the text of a page, and its images.
func (d *document) page(n int, page dict) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	where := "page " + strconv.Itoa(n)
	p := &painter{f: d.f, fonts: d.fonts}
	var content []byte
	for _, v := range d.f.list(page["Contents"]) {
		s, ok := d.f.get(v).(stream)
		if !ok {
			continue
		}
		b, err := d.f.unpack(s)
		if err != nil {
			d.out.Unread(where, cause(err))
		}
		if content = append(append(content, b...), '\n'); len(content) > unpackedMost {
			break
		}
	}
	p.draw(content, d.f.dict(page["Resources"]), one(), 0)
	text := bytes.TrimSpace(bytes.ToValidUTF8(p.out, nil))
	if p.blind {
		d.out.Unread(where, classify.Because("a font does not say which characters its text means", "字体未说明文字对应的字符"))
	}
	if len(text) > 0 {
		if err := d.out.Part(classify.Part{Path: where, Offset: -1, Text: text}); err != nil {
			return err
		}
	}
	if len(text) < 16 && len(p.images) > 0 && !d.ocr {
		d.out.Unread(where, classify.NoOCR)
	}
	for i, s := range p.images {
		if err := d.image(where+" image "+strconv.Itoa(i+1), s); err != nil {
			return err
		}
	}
	return nil
}

func cause(err error) error {
	var c *classify.Cause
	if errors.As(err, &c) {
		return c
	}
	return classify.Damaged
}

// image hands over an image that is a file of its own.
func (d *document) image(name string, s stream) error {
	b, err := d.f.unpack(s)
	if !errors.Is(err, errImage) {
		return nil // bare pixels
	}
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8")):
		name += ".jpg"
	case bytes.HasPrefix(b, []byte("\x00\x00\x00\x0cjP")):
		name += ".jp2"
	default:
		return nil
	}
	return d.out.Member(name, bytes.NewReader(b))
}

// rest gives what belongs to no page: properties, fields, annotations,
// attachments.
func (d *document) rest() error {
	if err := d.properties(); err != nil {
		return err
	}
	for i, n := range d.f.sorted() {
		if i%256 == 0 {
			if err := d.ctx.Err(); err != nil {
				return err
			}
		}
		var err error
		switch v := d.f.object(n).(type) {
		case dict:
			err = d.loose(v)
		case stream:
			if kind, _ := v.dict["Type"].(name); kind == "Metadata" {
				err = d.member("metadata.xml", v)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *document) properties() error {
	info := d.f.dict(d.f.trailer["Info"])
	for _, key := range []string{"Title", "Author", "Subject", "Keywords", "Creator"} {
		if err := d.text("properties/"+key, key, info[key]); err != nil {
			return err
		}
	}
	return nil
}

// loose gives a field of a form, an annotation, an attachment.
func (d *document) loose(v dict) error {
	if files := d.f.dict(v["EF"]); len(files) > 0 {
		return d.attachment(v, files)
	}
	if kind, _ := d.f.get(v["Subtype"]).(name); v["V"] != nil && v["T"] != nil || kind == "Widget" && v["V"] != nil {
		field := plain(d.f.get(v["T"]))
		for _, one := range d.f.list(v["V"]) {
			if err := d.text("field "+field, field, one); err != nil {
				return err
			}
		}
	}
	if err := d.text("link", "", d.f.dict(v["A"])["URI"]); err != nil {
		return err
	}
	if v["Subtype"] == nil {
		return nil
	}
	return d.text("annotation", "", v["Contents"])
}

func (d *document) text(path, field string, v any) error {
	text := strings.TrimSpace(plain(d.f.get(v)))
	if text == "" {
		return nil
	}
	return d.out.Part(classify.Part{Path: path, Field: field, Offset: -1, Text: []byte(text)})
}

func (d *document) attachment(spec, files dict) error {
	name := plain(d.f.get(spec["UF"]))
	if name == "" {
		name = plain(d.f.get(spec["F"]))
	}
	if name == "" {
		name = "attachment"
	}
	for _, key := range []string{"F", "UF", "DOS", "Unix"} {
		if s, ok := d.f.get(files[key]).(stream); ok {
			return d.member(name, s)
		}
	}
	return nil
}

func (d *document) member(name string, s stream) error {
	b, err := d.f.unpack(s)
	if err != nil && !errors.Is(err, errImage) {
		d.out.Unread(name, cause(err))
	}
	if len(b) == 0 {
		return nil
	}
	return d.out.Member(name, bytes.NewReader(b))
}

// plain is a text string: UTF-16 or UTF-8 with their marks, or one byte a
// character.
func plain(v any) string {
	s, _ := v.(str)
	switch {
	case strings.HasPrefix(string(s), "\xfe\xff"):
		return wideString(s[2:])
	case strings.HasPrefix(string(s), "\xef\xbb\xbf"):
		return strings.ToValidUTF8(string(s[3:]), "?")
	}
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if ascii {
		return string(s)
	}
	if text, ok := classify.TextBegins([]byte(s)); ok && utf8.Valid(text) {
		return string(text)
	}
	text, _ := charmap.Windows1252.NewDecoder().String(string(s))
	return text
}
