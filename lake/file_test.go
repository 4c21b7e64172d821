package lake

import (
	"bytes"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
)

func fill(t *table, f *frame, rows []Row) {
	var r record
	for _, row := range rows {
		f.flatten(row, &r)
		t.append(&r)
	}
}

// dayFile is a file of n accesses on one day, and the accesses in its order.
func dayFile(t testing.TB, h *hospital, n int) (data []byte, rows []Row) {
	t.Helper()
	unsorted := h.day(20000, n)
	var tab table
	fill(&tab, newFrame(), unsorted)
	order := sortRows(&tab)
	var buf bytes.Buffer
	if err := writeTable(&buf, &codec{}, &tab, order); err != nil {
		t.Fatal(err)
	}
	for _, i := range order {
		rows = append(rows, unsorted[i])
	}
	return buf.Bytes(), rows
}

func TestFileIsSortedAndWhole(t *testing.T) {
	data, rows := dayFile(t, newHospital(1, 300, 80), 10_000)
	if !slices.IsSortedFunc(rows, func(a, b Row) int {
		x, y := a.Event, b.Event
		if x.Patient.UID == y.Patient.UID {
			return int(x.Time - y.Time)
		}
		if x.Patient.UID < y.Patient.UID {
			return -1
		}
		return 1
	}) {
		t.Fatal("not sorted by patient and time")
	}
	at := 0
	var a, b []byte
	for row, err := range ReadFile(bytes.NewReader(data), int64(len(data))) {
		if err != nil {
			t.Fatal(err)
		}
		a, b = row.Event.AppendJSON(a[:0]), rows[at].Event.AppendJSON(b[:0])
		if !bytes.Equal(a, b) || row.Seq != rows[at].Seq || row.Index != rows[at].Index {
			t.Fatalf("row %d: %s, want %s", at, a, b)
		}
		at++
	}
	if at != len(rows) {
		t.Fatalf("%d rows of %d", at, len(rows))
	}
}

// TestFileSize keeps the promise of 50 bytes an access event.
func TestFileSize(t *testing.T) {
	const n = 60_000
	data, _ := dayFile(t, newHospital(1, 7_000, 800), n)
	if size := float64(len(data)) / n; size > 42 {
		t.Errorf("%.1f bytes an event", size)
	}
}

// TestOtherReaders: the Parquet library reads what the lake writes.
func TestOtherReaders(t *testing.T) {
	data, rows := dayFile(t, newHospital(1, 300, 80), 10_000)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if f.NumRows() != int64(len(rows)) {
		t.Fatalf("%d rows", f.NumRows())
	}
	r := parquet.NewGenericReader[struct {
		Patient   string `parquet:"patient,optional"`
		Person    string `parquet:"person,optional"`
		Time      int64  `parquet:"time"`
		Explained bool   `parquet:"explained,optional"`
	}](f)
	defer r.Close()
	got := make([]struct {
		Patient   string `parquet:"patient,optional"`
		Person    string `parquet:"person,optional"`
		Time      int64  `parquet:"time"`
		Explained bool   `parquet:"explained,optional"`
	}, len(rows))
	if n, _ := r.Read(got); n != len(rows) {
		t.Fatalf("%d rows read", n)
	}
	for i, g := range got {
		ev := rows[i].Event
		if g.Patient != ev.Patient.UID || g.Person != ev.Actor.User.UID || g.Time != ev.Time || g.Explained != ev.Explanation.Explained {
			t.Fatalf("row %d: %+v", i, g)
		}
	}
}

// BenchmarkColumns says what each column takes, for a hospital with 167000
// accesses a day.
func BenchmarkColumns(b *testing.B) {
	data, rows := dayFile(b, newHospital(1, 20_000, 800), 167_000)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(data))/float64(len(rows)), "B/event")
	for i, c := range columns() {
		n := int64(0)
		for _, g := range f.Metadata().RowGroups {
			n += g.Columns[i].MetaData.TotalCompressedSize
		}
		if size := float64(n) / float64(len(rows)); size > 0.05 {
			b.ReportMetric(size, c.name+"-B")
		}
	}
}
