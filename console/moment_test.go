package console

import (
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
)

func TestNoTimeIsNo1970(t *testing.T) {
	p := &page{site: api.Site{Zone: time.UTC}, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), lang: "zh"}
	for _, ms := range []int64{0, 1000} {
		for _, got := range []string{p.Time(ms), p.Full(ms), p.Date(ms)} {
			if got != "–" {
				t.Errorf("%d is shown as %s", ms, got)
			}
		}
	}
	if got := p.Date(time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC).UnixMilli()); got != "1970年1月2日" {
		t.Errorf("a real time is shown as %s", got)
	}
}
