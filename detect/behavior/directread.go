package behavior

import (
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// directRead: somebody reads tables of patients past the application.
type directRead struct {
	sql  *statements
	days detect.Memory[tally] // by person and day
}

var (
	_ detect.Detector = (*directRead)(nil)
	_ detect.Stateful = (*directRead)(nil)
	_ detect.Fed      = (*directRead)(nil)
)

func newDirectRead(s *statements) *directRead {
	return &directRead{sql: s, days: detect.NewMemory[tally](4000, 3*day)}
}

// Snapshot implements [detect.Stateful].
func (d *directRead) Snapshot() ([]byte, error) { return d.days.Snapshot() }

// Restore implements [detect.Stateful].
func (d *directRead) Restore(data []byte) error { return d.days.Restore(data) }

// Missing implements [detect.Fed]: tables that nobody mapped are not judged.
func (d *directRead) Missing() (ocsf.Text, bool) {
	names := d.sql.names.Load()
	if names == nil || len(*names) == 0 {
		return ocsf.Text{}, false
	}
	list := *names
	more := len(list)
	list = list[:min(12, len(list))]
	return text("Statements read %d tables that no file of tables lists, so nothing is said about them: %s. Say what they hold in a file of the folder detect.tables.",
		"语句读取了 %d 张未登记的表，对其不作判断：%s。请在 detect.tables 目录的文件中说明其内容。", more, strings.Join(list, ", ")), true
}

// Info implements [detect.Detector].
func (*directRead) Info() detect.Info {
	return detect.Info{
		ID: "direct-table-read", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Patients' tables read past the application", ZH: "绕过应用系统直接读取患者数据表"},
		Why: ocsf.Text{
			EN: "A person, or a database tool, or the account of an application from a machine or program never seen with it read tables with patients' data, and no approved ticket covers it. The application's controls and its audit are passed by.",
			ZH: "个人、数据库工具，或应用账号从未见过的主机或程序，直接读取了含患者数据的表，且没有批准单，绕开了应用系统的权限与审计。",
		},
		Advice: ocsf.Text{
			EN: "Ask for the task and its ticket; if the account is one of an application, change its password and find the machine.",
			ZH: "询问任务与批准单；若为应用账号，立即更换密码并查找该主机。",
		},
		Severity: ocsf.SeverityHigh, Risk: 62,
		References: []string{"国卫办医政函〔2025〕262号", "GB/T 22239-2019 8.1.4.2", "MITRE ATT&CK T1213.006"},
		Params: []detect.Param{
			{Name: "level", Default: 4, About: ocsf.Text{EN: "GB/T 39725 level of a table from which on it counts", ZH: "表的数据分级（GB/T 39725）达到此级才计入"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *directRead) Detect(c *detect.Context, ev *ocsf.Event) {
	q := d.sql.of(c, ev)
	if q == nil || !q.Reads() || q.Numbers() || q.application && !q.strange || q.Level() < int(c.Param("level")) || d.sql.approved(c, ev) {
		return
	}
	key := detect.UID("direct-table-read", q.person, account(ev), dayOf(c, ev))
	t := d.days.Keep(key, ev.Time)
	t.Risk = max(t.Risk, directRisk(q))
	if !t.add(ev.Metadata.UID, q) {
		return
	}
	f := ocsf.Finding{
		UID: key, Events: t.Events, Time: ev.Time, Risk: t.Risk,
		Title: text("%s read tables with patients' data directly (statements: %d, %s)", "%s 直接读取含患者数据的表，共 %d 条语句（%s）", nameOf(q, ev), t.Seen, c.Clock()),
		Why:   d.why(q, ev),
	}
	q.about(&f, ev)
	c.Find(f)
}

func nameOf(q *query, ev *ocsf.Event) string {
	if q.person != "" {
		return q.person
	}
	return ev.Actor.User.Account
}

func directRisk(q *query) float64 {
	risk := 58.0
	for i := range q.Queries {
		f := &q.Queries[i]
		if !f.Bound && f.Shown.Any(statement.SetOf(statement.Identity, statement.Clinical)) {
			risk = max(risk, 68)
		}
	}
	if q.tool {
		risk += 4
	}
	if q.strange || q.elsewhere != "" {
		risk += 4
	}
	if q.rows >= 1000 {
		risk += 4
	}
	return min(risk, 80)
}

func (d *directRead) why(q *query, ev *ocsf.Event) ocsf.Text {
	how := text("program %q, from %q", "程序 %q，来自 %q", ev.Actor.AppName, host(ev))
	switch {
	case q.strange:
		how = text("the account is one of an application, but it was never used from %[2]q with program %[1]q", "应用账号，但从未在 %[2]q 以程序 %[1]q 使用过", ev.Actor.AppName, host(ev))
	case q.tool:
		how = text("with the database tool %q, from %q", "使用数据库工具 %q，来自 %q", ev.Actor.AppName, host(ev))
	}
	w := ocsf.Text{EN: "Tables: " + d.sql.named() + "; " + how.EN + "; no ticket covers it.", ZH: "表：" + d.sql.named() + "；" + how.ZH + "；没有批准单覆盖。"}
	if q.elsewhere != "" {
		more := text(" These tables are known from another database than %q: a copy?", " 这些表本应在其他数据库中，而非 %q：是否为还原的备份？", q.elsewhere)
		w.EN, w.ZH = w.EN+more.EN, w.ZH+more.ZH
	}
	return w
}
