// Package office reads documents of office programs: XLSX, DOCX and PPTX, the
// OpenDocument ODS, ODT and ODP, and the older XLS, DOC, PPT and Outlook MSG.
// It gives [Readers]. Cells come with their sheet, place and column's heading;
// paragraphs, tables, headers, footers, comments, notes and deleted text come in
// their order; properties too; embedded files and images are members.
//
// What it guarantees. Sheets and documents are read as they come, and what has
// to be kept (shared strings, directories) is bounded; hidden sheets and columns
// are read like others. What is encrypted is said to be. What it does not do: it
// computes no formulas (their last results are read) and runs no macros.
package office

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/markup"
)

const (
	// directoryMost bounds a container's directory.
	directoryMost = 16 << 20
	// paragraphMost is the longest paragraph given as one.
	paragraphMost = 1 << 20
	// partMost is how much of one part of a container is unpacked.
	partMost = 16 << 30
	// ratioMost is how many times its size a part may be unpacked to, beyond
	// its first 64 MiB.
	ratioMost, ratioFree = 300, 64 << 20
)

// Readers lists the readers of this package.
func Readers() []classify.Reader { return []classify.Reader{packageReader{}, oleReader{}} }

// packageReader reads the containers of XML parts: Office Open XML and
// OpenDocument.
type packageReader struct{}

var _ classify.Reader = packageReader{}

// Name is office.
func (packageReader) Name() string { return "office" }

// Claims goes by the first members of the ZIP, or the name.
func (packageReader) Claims(name string, head []byte) bool {
	if !bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return false
	}
	for _, s := range []string{"[Content_Types].xml", "_rels/.rels", "docProps/", "xl/workbook", "word/document", "mimetypeapplication/vnd.oasis.opendocument"} {
		if bytes.Contains(head, []byte(s)) {
			return true
		}
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".xlsx", ".xlsm", ".xltx", ".docx", ".docm", ".dotx", ".pptx", ".pptm", ".ppsx", ".ods", ".odt", ".odp":
		return true
	}
	return false
}

// Read gives the document's parts.
func (packageReader) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	bounded := &directory{ReaderAt: src, left: directoryMost}
	z, err := zip.NewReader(bounded, src.Size())
	if err != nil {
		return classify.Damaged
	}
	bounded.open = true
	z.RegisterDecompressor(zip.Deflate, flate.NewReader)
	d := &document{ctx: ctx, out: out, files: map[string]*zip.File{}}
	for _, f := range z.File {
		if _, twice := d.files[f.Name]; !twice {
			d.order = append(d.order, f)
			d.files[f.Name] = f
		}
	}
	return d.read()
}

// directory bounds what is read of a ZIP until it is open.
type directory struct {
	io.ReaderAt
	left int
	open bool
}

func (d *directory) ReadAt(p []byte, at int64) (int, error) {
	if d.left -= len(p); d.left < 0 && !d.open {
		return 0, classify.TooLarge
	}
	return d.ReaderAt.ReadAt(p, at)
}

// document is an open container.
type document struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one Read
	out   classify.Sink
	files map[string]*zip.File
	order []*zip.File
}

// read gives all parts: first those with an order of their own, then the rest
// as the container has them.
func (d *document) read() error {
	if f := d.files["xl/workbook.xml"]; f != nil {
		if err := d.workbook(); err != nil {
			return err
		}
	}
	for _, f := range d.order {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if err := d.part(f); err != nil {
			return err
		}
	}
	return nil
}

// part gives one part that is no sheet.
func (d *document) part(f *zip.File) error {
	name := f.Name
	base := path.Base(name)
	switch {
	case strings.HasSuffix(name, "/") || f.UncompressedSize64 == 0 && f.Flags&8 == 0:
		return nil
	case strings.HasPrefix(name, "docProps/") || name == "meta.xml":
		return d.properties(f)
	case strings.Contains(name, "/media/") || strings.Contains(name, "/embeddings/") || strings.HasPrefix(name, "Pictures/") || strings.HasPrefix(name, "ObjectReplacements/"):
		return d.member(f)
	case name == "content.xml" || name == "styles.xml":
		return d.body(f, true)
	case strings.HasPrefix(name, "word/") && wordPart(base), strings.HasPrefix(name, "ppt/") && slidePart(name):
		return d.body(f, false)
	case strings.HasPrefix(name, "xl/") && sheetExtra(name):
		return d.loose(f)
	case strings.HasPrefix(name, "customXml/") && strings.HasPrefix(base, "item") && !strings.HasPrefix(base, "itemProps"):
		return d.member(f)
	}
	return nil
}

