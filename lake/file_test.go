package lake

import (
	"bytes"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

func fill(t *table, f *frame, rows []Row) {
	var r record
	for _, row := range rows {
		f.flatten(row, &r)
		t.append(&r)
	}
}

func TestBytesPerColumn(t *testing.T) {
	h := newHospital(1, 20000, 800)
	rows := h.day(20000, 167000)
	var tab table
	fr := newFrame()
	start := time.Now()
	fill(&tab, fr, rows)
	t.Logf("append: %v per row", time.Since(start)/time.Duration(len(rows)))
	start = time.Now()
	perm := sortRows(&tab)
	t.Logf("sort: %v", time.Since(start))
	start = time.Now()
	var buf bytes.Buffer
	w := newFileWriter(&buf, &codec{})
	for len(perm) > 0 {
		n := min(groupRows, len(perm))
		if err := w.write(&tab, perm[:n]); err != nil {
			t.Fatal(err)
		}
		perm = perm[n:]
	}
	info, err := w.close()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("write: %v", time.Since(start)/time.Duration(len(rows)))
	t.Logf("%+v: %.2f B/event", info, float64(info.Bytes)/float64(info.Rows))
	f, err := parquet.OpenFile(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, c := range columns() {
		n := int64(0)
		for _, g := range f.Metadata().RowGroups {
			n += g.Columns[i].MetaData.TotalCompressedSize
		}
		sum += float64(n) / float64(info.Rows)
		if n > 2000 {
			t.Logf("%-16s %6.2f  %v", c.name, float64(n)/float64(info.Rows), f.Metadata().RowGroups[0].Columns[i].MetaData.Encoding)
		}
	}
	t.Logf("columns %.2f", sum)
}

func TestReadBack(t *testing.T) {
	h := newHospital(1, 20000, 800)
	rows := h.day(20000, 167000)
	var tab table
	fr := newFrame()
	fill(&tab, fr, rows)
	perm := sortRows(&tab)
	order := perm
	var buf bytes.Buffer
	w := newFileWriter(&buf, &codec{})
	for len(perm) > 0 {
		n := min(groupRows, len(perm))
		if err := w.write(&tab, perm[:n]); err != nil {
			t.Fatal(err)
		}
		perm = perm[n:]
	}
	if _, err := w.close(); err != nil {
		t.Fatal(err)
	}
	z, _ := newInflater()
	start := time.Now()
	f, err := openFile(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("open %v", time.Since(start))
	d := newDecoder(z)
	start = time.Now()
	at := 0
	var a, b []byte
	for g := range f.groups {
		var back table
		all := make([]int32, f.groups[g].rows)
		for i := range all {
			all[i] = int32(i)
		}
		if err := d.load(f, g, all, everything, &back); err != nil {
			t.Fatal(err)
		}
		for i := range all {
			var r record
			back.record(i, &r)
			ev, err := fr.restore(&r)
			if err != nil {
				t.Fatal(err)
			}
			a, b = ev.AppendJSON(a[:0]), rows[order[at]].Event.AppendJSON(b[:0])
			if !bytes.Equal(a, b) {
				t.Fatalf("row %d:\n%s\n%s", at, a, b)
			}
			at++
		}
	}
	t.Logf("all %v", time.Since(start)/time.Duration(at))
	for range 3 {
		c0 := cpu()
		n := 0
		for p := range 1000 {
			for g := range f.groups {
				rows, err := d.find(f, g, "patient", h.patientID(p*37))
				if err != nil {
					t.Fatal(err)
				}
				if len(rows) == 0 {
					continue
				}
				var back table
				if err := d.load(f, g, rows, everything, &back); err != nil {
					t.Fatal(err)
				}
				n += len(rows)
			}
		}
		t.Logf("patient %v, %d rows", (cpu()-c0)/1000, n)
	}
}
