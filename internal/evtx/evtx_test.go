package evtx

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func le(n uint64, size int) []byte { return binary.LittleEndian.AppendUint64(nil, n)[:size] }

// event is a template as Windows' own are: the header's values are put in, and
// the data comes as a fragment of its own.
func event(data ...any) el {
	return el{"Event", []any{"xmlns", "urn:x"}, append([]any{
		el{"System", nil, []any{
			el{"Provider", []any{"Name", "Maker"}, nil},
			el{"EventID", []any{"Qualifiers", place{0, kindUint16}}, []any{place{1, kindUint16}}},
			el{"EventRecordID", nil, []any{place{2, kindUint64}}},
			el{"Correlation", nil, nil},
			el{"Security", []any{"UserID", place{3, kindSID}}, nil},
		}}}, data...)}
}

func header(id uint64) []val {
	return []val{{kind: kindUint16, data: le(0, 2)}, {kind: kindUint16, data: le(4688, 2)}, {kind: kindUint64, data: le(id, 8)}, {kind: kindNull}}
}

// small is a log of n events, all of one template.
func small(first uint64, n int) *logWriter {
	w := newLog()
	at := 0
	for i := range n {
		id := first + uint64(i)
		w.record(id, func() {
			data := el{"EventData", nil, []any{el{"Data", []any{"Name", "User"}, []any{fmt.Sprintf("名%d \"x\"", id)}}, el{"Data", []any{"Name", "None"}, nil}}}
			at = w.instance(at, event(place{4, kindFragment}), append(header(id), val{kind: kindFragment, nested: func() {
				w.u8(tokenFragment, 1, 1, 0)
				w.element(data, false)
				w.u8(tokenEnd)
			}})...)
		})
	}
	return w
}