func wordPart(base string) bool {
	for _, s := range []string{"document", "header", "footer", "comments", "footnotes", "endnotes"} {
		if strings.HasPrefix(base, s) && strings.HasSuffix(base, ".xml") {
			return true
		}
	}
	return false
}

func slidePart(name string) bool {
	for _, s := range []string{"ppt/slides/", "ppt/notesSlides/", "ppt/comments/", "ppt/slideMasters/", "ppt/slideLayouts/", "ppt/charts/", "ppt/diagrams/"} {
		if strings.HasPrefix(name, s) && strings.HasSuffix(name, ".xml") {
			return true
		}
	}
	return false
}

func sheetExtra(name string) bool {
	for _, s := range []string{"xl/comments", "xl/threadedComments/", "xl/persons/", "xl/drawings/", "xl/charts/", "xl/pivotCache/", "xl/externalLinks/", "xl/connections"} {
		if strings.HasPrefix(name, s) && strings.HasSuffix(name, ".xml") {
			return true
		}
	}
	return false
}

// open unpacks a part, within its bounds; nil where it cannot.
func (d *document) open(f *zip.File) io.ReadCloser {
	if f.Flags&1 != 0 {
		d.out.Unread(f.Name, classify.Encrypted)
		return nil
	}
	r, err := f.Open()
	if err != nil {
		d.out.Unread(f.Name, classify.Damaged)
		return nil
	}
	most := int64(partMost)
	if packed := int64(f.CompressedSize64); packed < partMost/ratioMost {
		most = ratioFree + packed*ratioMost
	}
	return &unpacked{ReadCloser: r, left: most}
}

// unpacked is a part with a bound.
type unpacked struct {
	io.ReadCloser
	left int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, errGrows
	}
	switch {
	case err == nil || errors.Is(err, io.EOF):
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = classify.Truncated
	default:
		err = classify.Damaged
	}
	return n, err
}

var errGrows = classify.Because("one of its parts grows too much when it is unpacked", "其中一部分解包后过大")

// end reports what ended a part, if that was not its true end.
func (d *document) end(f *zip.File, err error) {
	switch {
	case errors.Is(err, markup.ErrTag):
		d.out.Unread(f.Name, classify.TooLarge)
	case err != nil:
		d.out.Unread(f.Name, err)
	}
}

func (d *document) member(f *zip.File) error {
	r := d.open(f)
	if r == nil {
		return nil
	}
	defer r.Close()
	return d.out.Member(f.Name, r)
}

// properties gives the document's author, title and the like.
func (d *document) properties(f *zip.File) error {
	if path.Ext(f.Name) != ".xml" {
		return d.member(f)
	}
	r := d.open(f)
	if r == nil {
		return nil
	}
	defer r.Close()
	s := markup.New(r)
	field := ""
	for k := s.Next(); k != markup.None; k = s.Next() {
		switch k {
		case markup.Start:
			field = string(s.Name())
		case markup.Text:
			if text := bytes.TrimSpace(s.Text()); len(text) > 1 {
				if err := d.out.Part(classify.Part{Path: "properties/" + field, Field: field, Offset: -1, Text: text}); err != nil {
					return err
				}
			}
		}
	}
	d.end(f, s.Err())
	return nil
}

// loose gives the texts of a part in no particular order: comments, drawings,
// what pivot tables keep.
func (d *document) loose(f *zip.File) error {
	r := d.open(f)
	if r == nil {
		return nil
	}
	defer r.Close()
	s := markup.New(r)
	var text []byte
	give := func() error {
		t := bytes.TrimSpace(text)
		text = text[:0]
		if len(t) < 2 {
			return nil
		}
		return d.out.Part(classify.Part{Path: f.Name, Offset: -1, Text: t})
	}
	pivot := strings.HasPrefix(f.Name, "xl/pivotCache/")
	for k := s.Next(); k != markup.None; k = s.Next() {
		switch k {
		case markup.Start:
			if v := s.Attr("v"); pivot && len(v) > 0 {
				text = append(append(text, v...), '\n')
			} else if v := s.Attr("displayName"); len(v) > 0 {
				text = append(append(text, v...), '\n')
			}
		case markup.Text:
			text = append(text, s.Text()...)
		case markup.End:
			if n := string(s.Name()); n != "p" && n != "comment" && n != "r" && n != "v" && n != "s" && n != "person" && len(text) < paragraphMost {
				continue
			}
			if pivot && len(text) < 4096 {
				continue
			}
			if err := give(); err != nil {
				return err
			}
		}
	}
	d.end(f, s.Err())
	return give()
}
