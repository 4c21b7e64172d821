package console_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

// path is an alarm path as the node would tell it.
type path struct {
	report api.AlarmPath
	tested int
}

func (p *path) AlarmPath(context.Context) (api.AlarmPath, error) { return p.report, nil }

func (p *path) TestAlerts(context.Context) ([]playbook.AlertTest, error) {
	p.tested++
	return nil, nil
}

// soundPath is one with nothing wrong, as of at in ms.
func soundPath(at int64) *path {
	var p api.AlarmPath
	var took []int64
	for i := range int64(60) {
		took = append(took, 12+(i*7)%23)
	}
	took[40] = -1
	p.Report = canary.Report{P50: 19, P99: 34, Seen: 7199, Lost: 1, Doors: []canary.DoorReport{
		{Name: "HL7 (MLLP)", State: canary.StateProven, Seen: 1440, P50: 17, P99: 31, Took: took},
		{Name: "ATNA (syslog)/tcp", State: canary.StateLate, Seen: 1439, Lost: 1, P50: 21, P99: 40, Took: took},
		{Name: "ATNA (syslog)/tls", State: canary.StateClosed, Why: ocsf.Text{EN: "senders must show a certificate; give canary.cert and canary.key", ZH: "该入口要求客户端证书，请设置 canary.cert 与 canary.key"}},
		{Name: "http", State: canary.StateStarting},
	}}
	p.Detectors.Running, p.Rules.Loaded = 38, 29
	p.Checked = api.SelfCheck{At: at, Detectors: 38, Rules: 27, Unproven: 2}
	p.Alerts = []playbook.AlertTest{{Action: "notify-mail", At: at, OK: true}}
	return &path{report: p}
}

// TestAlarmPanel: the front page says whether warnings get through, and what
// is wrong; testing the ways to people needs the right to act outside.
func TestAlarmPanel(t *testing.T) {
	h := newHospital(t)
	h.path.report.Proven = true
	h.grow(1, 60, 200)
	ses := h.session("zhao", identity.SecurityOfficer)
	_, page := h.get(ses, "/")
	for _, want := range []string{"Alarm path", "Proven", "34 ms", "1 of 7,200", "0 of 38", "cannot be tried", "38 detectors and 27 rules", "notify-mail"} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview does not say %q", want)
		}
	}
	h.path.report.Proven = false
	h.path.report.Troubles = []canary.Trouble{{ID: "detector:family", Text: ocsf.Text{EN: "Detector family failed and was stopped", ZH: "检测器 family 出错"},
		Advice: ocsf.Text{EN: "Restart Cordon.", ZH: "请重启。"}}}
	if _, page := h.get(ses, "/"); !strings.Contains(page, "Broken") || !strings.Contains(page, "Restart Cordon.") {
		t.Error("the overview does not say that the alarm path is broken, and what to do")
	}
	if res, _ := h.post(ses, "/alarm-path/alerts"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("testing the alerts: %d", res.StatusCode)
	}
	if res, _ := h.post(h.session("kong", identity.Auditor), "/alarm-path/alerts"); res.StatusCode != http.StatusForbidden {
		t.Errorf("an auditor tests the alerts: %d", res.StatusCode)
	}
	if h.path.tested != 1 {
		t.Errorf("tested %d times, want once", h.path.tested)
	}
}
