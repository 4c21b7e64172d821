package simulate

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// schema names the tables of the HIS. Two vendors, two tongues; the hospital
// has one of them.
type schema struct {
	database, item, head, drug, staff, patient, visit                     string
	itemHead, itemDrug, amount, headID, doctor, when, headVisit, drugName string
	staffName, visitPatient                                               string
}

func (h *Hospital) schema() schema {
	if h.cfg.Seed%2 == 0 {
		return schema{"his", "dms_medicine_item_record", "dms_medicine_prescription_record", "dms_drug", "sms_staff", "pms_patient", "dms_registration",
			"prescription_id", "drug_id", "num", "id", "create_staff_id", "create_time", "registration_id", "name", "name", "patient_id"}
	}
	return schema{"hisdb", "mz_cfmx", "mz_cf", "yp_zd", "yszd", "br_info", "mz_gh",
		"cfh", "ypdm", "ypsl", "cfh", "kdys", "kdsj", "ghxh", "name", "xm", "brid"}
}

// question is a statement, who sends it and from where.
type question struct {
	account, program, station, database, sql string
	rows                                     int
}

// ask writes down a statement as the database's audit does, or as an audit
// appliance beside it; the hospital has one of them.
func (r *run) ask(at tick, q question) string {
	if q.database == "" {
		q.database = r.h.schema().database
	}
	when := r.h.time(at)
	if r.h.cfg.Seed%4 < 2 {
		r.planned++
		uid := fmt.Sprintf("%d_%s", 4000+r.planned, r.h.start.UTC().Format("2006-01-02T15:04:05"))
		verb, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(q.sql)), " ")
		line, err := json.Marshal(map[string]any{"audit_record": map[string]any{"name": "Query", "record": uid, "timestamp": when.UTC().Format("2006-01-02T15:04:05 UTC"),
			"command_class": verb, "connection_id": fmt.Sprint(r.d.between(10, 900)), "status": 0, "sqltext": q.sql,
			"user": q.account + "[" + q.account + "] @ [" + q.station + "]", "host": "", "os_user": "", "ip": q.station, "db": q.database}})
		if err != nil {
			return "" // cannot happen: strings and numbers
		}
		r.enqueue(at+second, "db", uid, line, nil)
		return uid
	}
	uid := r.uuid()
	r.device(at, "10.1.4.9", "dbaudit", "Invented|MySQL Audit|2|sql|Statement|3|rt="+fmt.Sprint(when.UnixMilli())+" externalId="+uid+" suser="+q.account+" src="+q.station+
		" sproc="+q.program+" dbname="+q.database+fmt.Sprintf(" rows=%d", q.rows)+" sql="+strings.NewReplacer(`\`, `\\`, "=", `\=`, "\n", `\n`).Replace(q.sql), uid)
	return uid
}

// The accounts of programs.
const (
	hisAccount    = "his_app"
	reportAccount = "report"
	dumpAccount   = "backup"
)

func (r *run) date(day int) string { return r.h.time(dayStart(day)).Format("2006-01-02") }

// statements is what the HIS, its reports, the administrators and the nightly
// backup ask all day.
func (r *run) statements() {
	s := r.h.schema()
	for range r.h.cfg.Staff / 2 {
		at := dayStart(r.day) + r.d.within(7*hour, 22*hour)
		r.ask(at, question{account: hisAccount, program: "HIS Server", station: fmt.Sprintf("10.1.3.%d", 11+r.d.IntN(3)), sql: r.routine(s), rows: r.d.between(1, 20)})
	}
	noon := dayStart(r.day) + 6*hour + r.d.within(0, 20*minute)
	for _, sql := range []string{
		fmt.Sprintf("SELECT i.%s, SUM(i.%s) FROM %s i JOIN %s p ON i.%s = p.%s WHERE p.%s >= '%s' GROUP BY i.%s", s.itemDrug, s.amount, s.item, s.head, s.itemHead, s.headID, s.when, r.date(r.day-1), s.itemDrug),
		fmt.Sprintf("SELECT %s, COUNT(*) FROM %s WHERE %s >= '%s' GROUP BY %s", s.doctor, s.head, s.when, r.date(r.day-1), s.doctor),
	} {
		r.ask(noon, question{account: reportAccount, program: "ReportServer", station: "10.1.3.30", sql: sql, rows: 60})
		noon += minute
	}
	night := dayStart(r.day) + 2*hour + r.d.within(0, 10*minute)
	for _, table := range []string{s.patient, s.visit, s.head, s.item, s.drug, s.staff} {
		r.ask(night, question{account: dumpAccount, program: "mysqldump", station: "10.1.3.40", sql: "SELECT /*!40001 SQL_NO_CACHE */ * FROM `" + table + "`", rows: 40000})
		night += minute
	}
	r.administration(s)
	for i := range r.h.tickets {
		t := &r.h.tickets[i]
		if from, to, _ := r.h.hours(t.who, r.day); t.scope == "table:"+s.item && t.from <= dayStart(r.day) && t.until > dayStart(r.day) && to > from {
			r.repairs(t, from, to)
		}
	}
}

// routine is a statement of the application: about one patient, one
// prescription, or today's work.
func (r *run) routine(s schema) string {
	no := r.d.between(1000, 90000)
	switch r.d.IntN(7) {
	case 0:
		return fmt.Sprintf("SELECT * FROM %s WHERE %s = %d", s.head, s.headVisit, no)
	case 1:
		return fmt.Sprintf("SELECT d.%s, i.%s FROM %s i JOIN %s d ON i.%s = d.id WHERE i.%s = %d", s.drugName, s.amount, s.item, s.drug, s.itemDrug, s.itemHead, no)
	case 2:
		return fmt.Sprintf("INSERT INTO %s (%s, %s, %s) VALUES (%d, %d, %d)", s.item, s.itemHead, s.itemDrug, s.amount, no, r.d.between(1, 900), r.d.between(1, 6))
	case 3:
		return fmt.Sprintf("UPDATE %s SET status = 2 WHERE %s = %d", s.head, s.headID, no)
	case 4:
		return fmt.Sprintf("SELECT p.%s, p.%s, s.%s FROM %s p JOIN %s s ON p.%s = s.id WHERE p.%s = %d", s.headID, s.when, s.staffName, s.head, s.staff, s.doctor, s.headVisit, no)
	case 5:
		return fmt.Sprintf("SELECT id, %s FROM %s WHERE id = %d", s.drugName, s.drug, r.d.between(1, 900))
	}
	return fmt.Sprintf("SELECT * FROM %s WHERE %s = %d", s.visit, s.visitPatient, no)
}

// administration: who looks after the database looks at it, and into the
// patients' tables only with an approval.
func (r *run) administration(s schema) {
	for range r.d.between(0, 4) {
		who := pick(r.d, r.h.department(deptIT).people)
		from, to, _ := r.h.hours(who, r.day)
		if to <= from {
			continue
		}
		r.ask(r.d.within(from, to), question{account: who.account, program: "Navicat", station: who.station, rows: 5, sql: pick(r.d, []string{
			"SHOW PROCESSLIST", "SHOW TABLE STATUS", "SELECT table_name, table_rows FROM information_schema.tables",
			fmt.Sprintf("EXPLAIN SELECT * FROM %s WHERE %s = 5", s.item, s.itemHead), "ANALYZE TABLE " + s.item,
			fmt.Sprintf("CREATE INDEX ix%d ON %s (%s)", r.d.IntN(90), s.head, s.when),
		})})
	}
}

// repairs: on the day of the approval the rows in question are looked at.
func (r *run) repairs(t *ticket, from, to tick) {
	s := r.h.schema()
	at := r.d.within(from, to-hour)
	for range r.d.between(1, 5) {
		r.ask(at, question{account: t.who.account, program: "Navicat", station: t.who.station, rows: 12,
			sql: fmt.Sprintf("SELECT * FROM %s WHERE %s = %d", s.item, s.itemHead, r.d.between(1, 999))})
		at += r.d.within(20*second, 4*minute)
	}
}

// drugSQL: which doctor prescribed how much of what, for whoever pays for it,
// in one of the ways in which it is hidden.
func (r *run) drugSQL() bool {
	who := r.oneOf(func(p *person) bool {
		from, to, _ := r.h.hours(p, r.day)
		return (p.role == itStaff || p.role == pharmacist || p.role == researcher) && p != r.h.officer() && !r.used[p] && to > from
	})
	if who == nil {
		return false
	}
	from, to, _ := r.h.hours(who, r.day)
	at, s := r.d.within(from, to-hour), r.h.schema()
	q := question{account: who.account, program: pick(r.d, []string{"Navicat", "DBeaver", "plsqldev", "mysql"}), station: who.station, rows: r.d.between(150, 4000)}
	switch r.d.IntN(4) {
	case 0: // the application's own account, from a desk
		q.account = hisAccount
	case 1:
		q.account = "root"
	}
	list := r.evasion(s)
	if r.d.chance(0.12) {
		q.database = s.database + pick(r.d, []string{"_bak", "_test", "_20260101"})
	}
	x := r.newDeed("drug-statistics-sql", who)
	for _, sql := range list {
		q.sql = sql
		x.also(r.ask(at, q), at)
		at += r.d.within(10*second, 3*minute)
	}
	return true
}

// evasion is the same statistic, disguised.
func (r *run) evasion(s schema) []string {
	since := r.date(r.day - 30)
	from := fmt.Sprintf(" FROM %s i JOIN %s p ON i.%s = p.%s", s.item, s.head, s.itemHead, s.headID)
	where := fmt.Sprintf(" WHERE p.%s >= '%s'", s.when, since)
	group := fmt.Sprintf(" GROUP BY p.%s, i.%s", s.doctor, s.itemDrug)
	sum := fmt.Sprintf("SELECT p.%s, i.%s, SUM(i.%s) AS n", s.doctor, s.itemDrug, s.amount)
	plain := sum + from + where + group
	copied := fmt.Sprintf("cx_%d", r.d.IntN(1000))
	rows := fmt.Sprintf("SELECT p.%s AS a, i.%s AS b, i.%s AS c", s.doctor, s.itemDrug, s.amount)
	counted := "SELECT a, b, SUM(c) FROM " + copied + " GROUP BY a, b"
	var many []string
	switch r.d.IntN(12) {
	case 0:
		return []string{plain}
	case 1:
		return []string{rows + from + where}
	case 2:
		for range r.d.between(6, 14) {
			many = append(many, fmt.Sprintf("SELECT p.%s, SUM(i.%s)%s%s AND i.%s = %d GROUP BY p.%s", s.doctor, s.amount, from, where, s.itemDrug, r.d.between(1, 900), s.doctor))
		}
		return many
	case 3:
		return []string{"CREATE TABLE " + copied + " AS " + rows + from + where, counted}
	case 4:
		return []string{"CREATE TEMPORARY TABLE " + copied + " AS " + rows + from + where, counted, "DROP TABLE " + copied}
	case 5:
		return []string{"CREATE VIEW " + copied + " AS " + rows + from, counted}
	case 6:
		return []string{"CREATE PROCEDURE " + copied + "() BEGIN " + plain + "; END", "CALL " + copied + "()"}
	case 7:
		for i := range 4 {
			many = append(many, fmt.Sprintf("SELECT 'd%d', i.%s, SUM(i.%s)%s%s AND p.%s = %d GROUP BY i.%s", i, s.itemDrug, s.amount, from, where, s.doctor, 10+r.d.IntN(200), s.itemDrug))
		}
		return []string{strings.Join(many, " UNION ALL ")}
	case 8:
		return []string{strings.NewReplacer("SUM(", "sUm/*x*/(", "GROUP BY", "GROUP/**/BY -- ok\n", "SELECT", "SeLeCt/*+ hint */").Replace(plain)}
	case 9:
		for i := range 5 {
			many = append(many, fmt.Sprintf("SUM(CASE WHEN p.%s = %d THEN i.%s ELSE 0 END) AS d%d", s.doctor, 10+r.d.IntN(200), s.amount, i))
		}
		return []string{fmt.Sprintf("SELECT i.%s, %s%s%s GROUP BY i.%s", s.itemDrug, strings.Join(many, ", "), from, where, s.itemDrug)}
	case 10:
		if r.d.chance(0.5) {
			return []string{"SET @q = 0x" + hex.EncodeToString([]byte(plain)), "PREPARE s1 FROM @q", "EXECUTE s1"}
		}
		return []string{"SET @q = FROM_BASE64('" + base64.StdEncoding.EncodeToString([]byte(plain)) + "')", "PREPARE s1 FROM @q", "EXECUTE s1"}
	}
	return []string{fmt.Sprintf("SELECT %s, %s, %s FROM %s", s.itemHead, s.itemDrug, s.amount, s.item), fmt.Sprintf("SELECT %s, %s FROM %s%s", s.headID, s.doctor, s.head, strings.Replace(where, "p.", "", 1))}
}
