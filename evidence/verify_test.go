package evidence

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-health/cordon/ocsf"
)

// The files of these tests are NDJSON; evidence/folder repeats them with the
// lake's own.
type line struct {
	Seq   uint64          `json:"seq"`
	Index uint32          `json:"index"`
	Event json.RawMessage `json:"event"`
}

type openFile struct{ *os.File }

func (f openFile) Size() int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

func readLines(r io.ReaderAt, size int64) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		in := bufio.NewScanner(io.NewSectionReader(r, 0, size))
		for in.Scan() {
			var l line
			row := Row{Event: new(ocsf.Event)}
			err := json.Unmarshal(in.Bytes(), &l)
			if err == nil {
				err = ocsf.Decode(l.Event, row.Event)
			}
			row.Seq, row.Index = l.Seq, l.Index
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

func (s *site) lake(name string) string { return filepath.Join(s.dir, "lake", name) }

// store writes rows to a file, into the manifest and into the log.
func (s *site) store(name string, rows []line, replaces ...string) {
	s.t.Helper()
	mark := s.writeLines(name, rows)
	mark.Replaces = replaces
	s.update(func(tx *sql.Tx) error { return s.File(tx, mark) })
	var kept []FileMark
	for _, f := range s.manifest() {
		if !slices.Contains(replaces, f.Name) {
			kept = append(kept, f)
		}
	}
	s.saveManifest(append(kept, mark))
}

func (s *site) writeLines(name string, rows []line) FileMark {
	s.t.Helper()
	var buf bytes.Buffer
	for _, r := range rows {
		data, err := json.Marshal(r)
		if err != nil {
			s.t.Fatal(err)
		}
		buf.Write(append(data, '\n'))
	}
	if err := os.MkdirAll(filepath.Dir(s.lake(name)), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.lake(name), buf.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(buf.Bytes())
	m := FileMark{Name: name, SHA256: hex.EncodeToString(sum[:]), Rows: int64(len(rows))}
	for i, r := range rows {
		if i == 0 {
			m.FirstSeq = r.Seq
		}
		m.FirstSeq, m.LastSeq = min(m.FirstSeq, r.Seq), max(m.LastSeq, r.Seq)
	}
	return m
}

func (s *site) lines(name string) []line {
	s.t.Helper()
	data, err := os.ReadFile(s.lake(name))
	if err != nil {
		s.t.Fatal(err)
	}
	var rows []line
	for text := range bytes.Lines(data) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			s.t.Fatal(err)
		}
		rows = append(rows, l)
	}
	return rows
}

