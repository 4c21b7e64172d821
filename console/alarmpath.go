package console

import (
	"errors"
	"math"
	"net/http"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/canary"
)

// alarmPath is what the overview shows of the alarm path; nil where nobody
// tells.
func (q *request) alarmPath() (*api.AlarmPath, error) {
	if q.Alarm == nil {
		return nil, nil
	}
	p, err := q.Alarm.AlarmPath(q.r.Context())
	return &p, err
}

// testAlerts sends the test message and goes back to the overview, where the
// results stand.
func (q *request) testAlerts() error {
	if q.Alarm == nil {
		return errors.New("nobody tests the alerts here")
	}
	if _, err := q.Alarm.TestAlerts(q.r.Context()); err != nil {
		return err
	}
	http.Redirect(q.w, q.r, "/", http.StatusSeeOther)
	return nil
}

// alarmState is one word for the whole: off, broken, starting or proven.
func alarmState(p *api.AlarmPath) string {
	switch {
	case p.Off:
		return "off"
	case len(p.Troubles) > 0:
		return canary.StateBroken
	case p.Proven:
		return canary.StateProven
	}
	return canary.StateStarting
}

// alarmDot is the colour of a state, among those of sources.
func alarmDot(state string) string {
	switch state {
	case canary.StateProven:
		return "live"
	case canary.StateStarting, canary.StateLate:
		return "quiet"
	case canary.StateBroken:
		return "failed"
	}
	return "silent"
}

// spark is a line of latencies, 60 wide and 14 high, on a logarithmic scale of
// 1 ms to 10 s; lost canaries are gaps.
func spark(took []int64) string {
	var b strings.Builder
	move := true
	for i, t := range took {
		if t < 0 {
			move = true
			continue
		}
		y := 13 - 12*math.Min(1, math.Log10(math.Max(1, float64(t)))/4)
		b.WriteString(map[bool]string{true: "M", false: "L"}[move])
		b.WriteString(pixels(float64(i) * 60 / 59))
		b.WriteByte(' ')
		b.WriteString(pixels(y))
		move = false
	}
	return b.String()
}

// millis writes a latency in ms, or a dash where nothing was measured.
func (p *page) millis(ms float64, seen int) string {
	switch {
	case seen == 0:
		return "–"
	case ms < 1000:
		return p.T("alarm.ms", math.Round(ms))
	}
	return p.T("alarm.s", ms/1000)
}

func testWord(ok bool) string {
	if ok {
		return "ok"
	}
	return "failed"
}
