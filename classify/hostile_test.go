package classify_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/archive"
	"github.com/cordon-health/cordon/classify/columnar"
	"github.com/cordon-health/cordon/classify/image"
	"github.com/cordon-health/cordon/classify/mail"
	"github.com/cordon-health/cordon/classify/office"
	"github.com/cordon-health/cordon/classify/pdf"
	"github.com/cordon-health/cordon/classify/table"
)

const someone = "姓名：张三丰，身份证号11010519491231002X，手机13800138000。\n"

func allReaders() []classify.Reader {
	return slices.Concat(office.Readers(), pdf.Readers(), columnar.Readers(), image.Readers(), mail.Readers(), archive.Readers(), table.Readers())
}

// heapMost is what any of the hostile files may take.
const heapMost = 700 << 20

// hostile inspects a file and watches the heap meanwhile.
func hostile(t *testing.T, name string, data []byte) ([]*classify.Finding, classify.Summary) {
	t.Helper()
	engine, err := classify.New(classify.Config{})
	if err != nil {
		t.Fatal(err)
	}
	i := &classify.Inspector{Engine: engine, Readers: allReaders(), Temp: t.TempDir(), Caps: classify.Caps{Unpacked: 256 << 20}}
	runtime.GC()
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-done:
				peak <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	var all []*classify.Finding
	sum, err := i.Inspect(t.Context(), classify.BytesSource(name, data), func(f *classify.Finding) error {
		if len(all) < 100_000 {
			all = append(all, f)
		}
		return nil
	})
	close(done)
	if most := <-peak; most > heapMost {
		t.Errorf("%s took %d MiB", name, most>>20)
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return all, sum
}

func zipOf(t *testing.T, files ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i].(string))
		if err != nil {
			t.Fatal(err)
		}
		switch c := files[i+1].(type) {
		case string:
			_, err = io.WriteString(w, c)
		case []byte:
			_, err = w.Write(c)
		case int64:
			_, err = io.CopyN(w, blanks{}, c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// wants says what the inspection of a file has to come to.
func wants(t *testing.T, name string, data []byte, why string, found bool) {
	t.Helper()
	all, sum := hostile(t, name, data)
	said := why == ""
	for _, f := range all {
		if f.Why != nil && strings.Contains(f.Why.EN, why) && f.Why.ZH != "" {
			said = true
		}
	}
	if !said {
		t.Errorf("%s: nothing says %q; unread %d, format %s", name, why, sum.Unread, sum.Format)
	}
	if got := sum.Kinds[classify.ResidentID.String()] > 0; got != found {
		t.Errorf("%s: found %v, want %v: %v", name, got, found, sum.Kinds)
	}
}

func TestZipBombs(t *testing.T) {
	bomb := zipOf(t, "0.txt", int64(200<<20))
	var files []any
	for n := range 16 {
		files = append(files, fmt.Sprintf("%d.zip", n), bomb)
	}
	wants(t, "42.zip", zipOf(t, append([]any{"first.txt", someone}, files...)...), "larger than may be unpacked", true)

	nest := zipOf(t, "note.txt", someone)
	for range 40 {
		nest = zipOf(t, "again.zip", nest, "note.txt", someone)
	}
	wants(t, "nested.zip", nest, "deeper in other files", true)

	one := zipOf(t, "a.txt", someone+strings.Repeat("x", 1<<20))
	overlapping := bytes.Clone(one)
	at := bytes.LastIndex(overlapping, []byte("PK\x01\x02"))
	end := bytes.LastIndex(overlapping, []byte("PK\x05\x06"))
	entry := bytes.Clone(overlapping[at:end])
	many := append(bytes.Clone(overlapping[:at]), bytes.Repeat(entry, 2000)...)
	tail := bytes.Clone(overlapping[end:])
	tail[8], tail[9], tail[10], tail[11] = 0xd0, 7, 0xd0, 7
	size := len(entry) * 2000
	tail[12], tail[13], tail[14], tail[15] = byte(size), byte(size>>8), byte(size>>16), byte(size>>24)
	wants(t, "overlapping.zip", append(many, tail...), "larger than may be unpacked", true)

	var deep bytes.Buffer
	z := gzip.NewWriter(&deep)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "huge", Size: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(w, blanks{}, 300<<20); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	wants(t, "huge.tar.gz", deep.Bytes(), "larger than may be unpacked", false)
}

func TestMarkupBombs(t *testing.T) {
	laughs := `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">`
	for c := 'b'; c < 'z'; c++ {
		laughs += fmt.Sprintf(`<!ENTITY %c "%s">`, c, strings.Repeat(fmt.Sprintf("&%c;", c-1), 10))
	}
	laughs += "]><l>&y;" + someone + "</l>"
	wants(t, "laughs.xml", []byte(laughs), "", true)
	wants(t, "laughs.docx", zipOf(t, "[Content_Types].xml", "<x/>", "word/document.xml", strings.Replace(strings.Replace(laughs, "<l>", "<w:document><w:p><w:t>", 1), "</l>", "</w:t></w:p>", 1)), "", true)
	wants(t, "deep.xml", []byte("<?xml?>"+someone+strings.Repeat("<a>", 3_000_000)), "nested too deeply", true)
	wants(t, "deep.json", []byte(`["`+strings.TrimSpace(someone)+`",`+strings.Repeat("[", 3_000_000)), "nested too deeply", true)
	wants(t, "deep.html", []byte("<html>"+someone+strings.Repeat("<table><tr><td>", 300_000)), "", true)
	wants(t, "wide.xml", []byte("<?xml?><a "+strings.Repeat("b='c' ", 1_000_000)+">"), "larger than may be kept", false)
}

func TestManyParts(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: a@b.c\r\nTo: d@e.f\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
	for range 10_000 {
		b.WriteString("--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n" + someone + "\r\n")
	}
	_, sum := hostile(t, "a.eml", []byte(b.String()))
	if got := sum.Kinds[classify.ResidentID.String()]; got != 10_000 {
		t.Errorf("mail: %d of 10,000 attachments", got)
	}
	var files []any
	for n := range 30_000 {
		files = append(files, fmt.Sprint(n), "")
	}
	hostile(t, "many.zip", zipOf(t, files...))
}

func TestWrongNames(t *testing.T) {
	for _, name := range []string{"a.zip", "a.xlsx", "a.docx", "a.pdf", "a.png", "a.parquet", "a.db", "a.7z", "a.xls", "a.json", "a.xml", "a.sql", "a.csv", "a.eml", "a.rtf", "a.vcf", "a.html"} {
		wants(t, name, []byte(someone), "", true)
	}
	wants(t, "a.txt", zipOf(t, "x.bin", someone), "", true)
	wants(t, "a.pdf", zipOf(t, "x.csv", "name,id\n张三丰,11010519491231002X\n"), "", true)
	wants(t, "broken.zip", append([]byte("PK\x03\x04"), []byte(someone)...), "directory is missing", true)
	wants(t, "broken.pdf", []byte("%PDF-1.7\n"+someone), "damaged", true)
	wants(t, "broken.xls", append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), []byte(someone)...), "ends too early", true)
	wants(t, "broken.db", append([]byte("SQLite format 3\x00"), []byte(someone)...), "", true)
}
