package behavior

import (
	"strconv"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// dataLeaving: the gateway stopped patient data on its way out.
type dataLeaving struct{}

var _ detect.Detector = (*dataLeaving)(nil)

// Info implements [detect.Detector].
func (*dataLeaving) Info() detect.Info {
	return detect.Info{
		ID: "data-leaving", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Patient data on its way out", ZH: "患者数据外发被拦"},
		Why: ocsf.Text{
			EN: "The mail or web gateway stopped, redacted or held something because patient data is in it. One referral sent by mistake is a lesson; lists of patients, or a planted patient, are a leak under way.",
			ZH: "邮件或网页网关因内容含有患者数据而拦截、脱敏或暂扣。误发一次转诊资料是教训；成批患者或诱饵患者则是正在发生的泄露。",
		},
		Advice: ocsf.Text{
			EN: "Look at the page of what is outgoing: where it was to go, and what reason was given. Ask the person; where the purpose is lawful, offer the release broker or a secured way.",
			ZH: "查看“外发管控”页面：发往何处、说明了什么原因。询问当事人；目的合法的，引导其使用数据出境/发布流程或加密渠道。",
		},
		Severity: ocsf.SeverityMedium, Risk: 40, Steady: true,
		References: []string{"GB/T 39725-2020", "数据安全法 第二十七条", "45 CFR 164.312(e)(1)"},
		Params: []detect.Param{
			{Name: "many", Default: 20, About: ocsf.Text{EN: "distinct people in one message from which on it is serious", ZH: "单次外发涉及多少人即视为严重"}},
		},
	}
}

// Detect implements [detect.Detector].
func (*dataLeaving) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.ClassUID != ocsf.DataSecurityFinding || ev.Metadata.Product.Name != "Cordon" || len(ev.Resources) == 0 || len(ev.DataClassifications) == 0 {
		return
	}
	o := &ev.Resources[0]
	door, action := o.Label("gateway"), o.Label("action")
	if honey := o.Label(labelHoney) != ""; door == "" || action == "" || action == "allow" && !honey || o.Label("failed") != "" && !honey {
		return
	}
	number := func(name string) int {
		n, err := strconv.Atoi(o.Label(name))
		if err != nil {
			return 0
		}
		return n
	}
	people := max(number(labelPatients), number("persons"))
	who := ev.Actor.User.UID
	if who == "" {
		who = ev.Actor.User.Account
	}
	f := ocsf.Finding{
		ClassUID: ocsf.DataSecurityFinding, UID: detect.UID("data-leaving", ev.Metadata.UID), Events: []string{ev.Metadata.UID},
		Person: ev.Actor.User.UID, Account: ev.Actor.User.Account,
		Title: text("Level %d data stopped on its way out (%s): %s", "外发 %d 级数据被处置（%s）：%s", ev.DataClassifications[0].Level, door, action),
		Why:   text("%s wanted to send it on route %s; it is about %d people.", "%s 经路由 %s 外发，涉及 %d 人。", who, o.UID, people),
		Risk:  25, Weak: true, SeverityID: ocsf.SeverityLow,
	}
	if who == "" { // a program, or a client nobody knows: the way out itself is the subject
		f.Subject = "data:" + o.UID
		f.Why = text("An unknown sender wanted to send it on route %[1]s; it is about %[2]d people.", "未知发送者经路由 %[1]s 外发，涉及 %[2]d 人。", o.UID, people)
	}
	switch {
	case number(labelHoney) > 0:
		f.Risk, f.Weak, f.SeverityID = 95, false, ocsf.SeverityCritical
		f.Why = text("A planted patient is in it, so it was drawn from the hospital's own records; it was to go out on route %s.", "其中含诱饵患者，说明取自本院数据；拟经路由 %s 外发。", o.UID)
	case float64(people) >= c.Param("many"):
		f.Risk, f.Weak, f.SeverityID = 70, false, ocsf.SeverityHigh
	}
	c.Find(f)
}