// read scans a log and returns its events by number.
func read(t *testing.T, file []byte) (map[uint64]string, Report) {
	t.Helper()
	out := map[uint64]string{}
	report, err := Scan(bytes.NewReader(file), func(r Record) error {
		if !json.Valid(r.JSON) {
			t.Errorf("record %d is no JSON: %s", r.ID, r.JSON)
		}
		out[r.ID] = string(r.JSON)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, report
}

func TestEvent(t *testing.T) {
	got, report := read(t, fileOf(small(7, 2).seal(), small(9, 1).seal()))
	want := `{"Event":{"System":{"Provider":{"#attributes":{"Name":"Maker"}},"EventID":{"#attributes":{"Qualifiers":0},"#text":4688},` +
		`"EventRecordID":%d,"Correlation":null,"Security":null},"EventData":{"User":"名%d \"x\"","None":""}}}`
	for _, id := range []uint64{7, 8, 9} {
		if diff := cmp.Diff(fmt.Sprintf(want, id, id), got[id]); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(Report{Records: 3, Chunks: 2}, report); diff != "" {
		t.Error(diff)
	}
}

// one reads a single value put into <Event><V>...</V></Event>.
func one(t *testing.T, v val) string {
	t.Helper()
	w := newLog()
	w.record(1, func() { w.instance(0, el{"Event", nil, []any{el{"V", nil, []any{place{0, v.kind}}}}}, v) })
	got, report := read(t, fileOf(w.seal()))
	if report.Bad > 0 {
		return report.First[0].Reason
	}
	return strings.TrimSuffix(strings.TrimPrefix(got[1], `{"Event":{"V":`), "}}")
}

func TestValues(t *testing.T) {
	sid := append([]byte{1, 2, 0, 0, 0, 0, 0, 5}, append(le(32, 4), le(544, 4)...)...)
	guid := []byte{0x5f, 0x38, 0x70, 0x57, 0x2a, 0xc2, 0xe0, 0x43, 0xbf, 0x4c, 6, 0xf5, 0x69, 0x8f, 0xfb, 0xd9}
	day := append(le(2026, 2), append(le(3, 2), append(le(1, 2), append(le(2, 2), append(le(4, 2), append(le(5, 2), append(le(6, 2), le(7, 2)...)...)...)...)...)...)...)
	for _, c := range []struct {
		kind byte
		data []byte
		want string
	}{
		{kindString, wide("a\\\"病\x00\n😀\x00\x00"), `"a\\\"病\u0000\n😀"`},
		{kindString, []byte{0x3d, 0xd8, 'x', 0}, "\"�x\""},
		{kindString, []byte{0x3d, 0xd8}, "\"�\""},
		{kindANSI, []byte("caf\xe9\x80\x00"), "\"café�\""},
		{kindInt8, le(0xfe, 1), "-2"},
		{kindUint8, le(0xfe, 1), "254"},
		{kindInt16, le(0xfffe, 2), "-2"},
		{kindUint16, le(0xfffe, 2), "65534"},
		{kindInt32, le(0xfffffffe, 4), "-2"},
		{kindUint32, le(0xfffffffe, 4), "4294967294"},
		{kindInt64, le(1<<63, 8), "-9223372036854775808"},
		{kindUint64, le(1<<63, 8), "9223372036854775808"},
		{kindReal32, le(0x3fc00000, 4), "1.5"},
		{kindReal64, le(0x7ff0000000000000, 8), `"+Inf"`},
		{kindBool, le(1, 4), "true"},
		{kindBinary, []byte{0, 0xab}, `"00AB"`},
		{kindGUID, guid, `"5770385F-C22A-43E0-BF4C-06F5698FFBD9"`},
		{kindSize, le(0x1f, 8), `"0x1f"`},
		{kindSize, le(0x1f, 4), `"0x1f"`},
		{kindFileTime, le(132714422614167183, 8), `"2021-07-22T15:44:21.4167183Z"`},
		{kindSysTime, day, `"2026-03-02T04:05:06.007Z"`},
		{kindSID, sid, `"S-1-5-32-544"`},
		{kindHex32, le(0x1f, 4), `"0x1f"`},
		{kindHex64, le(0x8000000000000000, 8), `"0x8000000000000000"`},
		{kindNull, nil, "null"},
		{kindString | array, append(wide("a\x00"), wide("b\x00")...), `["a","b"]`},
		{kindString | array, wide("a"), `["a"]`},
		{kindANSI | array, []byte("a\x00bc\x00"), `["a","bc"]`},
		{kindUint16 | array, []byte{1, 0, 2, 0}, "[1,2]"},
		{kindSID | array, append(sid, sid...), `["S-1-5-32-544","S-1-5-32-544"]`},
		{kindUint16 | array, []byte{1, 0, 2}, "a list of kind 0x6 does not come out even"},
		{kindUint32, []byte{1, 0, 2}, "a value of kind 0x8 has 3 bytes"},
		{kindSID, []byte{1, 2, 3}, "a SID has the wrong length"},
		{0x77, []byte{1}, "a value of the unknown kind 0x77"},
	} {
		if got := one(t, val{kind: c.kind, data: c.data}); got != c.want {
			t.Errorf("kind %#x: %s, want %s", c.kind, got, c.want)
		}
	}
}

func TestShapes(t *testing.T) {
	data := func(attrs []any, parts ...any) el { return el{"Data", attrs, parts} }
	for name, c := range map[string]struct {
		parts []any
		want  string
	}{
		"nameless data":             {[]any{data(nil, "a"), data(nil, "b")}, `{"Data":["a","b"]}`},
		"named data":                {[]any{data([]any{"Name", "A"}, "a"), data([]any{"Name", "B"}, place{0, kindUint8})}, `{"A":"a","B":7}`},
		"the same name twice":       {[]any{data([]any{"Name", "A"}, "a"), el{"X", nil, nil}, data([]any{"Name", "A"}, "b")}, `{"A":["a","b"],"X":null}`},
		"a name that is a value":    {[]any{data([]any{"Name", place{1, kindString}}, "a")}, `{"Field":"a"}`},
		"text around a value":       {[]any{el{"X", nil, []any{"<", place{0, kindUint8}, "/", place{1, kindString}, ">"}}}, `{"X":"<7/Field>"}`},
		"text beside attributes":    {[]any{el{"X", []any{"a", "1"}, []any{"t"}}}, `{"X":{"#attributes":{"a":"1"},"#text":"t"}}`},
		"attributes without values": {[]any{el{"X", []any{"a", place{2, kindNull}}, nil}}, `{"X":null}`},
		"deep":                      {[]any{el{"X", nil, []any{el{"Y", nil, []any{el{"Z", nil, []any{"z"}}}}}}}, `{"X":{"Y":{"Z":"z"}}}`},
		"a value nobody gave":       {[]any{el{"X", nil, []any{place{9, kindString}}}}, `{"X":null}`},
	} {
		w := newLog()
		w.record(1, func() {
			w.instance(0, el{"Event", nil, c.parts}, val{kind: kindUint8, data: []byte{7}}, val{kind: kindString, data: wide("Field")}, val{kind: kindNull})
		})
		got, report := read(t, fileOf(w.seal()))
		if want := `{"Event":` + c.want + `}`; got[1] != want {
			t.Errorf("%s: %s, want %s (%v)", name, got[1], want, report.First)
		}
	}
}

func TestManyChildren(t *testing.T) {
	var parts []any
	for i := range 2 * crowded {
		parts = append(parts, el{fmt.Sprint("X", i%crowded), nil, []any{fmt.Sprint(i)}})
	}
	w := newLog()
	w.record(1, func() { w.element(el{"Event", nil, parts}, false) })
	got, _ := read(t, fileOf(w.seal()))
	if !strings.HasPrefix(got[1], `{"Event":{"X0":["0","64"],"X1":["1","65"],`) {
		t.Error(got[1])
	}
}

// TestDamage: what is broken is counted with its reason, and the rest is read.
func TestDamage(t *testing.T) {
	good := small(1, 4).seal()
	third := len(small(1, 2).chunk)
	changed := func(f func(chunk []byte)) []byte {
		c := bytes.Clone(good)
		f(c)
		return fileOf(c, small(5, 2).seal())
	}
	for name, c := range map[string]struct {
		file   []byte
		want   []uint64
		damage Report
		reason string
	}{
		"a wrong length": {changed(func(c []byte) { c[third+5] ^= 0x10 }), []uint64{1, 2, 4, 5, 6}, Report{Records: 5, Bad: 1, Chunks: 2, Damaged: 1}, "records is wrong"},
		"a wrong token":  {changed(func(c []byte) { c[third+24] = 0x33 }), []uint64{1, 2, 4, 5, 6}, Report{Records: 5, Bad: 1, Chunks: 2, Damaged: 1}, "records is wrong"},
		"a wrong text":   {changed(func(c []byte) { c[len(small(1, 4).chunk)-30] ^= 1 }), []uint64{1, 2, 3, 4, 5, 6}, Report{Records: 6, Chunks: 2, Damaged: 1}, "records is wrong"},
		"a wrong header": {changed(func(c []byte) { c[0x30] ^= 0xff }), []uint64{1, 2, 3, 4, 5, 6}, Report{Records: 6, Chunks: 2, Damaged: 1}, "header is wrong"},
		"no mark":        {changed(func(c []byte) { copy(c, "XXXXXXX") }), []uint64{1, 2, 3, 4, 5, 6}, Report{Records: 6, Chunks: 2, Damaged: 1}, "without its mark"},
		"a hole":         {fileOf(good, make([]byte, chunkSize), small(5, 2).seal()), []uint64{1, 2, 3, 4, 5, 6}, Report{Records: 6, Chunks: 2}, ""},
		"cut off":        {fileOf(good)[:fileHeader+third+60], []uint64{1, 2}, Report{Records: 2, Bad: 1, Chunks: 1, Damaged: 1}, "ends within a chunk"},
		"only chunks":    {append(bytes.Clone(good), small(5, 2).seal()...), []uint64{1, 2, 3, 4, 5, 6}, Report{Records: 6, Chunks: 2}, ""},
		"only a head":    {fileOf()[:100], nil, Report{}, "within its header"},
	} {
		got, report := read(t, c.file)
		for _, id := range c.want {
			if got[id] == "" {
				t.Errorf("%s: record %d is missing", name, id)
			}
		}
		first := ""
		for _, f := range report.First {
			first += f.Reason + "\n"
		}
		if report.First = nil; !cmp.Equal(report, c.damage) || !strings.Contains(first, c.reason) {
			t.Errorf("%s: %+v, want %+v; %s", name, report, c.damage, first)
		}
	}
}

// TestNotClosed: records that an open file has not counted yet are read, what is
// left over from before is not.
func TestNotClosed(t *testing.T) {
	whole := small(1, 3).seal()
	counted := len(small(1, 2).chunk)
	old := small(900, 1).chunk[chunkHead:]
	copy(whole[len(small(1, 3).chunk):], old)
	binary.LittleEndian.PutUint32(whole[0x30:], uint32(counted))
	binary.LittleEndian.PutUint32(whole[0x34:], crc32.ChecksumIEEE(whole[chunkHead:counted]))
	binary.LittleEndian.PutUint32(whole[0x7c:], crc32.Update(crc32.ChecksumIEEE(whole[:0x78]), crc32.IEEETable, whole[0x80:chunkHead]))
	file := fileOf(whole)
	if got, report := read(t, file); len(got) != 2 || report.Bad > 0 {
		t.Errorf("closed: %d records, %+v", len(got), report)
	}
	file[0x78] = 1
	binary.LittleEndian.PutUint32(file[0x7c:], crc32.ChecksumIEEE(file[:0x78]))
	if got, report := read(t, file); len(got) != 3 || got[3] == "" || !report.Dirty || report.Bad > 0 {
		t.Errorf("not closed: %d records, %+v", len(got), report)
	}
}

// TestBomb: templates that multiply each other cost no more than the limit.
func TestBomb(t *testing.T) {
	body := el{"Event", nil, []any{place{0, kindFragment}, place{0, kindFragment}}}
	w, at := newLog(), 0
	var nest func(depth int)
	nest = func(depth int) {
		v := val{kind: kindString, data: wide("boom")}
		if depth > 0 {
			v = val{kind: kindFragment, nested: func() { nest(depth - 1) }}
		}
		w.instance(at, body, v)
	}
	w.record(1, func() { at = w.instance(0, body, val{kind: kindNull}) })
	w.record(2, func() { nest(30) })
	w.record(3, func() { w.instance(at, body, val{kind: kindNull}) })
	got, report := read(t, fileOf(w.seal()))
	if len(got) != 2 || report.Bad != 1 || !strings.Contains(report.First[0].Reason, "too many") {
		t.Errorf("%d records, %+v", len(got), report)
	}
}

func TestRefuses(t *testing.T) {
	if _, err := Scan(strings.NewReader(`{"no":"log"}`), nil); err == nil || Is([]byte("ElfFil")) {
		t.Error("a text is taken for an event log")
	}
	stop := errors.New("stop")
	if _, err := Scan(bytes.NewReader(fileOf(small(1, 1).seal())), func(Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error became %v", err)
	}
	if _, err := Scan(failing{}, nil); err == nil {
		t.Error("a file that cannot be read is read")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

// FuzzScan takes the bytes for the records of a chunk, and for a whole file.
func FuzzScan(f *testing.F) {
	f.Add(small(1, 3).chunk[chunkHead:])
	w := newLog()
	w.record(1, func() {
		w.instance(0, el{"Event", nil, []any{el{"V", nil, []any{place{0, kindSID}, "x", place{1, kindString | array}}}}},
			val{kind: kindSID, data: make([]byte, 8)}, val{kind: kindString | array, data: wide("a\x00b\x00")})
	})
	f.Add(w.chunk[chunkHead:])
	f.Add(fileOf(small(1, 1).seal())[:8000])
	f.Fuzz(func(t *testing.T, data []byte) {
		chunk := make([]byte, chunkHead, chunkSize)
		copy(chunk, "ElfChnk\x00")
		chunk = append(chunk, data[:min(len(data), chunkSize-chunkHead)]...)
		for _, file := range [][]byte{fileOf(chunk), data} {
			_, err := Scan(bytes.NewReader(file), func(r Record) error {
				if !json.Valid(r.JSON) {
					t.Errorf("no JSON: %q", r.JSON)
				}
				return nil
			})
			if err != nil && Is(file) {
				t.Error(err)
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	file := fileOf(small(1, 150).seal())
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(bytes.NewReader(file), func(Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(150*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
