package behavior

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// drugSQL: somebody counts what doctors prescribed, in SQL.
type drugSQL struct {
	sql  *statements
	days detect.Memory[tally] // by person and day
	// slices are lists that were asked for in small parts, by person and day.
	slices detect.Memory[tally]
}

var (
	_ detect.Detector = (*drugSQL)(nil)
	_ detect.Stateful = (*drugSQL)(nil)
	_ detect.Fed      = (*drugSQL)(nil)
)

func newDrugSQL(s *statements) *drugSQL {
	return &drugSQL{sql: s, days: detect.NewMemory[tally](4000, 3*day), slices: detect.NewMemory[tally](1000, 3*day)}
}

type drugSQLMemory struct {
	Days       json.RawMessage  `json:"days"`
	Slices     json.RawMessage  `json:"slices"`
	Statements statementsMemory `json:"statements"`
}

// Snapshot implements [detect.Stateful].
func (d *drugSQL) Snapshot() ([]byte, error) {
	days, err := d.days.Snapshot()
	if err != nil {
		return nil, err
	}
	parts, err := d.slices.Snapshot()
	if err != nil {
		return nil, err
	}
	m, err := d.sql.snapshot()
	if err != nil {
		return nil, err
	}
	return json.Marshal(drugSQLMemory{days, parts, m})
}

// Restore implements [detect.Stateful].
func (d *drugSQL) Restore(data []byte) error {
	var m drugSQLMemory
	if data != nil {
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
	}
	if err := d.days.Restore(m.Days); err != nil {
		return err
	}
	if err := d.slices.Restore(m.Slices); err != nil {
		return err
	}
	return d.sql.restore(m.Statements)
}

// Missing implements [detect.Fed].
func (d *drugSQL) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No statements of databases have come: import or send the audit of the hospital's databases (pgaudit, MySQL, Oracle, SQL Server).",
		ZH: "尚未收到数据库语句：请接入或导入医院数据库审计（pgaudit、MySQL、Oracle、SQL Server）。",
	}, !d.sql.feed.Came()
}

