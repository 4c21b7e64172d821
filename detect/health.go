package detect

import (
	"slices"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// feed is something detectors need and a hospital may not have given yet.
type feed struct {
	id      string
	text    ocsf.Text
	needed  []string
	missing func(*holdings) bool
}

// holdings is what the directory and the care graph hold.
type holdings struct {
	people, homes, ids, ended, watched int
	roster                             bool
}

func feeds() []feed {
	return []feed{
		{"no-people", ocsf.Text{
			EN: "The directory is empty: nobody can be recognised. Import directory.csv or set up LDAP.",
			ZH: "人员目录为空，无法识别任何人。请导入 directory.csv 或配置 LDAP。",
		}, []string{"self-access", "family", "coworker", "terminated-account", "no-care-relationship", "role-mismatch", "search-abuse", "marketing-trade", "same-surname", "watching-the-watchers"}, func(h *holdings) bool { return h.people == 0 }},
		{"no-homes", ocsf.Text{
			EN: "No phone numbers or addresses of staff are known: relatives and neighbours cannot be recognised. Add the columns phone and address to directory.csv.",
			ZH: "没有员工电话或住址，无法识别亲属与邻居。请在 directory.csv 中补充 phone 与 address 列。",
		}, []string{"family", "neighbour", "watching-the-watchers"}, func(h *holdings) bool { return h.people > 0 && h.homes == 0 }},
		{"no-staff-ids", ocsf.Text{
			EN: "No identity numbers of staff are known: staff who are patients are found by name and phone only. Add the column national_id to directory.csv.",
			ZH: "没有员工身份证号，只能靠姓名加电话识别本院职工患者。请在 directory.csv 中补充 national_id 列。",
		}, []string{"self-access", "coworker"}, func(h *holdings) bool { return h.people > 0 && h.ids == 0 }},
		{"no-leavers", ocsf.Text{
			EN: "The directory names no end dates: accounts of people who left cannot be told apart. Fill the column ended, or sync with LDAP.",
			ZH: "目录中没有离职日期，无法识别离职人员账号。请填写 ended 列或同步 LDAP。",
		}, []string{"terminated-account"}, func(h *holdings) bool { return h.people > 0 && h.ended == 0 }},
		{"no-roster", ocsf.Text{
			EN: "There is no roster: whether somebody is on duty is judged by their own hours alone, which is weaker. Import roster.csv.",
			ZH: "没有排班表，只能按本人惯常工作时间判断是否当班，信号较弱。请导入 roster.csv。",
		}, []string{"off-duty"}, func(h *holdings) bool { return !h.roster }},
		{"no-watchlist", ocsf.Text{
			EN: "The watchlist is empty: there are no sealed, protected or decoy records to watch over. Import watchlist.csv.",
			ZH: "重点名单为空，没有封存、重点保护或诱饵病历可监视。请导入 watchlist.csv。",
		}, []string{"vip", "sealed-record", "canary", "level-5"}, func(h *holdings) bool { return h.watched == 0 }},
	}
}

// Health says what detectors lack. A detector without its feed is silent.
func (e *Engine) Health() []Problem {
	h := e.world.holdings()
	var out []Problem
	for _, f := range feeds() {
		if !f.missing(&h) {
			continue
		}
		p := Problem{ID: f.id, Text: f.text}
		for _, s := range e.slots {
			if slices.Contains(f.needed, s.info.ID) {
				p.Detectors = append(p.Detectors, s.info.ID)
			}
		}
		if len(p.Detectors) > 0 {
			out = append(out, p)
		}
	}
	return append(out, append(e.hungry(), e.troubled()...)...)
}

// Troubled is a detector that can say, at any time and from any goroutine, what
// keeps it from doing all of its work.
type Troubled interface {
	Problems() []Problem
}

func (e *Engine) troubled() []Problem {
	var out []Problem
	for _, s := range e.slots {
		if d, ok := s.detector.(Troubled); ok {
			out = append(out, d.Problems()...)
		}
	}
	return out
}

func (w *World) holdings() holdings {
	h := holdings{watched: len(w.Care.Watchlist()), roster: w.People.HasRoster()}
	for p := range w.People.People() {
		h.count(&p)
	}
	return h
}

func (h *holdings) count(p *directory.Person) {
	h.people++
	if p.Ended != 0 {
		h.ended++
	}
	home, id := false, false
	for _, k := range p.Keys {
		home = home || k.Kind == keyed.Phone || k.Kind == keyed.Address
		id = id || k.Kind == keyed.NationalID
	}
	if home {
		h.homes++
	}
	if id {
		h.ids++
	}
}
