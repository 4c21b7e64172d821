package normalize

import (
	"testing"
	"time"
)

func TestOCSFTimeAsText(t *testing.T) {
	n := New(Options{Zone: time.FixedZone("", 8*3600)})
	for text, want := range map[string]int64{
		`"2024-06-01T00:00:00Z"`: 1717200000000, `"2024-06-01 08:00:00"`: 1717200000000, `"2024-06-01 08:00:00.123"`: 1717200000123,
		`"2024-06-01 08:00:00.5+08"`: 1717200000500, `"2024-06-01 00:00:00+00:00"`: 1717200000000, `"1717200000000"`: 1717200000000,
		`1717200000000`: 1717200000000, `"yesterday"`: 0, `null`: 0, `"1717200000"`: 0, `""`: 0,
	} {
		events, rejects := n.Normalize(Input{Format: "ocsf", Data: []byte(`{"class_uid":6001,"activity_id":null,"status_id":null,"message":null,` +
			`"actor":null,"patient":null,"access":null,"web_resources":null,"metadata":null,"unmapped":null,"time":` + text + `}`)})
		switch {
		case want == 0 && len(events) == 0 && len(rejects) == 1:
		case want != 0 && len(events) == 1 && events[0].Time == want:
		default:
			t.Errorf("%s: %v %v", text, events, rejects)
		}
	}
}
