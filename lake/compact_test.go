package lake

import (
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/ocsf"
)

// stored returns the canonical JSON of all rows in files, sorted.
func stored(t testing.TB, l *Lake, m *memory) []string {
	t.Helper()
	var list []string
	for _, x := range l.Files() {
		data := m.blobs[x.Name]
		n := int64(0)
		for row, err := range ReadFile(strings.NewReader(string(data)), int64(len(data))) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			list = append(list, string(row.Event.AppendJSON(nil)))
		}
		if n != x.Rows || int64(len(data)) != x.Bytes {
			t.Fatalf("%s has %d rows and %d bytes: %+v", x.Name, n, len(data), x)
		}
	}
	slices.Sort(list)
	return list
}

// shuffled is an import of several days in no order, in several flushes.
func shuffled(t testing.TB, l *Lake, h *hospital, days, perDay, flushes int) []Row {
	t.Helper()
	var rows []Row
	for d := range days {
		rows = append(rows, h.day(20000+int64(d), perDay)...)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	for part := range slices.Chunk(rows, (len(rows)+flushes-1)/flushes) {
		l.Append(part)
		flush(t, l)
	}
	return rows
}

func TestCompact(t *testing.T) {
	l, m := testLake(t, Config{})
	h := newHospital(7, 300, 20)
	rows := shuffled(t, l, h, 2, 20500, 3)
	before, files := stored(t, l, m), l.Files()
	uid := rows[9].Event.Metadata.UID
	x := ocsf.Explanation{Explained: true, Kind: "late", At: 5}
	if err := l.db.Update(t.Context(), func(tx *sql.Tx) error { return l.Correct(tx, uid, x, 5) }); err != nil {
		t.Fatal(err)
	}
	var noted Change
	if err := l.Compact(t.Context(), func(_ *sql.Tx, c Change) error {
		noted.Old, noted.New = append(noted.Old, c.Old...), append(noted.New, c.New...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(noted.Old) != len(files) || len(noted.New) != 2 || len(l.Files()) != 2 {
		t.Fatalf("%d files became %d, now there are %d", len(noted.Old), len(noted.New), len(l.Files()))
	}
	ev, err := l.Event(t.Context(), uid)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&x, ev.Explanation); diff != "" {
		t.Fatal(diff)
	}
	after := stored(t, l, m)
	if len(after) != len(before) || !slices.Contains(after, string(ev.AppendJSON(nil))) {
		t.Fatal("the later explanation is not in the file")
	}
	different := 0
	for i := range after {
		if !slices.Contains(before[max(0, i-2):min(len(before), i+3)], after[i]) {
			different++
		}
	}
	if different > 3 {
		t.Fatalf("%d rows differ", different)
	}
	names, _ := m.List(t.Context(), filePrefix)
	if len(names) != 4 {
		t.Fatalf("old files were not deleted: %v", names)
	}
	if plan(l.view().entries) != nil {
		t.Fatal("there is still something to merge")
	}
}

func TestCompactKeepsReadersGoing(t *testing.T) {
	l, m := testLake(t, Config{})
	h := newHospital(8, 30, 20)
	shuffled(t, l, h, 2, 3000, 4)
	want, err := l.Accesses(t.Context(), AccessQuery{Patient: h.patientID(3)})
	if err != nil {
		t.Fatal(err)
	}
	v := l.view() // a slow reader
	if err := l.Compact(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	hits, err := l.searchFiles(t.Context(), v.entries, &AccessQuery{Patient: h.patientID(3)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(jsonOf(want), jsonOf(events(hits))); diff != "" {
		t.Fatal(diff)
	}
	many, _ := m.List(t.Context(), filePrefix)
	l.release(v.entries)
	few, _ := m.List(t.Context(), filePrefix)
	if len(few) >= len(many) || len(few) != 2*len(l.Files()) {
		t.Fatalf("%d blobs while read, %d after", len(many), len(few))
	}
}

func TestCompactFailsWhole(t *testing.T) {
	l, m := testLake(t, Config{})
	h := newHospital(8, 30, 20)
	shuffled(t, l, h, 2, 3000, 4)
	before, names := stored(t, l, m), len(m.blobs)
	full := errors.New("disk full")
	for _, fail := range []func(){
		func() { m.fail = func(op, name string) error { return map[bool]error{true: full}[op == "put"] } },
		func() { m.fail = nil },
	} {
		fail()
		err := l.Compact(t.Context(), func(*sql.Tx, Change) error { return full })
		if !errors.Is(err, full) {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, stored(t, l, m)); diff != "" || len(m.blobs) != names {
			t.Fatalf("%d blobs, before %d: %s", len(m.blobs), names, diff)
		}
	}
}

func TestPlanLeavesLargeFilesAlone(t *testing.T) {
	file := func(name string, from, to int64, rows int64) *entry {
		return &entry{FileInfo: FileInfo{Name: name, Rows: rows, MinTime: from * dayMillis, MaxTime: to*dayMillis + 5}}
	}
	var list []*entry
	for d := range int64(30) {
		list = append(list, file("day", d, d, 100_000))
	}
	list = append(list, file("late", 0, 29, 5))
	sortEntries(list)
	if p := plan(list); p != nil {
		t.Fatalf("five late rows rewrite %d files", len(p[0]))
	}
	for range 3 {
		list = append(list, file("late", 0, 29, 5))
	}
	sortEntries(list)
	if p := plan(list); len(p) != 1 || len(p[0]) != 4 {
		t.Fatalf("four small files should become one: %v", p)
	}
	list = append(list[:0], file("a", 1, 1, 80), file("b", 1, 1, 10))
	if p := plan(list); len(p) != 1 {
		t.Fatal("an eighth should be merged")
	}
}

func TestExpire(t *testing.T) {
	l, m := testLake(t, Config{})
	h := newHospital(9, 30, 20)
	for d := range int64(3) {
		rows := h.day(20000+d, 500)
		for i := range rows {
			if i%5 == 0 {
				rows[i].Event.ClassUID = ocsf.Authentication
			}
		}
		l.Append(rows)
		flush(t, l)
	}
	held := h.patientID(4)
	keep := Retention{
		Before:  20001*dayMillis + 77, // the first day
		ByClass: map[ocsf.Class]int64{ocsf.Authentication: 20002 * dayMillis},
		Hold:    func(p string) bool { return p == held },
	}
	var notes int
	for range 2 {
		if err := l.Expire(t.Context(), keep, func(*sql.Tx, Change) error { notes++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if notes != 2 {
		t.Fatalf("%d changes; the second run should do nothing", notes)
	}
	days := map[int64]int{}
	for _, s := range stored(t, l, m) {
		var ev ocsf.Event
		if err := ocsf.Decode([]byte(s), &ev); err != nil {
			t.Fatal(err)
		}
		if !keep.keeps(ev.ClassUID, ev.Time, ev.Patient.UID) {
			t.Fatal("an event should be gone")
		}
		days[dayOf(ev.Time)]++
	}
	if days[20000] == 0 || days[20000] > 60 || days[20001] < 400 || days[20001] == 500 || days[20002] != 500 {
		t.Fatalf("left per day: %v", days)
	}
	keep.Hold = nil
	if err := l.Expire(t.Context(), keep, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(l.Files()); n != 2 {
		t.Fatalf("%d files", n)
	}
}
