package lake

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/ocsf"
)

// seeds are events with members in unusual places.
func seeds() []string {
	return []string{
		`{}`,
		`{"class_uid":6001,"activity_id":-5,"time":-1,"metadata":{"uid":"a","version":"1.9.0","profiles":["x;y",""]}}`,
		`{"class_uid":3002,"time":1,"metadata":{"uid":"550e8400-e29b-41d4-a716-446655440000"},"user":{},"api":{},"http_request":{},"query_info":{},"database":{},"table":{},"file":{},"access":{},"patient":{"uid":""}}`,
		`{"class_uid":6001,"time":1,"metadata":{"uid":"550E8400-E29B-41D4-A716-446655440000"},"web_resources":[{}],"resources":[{"uid":"r"}]}`,
		`{"class_uid":6001,"time":1,"metadata":{"uid":"b"},"web_resources":[{"uid":"1","labels":["l"]},{"type":"t"}],"access":{"purpose":["A","B"],"break_glass":true}}`,
		`{"class_uid":6001,"time":1,"metadata":{"uid":"b"},"web_resources":[{"uid":"1","type":"T","name":"N"}],"actor":{"user":{"roles":["r1","r2"]},"on_behalf_of":{"uid":"z"}}}`,
		`{"class_uid":6001,"time":1,"metadata":{"uid":"b"},"actor":{"user":{"roles":[]}},"web_resources":[],"care":[],"access":{"purpose":[""]},"zzz":{"a":[1,2]},"unmapped":{"q":1}}`,
		`{"class_uid":6003,"time":1,"metadata":{"uid":"b"},"care":[{"kind":"order","patient":"p"}],"query_info":{"rows":-1},"data_classifications":[{"level":5},{"level":3}]}`,
		`{"time":9223372036854775807,"activity_id":9223372036854775807,"class_uid":4294967295,"metadata":{"logged_time":-9223372036854775808},"raw_data":"\u0000\ud800"}`,
		"{\"message\":\"\xff\xfe\",\"metadata\":{\"uid\":\"\xff\"},\"actor\":{\"user\":{\"roles\":[\"\xff\xfe\"]}}}",
	}
}

// throughFile sends events through table, file and back.
func throughFile(t *testing.T, evs []*ocsf.Event) []*ocsf.Event {
	t.Helper()
	var tab table
	frame := newFrame()
	var r record
	for i, ev := range evs {
		frame.flatten(Row{Event: ev, Index: uint32(i)}, &r)
		tab.append(&r)
	}
	var buf bytes.Buffer
	if err := writeTable(&buf, &codec{}, &tab, ascending(tab.rows)); err != nil {
		t.Fatal(err)
	}
	var out []*ocsf.Event
	for row, err := range ReadFile(bytes.NewReader(buf.Bytes()), int64(buf.Len())) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Index != uint32(len(out)) {
			t.Fatalf("row %d came as %d", len(out), row.Index)
		}
		out = append(out, row.Event)
	}
	return out
}

func TestLossless(t *testing.T) {
	var evs []*ocsf.Event
	for _, s := range seeds() {
		ev := new(ocsf.Event)
		if err := ocsf.Decode([]byte(s), ev); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		evs = append(evs, ev)
	}
	for _, row := range newHospital(1, 10, 5).day(1, 100) {
		evs = append(evs, row.Event)
	}
	got := throughFile(t, evs)
	if diff := cmp.Diff(jsonOf(evs), jsonOf(got)); diff != "" {
		t.Fatal(diff)
	}
}

func TestExplanationLists(t *testing.T) {
	for _, list := range [][]string{nil, {""}, {"", ""}, {"a"}, {`\0`}, {`\`, ";", `a;b\`}, {"", "x"}, {"x", ""}} {
		if diff := cmp.Diff(list, SplitList(joinList(list))); diff != "" {
			t.Errorf("%q: %s", list, diff)
		}
	}
}

// FuzzLossless: whatever can be decoded comes back from a file with the same
// canonical JSON.
func FuzzLossless(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ev := new(ocsf.Event)
		if ocsf.Decode(data, ev) != nil {
			return
		}
		got := throughFile(t, []*ocsf.Event{ev})
		if diff := cmp.Diff(jsonOf([]*ocsf.Event{ev}), jsonOf(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzReadFile: damaged bytes give errors, not panics.
func FuzzReadFile(f *testing.F) {
	var tab table
	fill(&tab, newFrame(), newHospital(1, 10, 5).day(1, 50))
	var buf bytes.Buffer
	if err := writeTable(&buf, &codec{}, &tab, ascending(tab.rows)); err != nil {
		f.Fatal(err)
	}
	f.Add(buf.Bytes(), uint32(100), byte(1))
	f.Fuzz(func(t *testing.T, data []byte, at uint32, flip byte) {
		if len(data) == 0 {
			return
		}
		data = bytes.Clone(data)
		data[int(at)%len(data)] ^= flip
		for _, err := range ReadFile(bytes.NewReader(data), int64(len(data))) {
			if err != nil {
				return
			}
		}
	})
}

func BenchmarkReadSmallFile(b *testing.B) {
	var tab table
	fill(&tab, newFrame(), newHospital(1, 10, 5).day(1, 50))
	var buf bytes.Buffer
	if err := writeTable(&buf, &codec{}, &tab, ascending(tab.rows)); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d bytes", buf.Len())
	for b.Loop() {
		for _, err := range ReadFile(bytes.NewReader(buf.Bytes()), int64(buf.Len())) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
