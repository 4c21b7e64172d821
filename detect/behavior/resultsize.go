package behavior

import (
	"slices"
	"strconv"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// resultSize: a statement that always gives a few rows gives very many.
type resultSize struct {
	sql   *statements
	usual detect.Memory[sizes] // by fingerprint
}

// sizes are the latest results of a statement, in rows.
type sizes struct {
	Seen int     `json:"n"`
	Last []int64 `json:"l"`
}

const mostSizes = 15

var (
	_ detect.Detector = (*resultSize)(nil)
	_ detect.Stateful = (*resultSize)(nil)
)

func newResultSize(s *statements) *resultSize {
	return &resultSize{sql: s, usual: detect.NewMemory[sizes](20_000, 90*day)}
}

// Snapshot implements [detect.Stateful].
func (d *resultSize) Snapshot() ([]byte, error) { return d.usual.Snapshot() }

// Restore implements [detect.Stateful].
func (d *resultSize) Restore(data []byte) error { return d.usual.Restore(data) }

// Info implements [detect.Detector].
func (*resultSize) Info() detect.Info {
	return detect.Info{
		ID: "result-size", Group: detect.GroupData,
		Title: ocsf.Text{EN: "A usual statement with an unusual result", ZH: "常用语句返回异常多的行"},
		Why: ocsf.Text{
			EN: "The same statement on patients' data, known for small results, gave a hundred times as many rows. That is what an injected condition or a widened search looks like.",
			ZH: "同一语句读取患者数据，通常只返回少量行，此次多出百倍。条件被注入或放宽时即如此。",
		},
		Advice: ocsf.Text{
			EN: "Look at the values of the statement; ask the vendor whether the application can ask that.",
			ZH: "查看语句的参数；询问厂商应用是否会如此查询。",
		},
		Severity: ocsf.SeverityHigh, Risk: 60,
		References: []string{"MITRE ATT&CK T1213.006", "OWASP A03:2021"},
		Params: []detect.Param{
			{Name: "times", Default: 100, About: ocsf.Text{EN: "times the usual number of rows", ZH: "相对通常行数的倍数"}},
			{Name: "rows", Default: 1000, About: ocsf.Text{EN: "rows below which nothing is said", ZH: "低于此行数不提示"}},
			{Name: "seen", Default: 10, About: ocsf.Text{EN: "times a statement must have been seen before", ZH: "语句此前至少出现的次数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *resultSize) Detect(c *detect.Context, ev *ocsf.Event) {
	q := d.sql.of(c, ev)
	if q == nil || !q.Reads() || q.rows == 0 || q.Fingerprint == 0 || q.Level() < 4 {
		return
	}
	u := d.usual.Keep(strconv.FormatUint(q.Fingerprint, 36), ev.Time)
	usual := u.median()
	large := u.Seen >= int(c.Param("seen")) && float64(q.rows) >= c.Param("times")*float64(max(usual, 1)) && float64(q.rows) >= c.Param("rows")
	u.Seen++
	if u.Last = append(u.Last, q.rows); len(u.Last) > mostSizes {
		u.Last = slices.Delete(u.Last, 0, 1)
	}
	if !large || d.sql.approved(c, ev) {
		return
	}
	f := ocsf.Finding{
		UID: detect.UID("result-size", q.person, account(ev), strconv.FormatUint(q.Fingerprint, 36), dayOf(c, ev)), Events: []string{ev.Metadata.UID},
		Title: text("A statement of %s gave %d rows, usually %d (%s)", "%s 的语句返回 %d 行，通常为 %d 行（%s）", nameOf(q, ev), q.rows, usual, c.Clock()),
		Why: text("Tables: %s; seen %d times before, with about %d rows; program %q, from %q.", "表：%s；此前出现 %d 次，约 %d 行；程序 %q，来自 %q。",
			d.sql.named(), u.Seen-1, usual, ev.Actor.AppName, host(ev)),
	}
	q.about(&f, ev)
	c.Find(f)
}

func (u *sizes) median() int64 {
	if len(u.Last) == 0 {
		return 0
	}
	sorted := slices.Clone(u.Last)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}
