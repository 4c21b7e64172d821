package lake

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/internal/smalldisk"
)

// TestFullDiskFake: whatever Put fails, the rows stay and are flushed when
// there is space again, once.
func TestFullDiskFake(t *testing.T) {
	for _, suffix := range []string{filterSuffix, fileSuffix} {
		l, m := testLake(t, Config{})
		h := newHospital(6, 50, 20)
		rows := append(h.day(20000, 21000), h.day(20001, 500)...)
		l.Append(rows)
		puts := 0
		m.fail = func(op, name string) error {
			if op == "put" && strings.HasSuffix(name, suffix) {
				if puts++; puts == 2 { // the second file of the flush
					return syscall.ENOSPC
				}
			}
			return nil
		}
		if b, err := l.Flush(t.Context()); !blob.Full(err) || b != nil {
			t.Fatalf("flush to a full disk: %v", err)
		}
		if len(m.blobs) != 0 {
			t.Fatalf("%d blobs are left", len(m.blobs))
		}
		if known, err := l.Known(t.Context(), events(rows[:5])); err != nil || !known[0] {
			t.Fatal("buffered rows were lost", err)
		}
		l.Append(h.day(20001, 10))
		flush(t, l)
		if s := l.Stats(); s.Rows != 21510 || s.Buffered != 0 {
			t.Fatalf("%+v", s)
		}
	}
}

func TestFullDisk(t *testing.T) {
	dir := smalldisk.Mount(t, 8<<20)
	blobs, err := folder.Open(filepath.Join(dir, "blob"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Config{Dir: filepath.Join(dir, "lake")}, testStore(t), blobs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newHospital(6, 50, 20)
	l.Append(h.day(20000, 5000))
	for _, leave := range []int64{4 << 10, 100 << 10, 300 << 10} {
		ballast := smalldisk.Fill(t, dir, leave)
		if _, err := l.Flush(t.Context()); !blob.Full(err) {
			t.Fatalf("flush with %d bytes left: %v", leave, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, l)
	if s := l.Stats(); s.Rows != 5000 || s.Buffered != 0 {
		t.Fatalf("%+v", s)
	}
}

// TestLostFilters: without its filters a file is searched, not skipped.
func TestLostFilters(t *testing.T) {
	dir := t.TempDir()
	l, m := testLake(t, Config{Dir: dir, IndexBytes: 1})
	h := newHospital(6, 50, 20)
	rows := h.day(20000, 500)
	l.Append(rows)
	flush(t, l)
	for name := range m.blobs {
		if strings.HasSuffix(name, filterSuffix) {
			m.blobs[name][9] ^= 1
		}
	}
	again, err := Open(t.Context(), Config{Dir: t.TempDir()}, l.db, m, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if known, err := again.Known(t.Context(), events(rows)); err != nil || !known[77] {
		t.Fatal(err)
	}
	got, err := again.Accesses(t.Context(), AccessQuery{Patient: rows[3].Event.Patient.UID})
	if err != nil || len(got) == 0 {
		t.Fatal(err)
	}
}

// TestFlippedByte: every page has a checksum.
func TestFlippedByte(t *testing.T) {
	l, m := testLake(t, Config{})
	h := newHospital(6, 50, 20)
	l.Append(h.day(20000, 500))
	name := flush(t, l).Files[0].Name
	found := 0
	for at := 10; at < len(m.blobs[name])/2; at += 997 {
		data := []byte(string(m.blobs[name]))
		data[at] ^= 0x10
		for _, err := range ReadFile(strings.NewReader(string(data)), int64(len(data))) {
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("byte %d: %v", at, err)
				}
				found++
				break
			}
		}
	}
	if found == 0 {
		t.Fatal("nothing was found")
	}
}

// TestCopiesAreBounded: remote files are copied, used again, and deleted when
// there are too many.
func TestCopiesAreBounded(t *testing.T) {
	l, _ := testLake(t, Config{CacheBytes: 60_000})
	h := newHospital(6, 50, 20)
	for d := range int64(6) {
		l.Append(h.day(20000+d, 100))
		flush(t, l)
	}
	for range 2 {
		for p := range 20 {
			if _, err := l.Accesses(t.Context(), AccessQuery{Patient: h.patientID(p)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(l.handles.dir, "*"))
	if err != nil || len(left) == 0 || len(left) > 3 {
		t.Fatalf("%d copies: %v", len(left), err)
	}
}

func TestBloom(t *testing.T) {
	b := newBloom(10_000)
	h := newHospital(1, 1, 2)
	for range 10_000 {
		uid := h.uuid()
		b.add(hashKey(uid))
		if !b.has(hashKey(uid)) {
			t.Fatal("a key is missing")
		}
	}
	wrong := 0
	for range 10_000 {
		if b.has(hashKey(h.uuid())) {
			wrong++
		}
	}
	if wrong > 150 {
		t.Fatalf("%d of 10000 absent keys seem present", wrong)
	}
}