func (s *site) rows(name string) iter.Seq2[Row, error] {
	data, err := os.ReadFile(s.lake(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return readLines(bytes.NewReader(data), int64(len(data)))
}

func (s *site) manifest() (list []FileMark) {
	data, err := os.ReadFile(s.lake("manifest"))
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return list
}

func (s *site) saveManifest(list []FileMark) {
	s.t.Helper()
	data, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(s.lake("manifest"), data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// rewrite changes the rows of a file and makes the manifest agree, as an
// insider with the disk would.
func (s *site) rewrite(name string, change func(rows []line) []line) {
	s.t.Helper()
	mark := s.writeLines(name, change(s.lines(name)))
	list := s.manifest()
	for i := range list {
		if list[i].Name == name {
			list[i] = mark
		}
	}
	s.saveManifest(list)
}

func rowsOf(seq, n int) []line {
	var rows []line
	for i, e := range batchOf(seq, n) {
		rows = append(rows, line{uint64(seq), uint32(i), e.AppendJSON(nil)})
	}
	return rows
}

// furnish fills a site: five batches in two files, one batch not stored yet,
// and records with versions. It closes it.
func furnish(t testing.TB) *site { return furnishAt(t, time.Time{}) }

func furnishAt(t testing.TB, at time.Time) *site {
	s := &site{t: t, dir: t.TempDir(), at: at}
	s.furnish()
	return s
}

func (s *site) furnish() {
	s.open()
	s.t.Cleanup(s.close)
	var first, second []line
	for seq := 1; seq <= 5; seq++ {
		s.events(uint64(seq), batchOf(seq, 4)...)
		if seq <= 3 {
			first = append(first, rowsOf(seq, 4)...)
		} else {
			second = append(second, rowsOf(seq, 4)...)
		}
	}
	s.store("a", first)
	s.store("b", second)
	s.events(6, batchOf(6, 2)...)
	for i := range 3 {
		s.put(Record{Kind: "case", ID: "c1", Person: "S1001", Status: "open", Score: float64(i), Body: fmt.Appendf(nil, `{"step":%d}`, i)})
		s.put(Record{Kind: "case", ID: fmt.Sprintf("d%d", i), Patient: "MRN1", Body: []byte(`{}`)})
	}
	s.sync()
	s.close()
}

// copy gives a copy of a closed site.
func (s *site) copy(t testing.TB) *site {
	t.Helper()
	c := &site{t: t, dir: filepath.Join(t.TempDir(), "copy")}
	if err := os.CopyFS(c.dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *site) source() Source {
	return Source{Log: os.DirFS(filepath.Join(s.dir, "evidence")), Rows: readLines,
		Manifest: func(context.Context) ([]FileMark, error) { return s.manifest(), nil },
		File: func(_ context.Context, name string) (File, error) {
			f, err := os.Open(s.lake(name))
			if err != nil {
				return nil, err
			}
			return openFile{f}, nil
		}}
}

func (s *site) verify(change ...func(*Source)) Report {
	s.t.Helper()
	db := s.openStore()
	defer db.Close()
	src := s.source()
	src.DB = db
	for _, c := range change {
		c(&src)
	}
	r, err := Verify(context.Background(), src, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func TestVerifySound(t *testing.T) {
	t.Parallel()
	s := furnish(t)
	r := s.verify()
	if !r.OK || r.Events != 20 || r.Records != 6 || r.Files != 2 || r.Batches != 6 || r.Roots != 5 || r.WaitingEvents != 2 {
		t.Errorf("report %+v", r)
	}
	if r.KeyGiven || len(r.Notes) != 1 {
		t.Errorf("a key from the folder must be noted: %v", r.Notes)
	}
	r = s.verify(func(src *Source) { src.Key = r.Key })
	if !r.OK || !r.KeyGiven || len(r.Notes) != 0 {
		t.Errorf("with the key given: %+v", r)
	}
}

func TestVerifyCompactionAndRetention(t *testing.T) {
	t.Parallel()
	s := furnish(t)
	s.open()
	rows := append(s.lines("a"), s.lines("b")...)
	s.store("c", rows, "a", "b")
	remove(t, s.lake("a"))
	remove(t, s.lake("b"))
	kept := s.writeLines("e", rows[3:]) // retention takes three events away
	lost, err := Lost(s.rows("c"), s.rows("e"))
	if err != nil || len(lost) != 3 {
		t.Fatalf("lost %v, %v", lost, err)
	}
	remove(t, s.lake("c"))
	s.update(func(tx *sql.Tx) error { return s.Replace(tx, []string{"c"}, []FileMark{kept}, "retention", lost) })
	s.saveManifest([]FileMark{kept})
	s.sync()
	s.close()
	r := s.verify()
	if !r.OK || r.Events != 17 || r.GoneEvents != 3 {
		t.Errorf("report %+v", r)
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	s := furnish(t)
	s.open()
	s.update(func(tx *sql.Tx) error { return s.EraseRecord(tx, "case", "d1", 1, "decision 7") })
	if err := s.EraseKey(context.Background(), "9999-01", "x"); err == nil {
		t.Error("the key of a month to come was erased")
	}
	s.sync()
	s.close()
	if r := s.verify(); !r.OK || r.ErasedRecords != 1 {
		t.Errorf("report %+v", r)
	}
	s.execRaw("UPDATE records SET salt = '' WHERE id = 'd2'")
	expect(t, s.verify(), "record case d2 version 1 (row 6) lost its salt")
}

func TestEraseKey(t *testing.T) {
	t.Parallel()
	s := furnishAt(t, time.Date(2025, 11, 20, 0, 0, 0, 0, time.UTC))
	stolen := s.copy(t)
	s.at = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	s.open()
	if err := s.EraseKey(context.Background(), "2025-11", "decision 8"); err != nil {
		t.Fatal(err)
	}
	s.events(7, batchOf(7, 2)...)
	s.sync()
	s.close()
	if r := s.verify(); !r.OK || r.ErasedEvents != 20 {
		t.Errorf("report %+v", r)
	}
	stolen.execRaw("UPDATE evidence_keys SET key = '', erased = 1")
	expect(t, stolen.verify(), "the salt key of 2025-11 is missing, and no entry of the log says that it was erased")
}

// expect asks that the first bad thing is the given one.
func expect(t *testing.T, r Report, want string) {
	t.Helper()
	if r.OK || !strings.Contains(r.FirstBad, want) {
		t.Errorf("first bad is %q, want %q", r.FirstBad, want)
		for _, f := range r.Faults {
			t.Logf("  %s: %s / %s", f.Code, f.Text.EN, f.Text.ZH)
		}
	}
}

// Each case is somebody with the disk, and mostly also with the database.
func TestVerifyFindsManipulation(t *testing.T) {
	t.Parallel()
	template := furnish(t)
	for name, c := range map[string]struct {
		harm func(t *testing.T, s *site)
		want string
	}{
		"event changed": {func(t *testing.T, s *site) {
			s.rewrite("a", func(rows []line) []line {
				rows[5].Event = bytes.Replace(rows[5].Event, []byte("wang.fang"), []byte("liu.qiang"), 1)
				return rows
			})
		}, "event ev-2-1 (file a, row 5; batch 2 index 1) was changed"},
		"event dropped": {func(t *testing.T, s *site) {
			s.rewrite("a", func(rows []line) []line { return slices.Delete(rows, 6, 7) })
		}, "event seq 2 index 2 is missing (from file a)"},
		"event added": {func(t *testing.T, s *site) {
			s.rewrite("a", func(rows []line) []line { return append(rows, line{2, 4, event(2, 4).AppendJSON(nil)}) })
		}, "event ev-2-4 (file a, row 12) was added: batch 2 has only 4 events"},
		"event added in a new batch": {func(t *testing.T, s *site) {
			s.rewrite("a", func(rows []line) []line { return append(rows, line{77, 0, event(7, 0).AppendJSON(nil)}) })
		}, "event ev-7-0 (file a, row 12) is not in the log: batch 77"},
		"event doubled": {func(t *testing.T, s *site) {
			s.rewrite("a", func(rows []line) []line { return append(rows, rows[0]) })
		}, "event ev-1-0 (file a, row 12) was added: its place (batch 1, index 0)"},
		"events swapped": {func(t *testing.T, s *site) {
			s.rewrite("b", func(rows []line) []line { rows[1].Event, rows[2].Event = rows[2].Event, rows[1].Event; return rows })
		}, "event ev-4-2 (file b, row 1) was moved: it belongs to batch 4 index 2"},
		"file dropped with its line": {func(t *testing.T, s *site) {
			remove(t, s.lake("b"))
			s.saveManifest(s.manifest()[:1])
		}, "event seq 4 index 0 is missing (from file b)"},
		"file changed outside its events": {func(t *testing.T, s *site) {
			s.rewrite("a", func(rows []line) []line { slices.Reverse(rows); return rows })
		}, "file a was changed: its SHA-256"},
		"record body": {func(t *testing.T, s *site) {
			s.execRaw(`UPDATE records SET body = '{"step":9}' WHERE id = 'c1' AND version = 2`)
		}, "record case c1 version 2 (row 3) was changed"},
		"record column": {func(t *testing.T, s *site) {
			s.execRaw(`UPDATE records SET person = 'S9' WHERE id = 'c1' AND version = 3`)
		}, "record case c1 version 3 (row 5) was changed"},
		"record score": {func(t *testing.T, s *site) {
			s.execRaw(`UPDATE records SET score = 0.5 WHERE id = 'c1' AND version = 3`)
		}, "record case c1 version 3 (row 5) was changed"},
		"record deleted": {func(t *testing.T, s *site) {
			s.execRaw(`DELETE FROM records WHERE id = 'd1'`)
		}, "record row 4 is missing"},
		"version deleted": {func(t *testing.T, s *site) {
			s.execRaw(`DELETE FROM records WHERE id = 'c1' AND version = 2`)
		}, "record case c1 version 2 (row 3) is missing"},
		"last version hidden": {func(t *testing.T, s *site) {
			s.execRaw(`UPDATE records SET latest = CASE WHEN version = 2 THEN 1 ELSE 0 END WHERE id = 'c1'`)
		}, "the mark of the newest version is wrong at record case c1 version 2 (row 3)"},
		"record added in between": {func(t *testing.T, s *site) {
			s.execRaw(`INSERT INTO records SELECT 0, kind, 'new', 1, time, person, patient, status, ref, score, body, salt, 1 FROM records WHERE n = 1`)
		}, "record case new version 1 was added (row 0)"},
		"record added while stopped": {func(t *testing.T, s *site) {
			s.execRaw(`INSERT INTO records SELECT (SELECT MAX(n) + 1 FROM records), kind, 'forged', 1, time, person, patient, status, ref, score, body, salt, 1 FROM records WHERE n = 1`)
		}, "record case forged version 1 was added after the server had stopped"},
		"salt key changed": {func(t *testing.T, s *site) {
			s.execRaw(`UPDATE evidence_keys SET key = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='`)
		}, "was changed"},
		"checkpoint of another key": {func(t *testing.T, s *site) {
			replaceCheckpoint(t, s)
		}, "the checkpoint of the log is not signed by the key of evidence.example"},
		"checkpoint gone": {func(t *testing.T, s *site) {
			remove(t, s.dir, "evidence/checkpoint")
		}, "the checkpoint of the log is missing"},
		"entry changed": {func(t *testing.T, s *site) {
			flipIn(t, bundleOf(t, s), `"seq":2`, 6)
		}, "entry 2 of the log was changed"},
		"entries swapped": {func(t *testing.T, s *site) {
			swapEntries(t, bundleOf(t, s), 2, 3)
		}, "entry 3 of the log stands in the place of entry 2"},
		"tile changed": {func(t *testing.T, s *site) {
			flip(t, strings.Replace(bundleOf(t, s), "tile/entries", "tile/0", 1), 32*3)
		}, "the tile with the hash of entry 3 was changed"},
		"entries gone": {func(t *testing.T, s *site) {
			remove(t, bundleOf(t, s))
		}, "entries 0 and following of the log are missing or damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			s := template.copy(t)
			c.harm(t, s)
			expect(t, s.verify(), c.want)
		})
	}
}

// Going back to an older state of the log, consistently.
func TestVerifyFindsRollback(t *testing.T) {
	t.Parallel()
	s := furnish(t)
	old := filepath.Join(t.TempDir(), "evidence")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(s.dir, "evidence"))); err != nil {
		t.Fatal(err)
	}
	s.open()
	s.put(Record{Kind: "case", ID: "later", Body: []byte(`{}`)})
	s.sync()
	newer := s.Head().Note
	s.close()
	if err := os.RemoveAll(filepath.Join(s.dir, "evidence")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(s.dir, "evidence"), os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	expect(t, s.verify(), "the log was rolled back or truncated: it has 10 signed entries, but a head remembered in the store has 11")
	s.execRaw("DELETE FROM evidence_heads")
	expect(t, s.verify(func(src *Source) { src.Checkpoints = []string{newer} }), "but a checkpoint kept elsewhere has 11")
}

func bundleOf(t *testing.T, s *site) string {
	t.Helper()
	dir := filepath.Join(s.dir, "evidence/tile/entries/000.p")
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	best := ""
	for _, n := range names {
		if len(n.Name()) > len(best) || len(n.Name()) == len(best) && n.Name() > best {
			best = n.Name()
		}
	}
	return filepath.Join(dir, best)
}

func flipIn(t *testing.T, path, text string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, []byte(text))
	if i < 0 {
		t.Fatalf("%s not found", text)
	}
	flip(t, path, i+at)
}

func swapEntries(t *testing.T, path string, a, b int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var parts [][]byte
	for len(data) > 0 {
		n := 2 + int(data[0])<<8 + int(data[1])
		parts = append(parts, data[:n])
		data = data[n:]
	}
	parts[a], parts[b] = parts[b], parts[a]
	if err := os.WriteFile(path, bytes.Join(parts, nil), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replaceCheckpoint(t *testing.T, s *site) {
	t.Helper()
	path := filepath.Join(s.dir, "evidence/checkpoint")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := note.GenerateKey(nil, "evidence.example")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(text), "\n\n")
	forged, err := note.Sign(&note.Note{Text: body + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, forged, 0o600); err != nil {
		t.Fatal(err)
	}
}