// Info implements [detect.Detector].
func (*drugSQL) Info() detect.Info {
	return detect.Info{
		ID: "drug-statistics-sql", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Prescriptions counted per doctor in SQL", ZH: "SQL 统方"},
		Why: ocsf.Text{
			EN: "A statement read which doctor prescribed how much of which drug, for all patients and not for one, and no approved ticket covers it. Such lists are sold to the makers of drugs. It is recognised by the tables and columns it reads: also without GROUP BY, one drug at a time, through copies, temporary tables, views and procedures, inside of strings, and in a restored backup. An application that asks for it is no exception.",
			ZH: "语句读取了哪位医生开了多少某药，针对全体而非某位患者，且没有批准单。此类数据会被卖给药企。按所读的表与列识别：无 GROUP BY、逐药查询、经副本、临时表、视图、存储过程、拼接字符串或还原的备份均可识别；应用账号也不例外。",
		},
		Advice: ocsf.Text{
			EN: "Keep the statement and its result from going on; ask who ordered the statistics. If they are ordered work, enter a ticket (table:NAME) for the person or the application's account.",
			ZH: "先阻止结果外流；查明谁要求统计。若属正常工作，请为该人员或应用账号登记批准单（table:表名）。",
		},
		Severity: ocsf.SeverityCritical, Risk: 84,
		References: []string{"国卫纠发〔2014〕1号", "医疗机构工作人员廉洁从业九项准则", "国卫办医政函〔2025〕262号", "刑法 第二百八十五条"},
		Params: []detect.Param{
			{Name: "rows", Default: 2000, About: ocsf.Text{EN: "rows of drugs with doctors that an application may list at once", ZH: "应用一次可列出的含医生与药品的行数"}},
			{Name: "few", Default: 100, About: ocsf.Text{EN: "rows a person may list for a look", ZH: "个人查看时可列出的行数"}},
			{Name: "slices", Default: 500, About: ocsf.Text{EN: "rows a person may list in a day in small parts", ZH: "个人一天内分批列出的总行数"}},
			{Name: "keys", Default: 120, About: ocsf.Text{EN: "different parts (patients, prescriptions, pages) a person may list in a day", ZH: "个人一天内分批查询的不同患者、处方或分页数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *drugSQL) Detect(c *detect.Context, ev *ocsf.Event) {
	q := d.sql.of(c, ev)
	if q == nil || !q.Reads() {
		return
	}
	kind, facts := q.Statistic()
	risk := 0.0
	if kind != statement.NoStatistic {
		risk = d.risk(c, ev, q, kind, facts)
	}
	t := &tally{}
	key := detect.UID("drug-statistics-sql", q.person, account(ev), dayOf(c, ev))
	sliced := risk == 0
	if sliced {
		kind = statement.Rows
		if t = d.slice(c, ev, q, key); t == nil {
			return
		}
		risk = 80 + monthEnd(ev, c.Zone())
	}
	if d.sql.approved(c, ev) {
		return
	}
	if !sliced {
		t = d.days.Keep(key, ev.Time)
	} else {
		key = detect.UID("drug-statistics-sql", "slices", q.person, account(ev), dayOf(c, ev))
	}
	if kind <= statement.HalfDoctors && !d.halves(t, kind) {
		t.keep(ev.Metadata.UID)
		return
	}
	t.Risk = max(t.Risk, risk)
	if !sliced && !t.add(ev.Metadata.UID, q) {
		return
	}
	f := ocsf.Finding{
		UID: key, Events: t.Events, Time: ev.Time, Risk: min(t.Risk+loop(t), 97), Weak: t.Risk < 50,
		Title: d.title(c, ev, q, kind, t), Why: d.why(ev, q, kind, t, sliced),
	}
	q.about(&f, ev)
	c.Find(f)
}

// slice counts a small part of a list of what doctors prescribed: one page, one
// patient, a few prescriptions. It returns the day's tally when the parts have
// become a list, nil before and where they are an application's work.
func (d *drugSQL) slice(c *detect.Context, ev *ocsf.Event, q *query, key string) *tally {
	if q.application && !q.strange || q.Slice() < statement.Rows {
		return nil
	}
	t := d.slices.Keep(key, ev.Time)
	if slices.Contains(t.Events, ev.Metadata.UID) {
		return nil
	}
	most := int(c.Param("keys"))
	fresh := q.values.Asked || !slices.Contains(t.Keys, q.values.All)
	if fresh && len(t.Keys) <= min(most, 1000) {
		t.Keys = append(t.Keys, q.values.All)
	}
	if fresh {
		t.Rows += cmp.Or(q.rows, q.values.Page) // where nobody counted the rows, as many as were asked for
	}
	t.Seen++
	if len(t.Events) < mostOfTally {
		t.Events = append(t.Events, ev.Metadata.UID)
	}
	if t.Seen < t.Next || float64(t.Rows) <= c.Param("slices") && len(t.Keys) <= most {
		return nil
	}
	t.Next = t.Seen + max(1, t.Seen/4)
	return t
}

// loop is what many drugs, one after the other, add to the risk.
func loop(t *tally) float64 { return min(float64(len(t.Drugs)), 6) }

// halves notes which half of a statistic was listed, and says whether both
// have been: then they are joined outside of the database.
func (d *drugSQL) halves(t *tally, kind statement.Statistic) bool {
	if kind == statement.HalfItems {
		t.Items = true
	} else {
		t.Doctor = true
	}
	return t.Items && t.Doctor
}

// keep holds an event that may become part of a finding.
func (t *tally) keep(uid string) {
	if len(t.Events) < mostOfTally/2 {
		t.Events = append(t.Events, uid)
	}
}

// risk is where a statement starts, 0 for one that is left alone. Applications
// list prescriptions with their doctors all day, and the pharmacy counts drugs;
// what they may not do is count per doctor.
func (d *drugSQL) risk(c *detect.Context, ev *ocsf.Event, q *query, kind statement.Statistic, facts *statement.Facts) float64 {
	risk := 0.0
	app := q.application && !q.strange
	switch kind {
	case statement.ByDoctor:
		risk = 84
	case statement.Rows:
		if !d.many(c, ev, q, facts, app) {
			return 0
		}
		risk = 80
	case statement.ByDrug:
		switch {
		case !app:
			risk = 60
		case !d.sql.learned(ev) && !q.learning:
			risk = 35
		default:
			return 0
		}
	default:
		if app || !d.many(c, ev, q, facts, false) {
			return 0
		}
		risk = 70
	}
	if q.Hidden && !app {
		risk += 5
	}
	if q.tool || q.strange {
		risk += 3
	}
	if q.elsewhere != "" {
		risk += 3
	}
	return risk + monthEnd(ev, c.Zone())
}

// many says whether a list is long enough to be a statistic. What applications
// list all day waits for today's work; where it reaches back, or to one drug of
// all time, it is a list like any other.
func (d *drugSQL) many(c *detect.Context, ev *ocsf.Event, q *query, facts *statement.Facts, app bool) bool {
	reach := float64(max(q.rows, q.values.From))
	if !app {
		return reach == 0 || reach > c.Param("few")
	}
	back := q.values.Since != 0 && q.values.Since < dayNumber(ev.Time-usualBack, c.Zone())
	wide := !facts.Narrow || back || facts.Filter.Has(statement.Drug) && !facts.Filter.Has(statement.Time)
	return reach >= c.Param("rows") || wide && (reach == 0 || reach > c.Param("few"))
}

// usualBack is how far lists of applications reach back.
const usualBack = 3 * day

// dayNumber is a day as 20260301.
func dayNumber(at int64, zone *time.Location) int64 {
	y, m, d := time.UnixMilli(at).In(zone).Date()
	return int64(y*10000 + int(m)*100 + d)
}

// monthEnd is what the days around the end of a month add: that is when such
// lists are paid for. It ranks, no more.
func monthEnd(ev *ocsf.Event, zone *time.Location) float64 {
	if n := time.UnixMilli(ev.Time).In(zone).Day(); n >= 28 || n <= 3 {
		return 2
	}
	return 0
}

func (d *drugSQL) title(c *detect.Context, ev *ocsf.Event, q *query, kind statement.Statistic, t *tally) ocsf.Text {
	who := nameOf(q, ev)
	switch {
	case len(t.Drugs) > 1:
		return text("%s counted prescriptions drug by drug (%d statements, %d drugs, %s)", "%s 逐药统方：%d 条语句，%d 种药品（%s）", who, t.Seen, len(t.Drugs), c.Clock())
	case kind == statement.ByDrug:
		return text("%s counted what was prescribed of drugs (statements: %d, %s)", "%s 统计药品处方用量，共 %d 条语句（%s）", who, t.Seen, c.Clock())
	case kind == statement.ByDoctor:
		return text("%s counted prescriptions per doctor and drug (statements: %d, %s)", "%s 按医生与药品统方，共 %d 条语句（%s）", who, t.Seen, c.Clock())
	}
	return text("%s listed which doctor prescribed which drug (statements: %d, %s)", "%s 成批列出医生与其所开药品，共 %d 条语句（%s）", who, t.Seen, c.Clock())
}

func (d *drugSQL) why(ev *ocsf.Event, q *query, kind statement.Statistic, t *tally, sliced bool) ocsf.Text {
	w := text("Tables: %s; no condition on one patient, visit or prescription; program %q, from %q; no ticket covers it.",
		"表：%s；没有限定到某位患者、某次就诊或某张处方；程序 %q，来自 %q；没有批准单覆盖。", d.sql.named(), ev.Actor.AppName, host(ev))
	if sliced {
		w = text("Tables: %s; program %q, from %q; no ticket covers it.", "表：%s；程序 %q，来自 %q；没有批准单覆盖。", d.sql.named(), ev.Actor.AppName, host(ev))
	}
	add := func(on bool, more ocsf.Text) {
		if on {
			w.EN, w.ZH = w.EN+" "+more.EN, w.ZH+more.ZH
		}
	}
	add(kind <= statement.HalfDoctors, text("The lines of prescriptions and their doctors were listed apart, to be joined outside.", "处方明细与开单医生被分别列出，可在库外拼接。"))
	add(q.Hidden, text("The statement was put together in a string.", "语句藏在字符串中拼接执行。"))
	add(q.Known, text("It reads a copy, view or procedure made of these tables before.", "读取的是此前由这些表生成的副本、视图或存储过程。"))
	add(len(q.Makes) > 0, text("It stores the result.", "结果被另存。"))
	add(sliced, text("It was listed in small parts, each about a few prescriptions only: %d statements in a day.", "以小批量分多次列出，单条语句只涉及少量处方：当日共 %d 条。", t.Seen))
	add(t.Rows > 0, text("Rows in all: %d.", "累计行数：%d。", t.Rows))
	add(q.elsewhere != "", text("These tables are known from another database than %q: a copy?", "这些表本应在其他数据库中，而非 %q：是否为还原的备份？", q.elsewhere))
	return w
}
