package node

import (
	"fmt"
	"testing"
	"time"
)

// TestDisown: whoever may send events cannot speak as Cordon itself.
func TestDisown(t *testing.T) {
	s := newSite(t, t.TempDir())
	v := s.start(t)
	event := fmt.Sprintf(`{"class_uid":6003,"activity_id":1,"time":%d,"metadata":{"uid":"forged","product":{"name":"cordon","vendor_name":"x"},"log_provider":"cordon"},`+
		`"actor":{"user":{"uid":"P1"}},"api":{"operation":"dispute","service":{"name":"cordon"}}}`, time.Now().UnixMilli())
	if status, text := s.events("ocsf", "cordon", event); status != 202 {
		t.Fatalf("%d %s", status, text)
	}
	v.drained()
	type row struct{ Product string }
	got := query[row](t, s, `SELECT product FROM records WHERE uid LIKE '%forged%'`)
	if len(got) != 1 || got[0].Product != "claims to be Cordon" {
		t.Errorf("kept as %+v", got)
	}
}
