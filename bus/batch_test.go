package bus

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/cordon-health/cordon/ocsf"
)

// samples are invented accesses of about the usual size.
func samples(n int) []*ocsf.Event {
	rnd := rand.New(rand.NewPCG(1, 2))
	events := make([]*ocsf.Event, n)
	for i := range events {
		events[i] = &ocsf.Event{
			ClassUID: 6001, ActivityID: 2, SeverityID: 1, Time: 1_760_000_000_000 + int64(i),
			Metadata: ocsf.Metadata{
				UID: fmt.Sprintf("%016x", rnd.Uint64()), Version: ocsf.Version, LogName: "fhir-auditevent",
				CorrelationUID: fmt.Sprintf("%016x", rnd.Uint64()), LoggedTime: 1_760_000_000_500,
			},
			Actor:       ocsf.Actor{User: ocsf.User{UID: fmt.Sprintf("p%04d", rnd.IntN(3000)), Account: "护士甲"}},
			SrcEndpoint: ocsf.Endpoint{IP: fmt.Sprintf("10.1.%d.%d", rnd.IntN(20), rnd.IntN(250))},
			Unmapped:    ocsf.RawJSON(`{"ward":"7B","terminal":"term-12"}`),
		}
	}
	return events
}

func encodeAll(events []*ocsf.Event) (out []byte) {
	for _, ev := range events {
		out = append(ev.AppendJSON(out), '\n')
	}
	return out
}

func TestBatchRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100, MaxBatch} {
		events := samples(n)
		data := EncodeBatch([]byte("before"), events)
		if !bytes.HasPrefix(data, []byte("before")) {
			t.Fatal("the destination's own bytes were lost")
		}
		data = data[len("before"):]
		if again := EncodeBatch(nil, events); !bytes.Equal(data, again) {
			t.Errorf("%d events: the same events gave other bytes", n)
		}
		got, err := DecodeBatch(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != n || !bytes.Equal(encodeAll(events), encodeAll(got)) {
			t.Errorf("%d events came back changed, as %d", n, len(got))
		}
	}
}

func TestBatchJoinsLines(t *testing.T) {
	events := samples(2)
	events[0].Unmapped = ocsf.RawJSON("{\n\"ward\":\n\"7\\nB\"\n}")
	got, err := DecodeBatch(EncodeBatch(nil, events))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Errorf("%d events came back, want 2", len(got))
	}
}

func TestDecodeBatchRefuses(t *testing.T) {
	tooMany := bytes.Repeat([]byte("{}\n"), MaxBatch+1)
	huge := s2.Encode(nil, make([]byte, maxPlain+1))
	for name, data := range map[string][]byte{
		"nothing":         nil,
		"not compressed":  []byte("{}\n"),
		"cut off":         s2.Encode(nil, []byte(`{"time":1`)),
		"no line end":     s2.Encode(nil, []byte(`{}`)),
		"not JSON":        s2.Encode(nil, []byte("patient 4711\n")),
		"too many events": s2.Encode(nil, tooMany),
		"too long":        huge,
	} {
		_, err := DecodeBatch(data)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if bytes.Contains([]byte(err.Error()), []byte("4711")) {
			t.Errorf("%s: the error shows the content: %v", name, err)
		}
	}
}

func FuzzDecodeBatch(f *testing.F) {
	for _, n := range []int{0, 1, 5} {
		f.Add(EncodeBatch(nil, samples(n)))
	}
	f.Add(s2.Encode(nil, []byte("{}\n[]\n")))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := DecodeBatch(data)
		if err != nil {
			return
		}
		again, err := DecodeBatch(EncodeBatch(nil, events))
		if err != nil {
			t.Fatalf("what was decoded cannot be decoded again: %v", err)
		}
		if !bytes.Equal(encodeAll(events), encodeAll(again)) {
			t.Error("the second decoding differs")
		}
	})
}

func BenchmarkEncodeBatch(b *testing.B) {
	events := samples(MaxBatch)
	var buf []byte
	for b.Loop() {
		buf = EncodeBatch(buf[:0], events)
	}
	b.ReportMetric(float64(len(buf))/MaxBatch, "B/event")
	b.ReportMetric(float64(b.N*MaxBatch)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkDecodeBatch(b *testing.B) {
	data := EncodeBatch(nil, samples(MaxBatch))
	for b.Loop() {
		if _, err := DecodeBatch(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*MaxBatch)/b.Elapsed().Seconds(), "events/s")
}
