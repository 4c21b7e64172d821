package bus

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

// However large the events, what FillBatch makes can be published and read.
func TestFillBatchKeepsWithinBounds(t *testing.T) {
	noise := make([]byte, 1<<20)
	rand.Read(noise)
	var events []*ocsf.Event
	for i := range 3000 {
		ev := &ocsf.Event{Message: "small"}
		switch i % 100 {
		case 0:
			ev.QueryInfo = &ocsf.QueryInfo{Text: hex.EncodeToString(noise)} // hardly compresses
		case 50:
			ev.QueryInfo = &ocsf.QueryInfo{Text: strings.Repeat("\x01", 700_000)} // six times as long in JSON
		}
		events = append(events, ev)
	}
	total := 0
	for left := events; len(left) > 0; {
		data, n := FillBatch(nil, left)
		if n == 0 || n > MaxBatch || len(data) > MaxMessage {
			t.Fatalf("%d events in %d bytes", n, len(data))
		}
		got, err := DecodeBatch(data)
		if err != nil || len(got) != n {
			t.Fatalf("%d of %d events came back: %v", len(got), n, err)
		}
		total, left = total+n, left[n:]
	}
	if total != len(events) {
		t.Fatal(total)
	}
}
