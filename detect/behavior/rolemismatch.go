package behavior

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// roleMismatch: somebody opens a kind of document that their role never opens.
type roleMismatch struct {
	roles  detect.Memory[duties] // by role, and by role and department
	kinds  detect.Memory[kind]   // by kind of document, over the whole hospital
	people detect.Memory[int64]  // last day of work, by person
}

// duties is what a group of people opens.
type duties struct {
	First int64  `json:"f"` // when the group was first seen
	Days  fading `json:"d"` // days of work
	All   int64  `json:"n"` // documents opened
	// Kinds is by kind of document.
	Kinds map[string]*duty `json:"k,omitempty"`
}

// duty is a kind of document a group opens: since when, and who of it (the
// first few, as hashes).
type duty struct {
	Since int64    `json:"s"`
	Who   []uint32 `json:"w"`
}

// kind is how a kind of document is used everywhere.
type kind struct {
	First    int64 `json:"f"`
	All      int64 `json:"n"`
	Clinical int64 `json:"c"` // by roles that treat
}

const (
	// maxKinds bounds the kinds kept for a group; a source that invents a kind
	// for each document teaches nothing.
	maxKinds = 400
	// enoughWho people of a role who open something make it a duty.
	enoughWho = 3
)

var (
	_ detect.Detector = (*roleMismatch)(nil)
	_ detect.Stateful = (*roleMismatch)(nil)
)

func newRoleMismatch() *roleMismatch {
	return &roleMismatch{
		roles: detect.NewMemory[duties](2_000, 0), kinds: detect.NewMemory[kind](2_000, 0), people: detect.NewMemory[int64](20_000, 3*day),
	}
}

// Snapshot implements [detect.Stateful].
func (d *roleMismatch) Snapshot() ([]byte, error) { return together(&d.roles, &d.kinds, &d.people) }

// Restore implements [detect.Stateful].
func (d *roleMismatch) Restore(data []byte) error {
	return apart(data, &d.roles, &d.kinds, &d.people)
}

// Info implements [detect.Detector].
func (*roleMismatch) Info() detect.Info {
	return detect.Info{
		ID: "role-mismatch", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "A document this role never opens", ZH: "查看本岗位从不接触的文书"},
		Why: ocsf.Text{
			EN: "A registrar has a reason to open the record but not its psychiatry notes. For a month Cordon only learns which kinds of documents each role opens. Afterwards it notes who opens one that nobody of the role ever did, though the hospital has long had it and the role opens so many that chance does not explain it. When three people of a role open it, it has become their work. It opens a case only where somebody whose role treats nobody reads what is read to treat.",
			ZH: "挂号员有理由打开病历，却没有理由看其中的精神科记录。前一个月只学习各岗位接触哪些文书。此后，某岗位人员打开该岗位从未有人打开过的文书（全院早有此类文书，且以该岗位的查看量，不属偶然）即予提示。同岗位三人打开后视为其职责。仅当非诊疗岗位查看诊疗文书时才立案。",
		},
		Advice: ocsf.Text{
			EN: "Ask for the task. If it is one, it needs no more than a colleague or two doing the same; if the role may open too much, narrow its rights.",
			ZH: "询问是何任务。若系正常职责，同岗位人员同样操作后系统自会学习；若岗位权限过宽，应予收窄。",
		},
		Severity: ocsf.SeverityMedium, Risk: 50,
		References: []string{"GB/T 22239-2019 8.1.4.2 (最小权限)", "国卫办医政函〔2025〕262号（分级访问权限）"},
		Params: []detect.Param{
			{Name: "days", Default: 30, About: ocsf.Text{EN: "days of learning: of the role, and of the kind of document", ZH: "学习天数（岗位与文书类型）"}},
			{Name: "work", Default: 20, About: ocsf.Text{EN: "days of work by which a role must be known", ZH: "了解一个岗位所需的人日数"}},
			{Name: "expected", Default: 5, About: ocsf.Text{
				EN: "how many the role would have opened if it read like everybody: below this, never may be chance",
				ZH: "若该岗位与全院一样阅读，应已打开的次数；低于此值则“从未”可能只是偶然",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *roleMismatch) Detect(c *detect.Context, ev *ocsf.Event) {
	name := strings.ToLower(documentOf(ev))
	if name == "" || !c.Deliberate() || c.Role() == "" {
		return
	}
	role := strings.ToLower(c.Role())
	group := d.roles.Keep(role, ev.Time)
	local := d.roles.Keep(role+"|"+strings.ToLower(c.Department()), ev.Time)
	whole := d.kinds.Keep("", ev.Time)
	doc := d.kinds.Keep(name, ev.Time)
	d.work(c, ev, group, local)
	strange := d.strange(c, group, doc, whole, name, ev.Time)
	elsewhere := !strange && c.Loose() && d.strange(c, local, doc, whole, name, ev.Time)
	for _, k := range [2]*kind{doc, whole} {
		k.count(ev.Time, clinical(role))
	}
	group.learn(name, c.Who(), ev.Time)
	local.learn(name, c.Who(), ev.Time)
	if (strange || elsewhere) && !ticketed(c, ev) {
		d.tell(c, ev, name, doc, group, elsewhere)
	}
}

// work counts days of work, and begins to know a group.
func (d *roleMismatch) work(c *detect.Context, ev *ocsf.Event, groups ...*duties) {
	last := d.people.Keep(c.Who(), ev.Time)
	fresh := ev.Time/day > *last
	*last = max(*last, ev.Time/day)
	for _, g := range groups {
		if g.First == 0 || ev.Time < g.First {
			g.First = ev.Time
		}
		if fresh {
			g.Days.add(ev.Time, month, 1)
		}
	}
}

// strange says whether nobody of a group ever opened a kind of document, and
// whether enough is known of both to say so.
func (d *roleMismatch) strange(c *detect.Context, g *duties, doc, whole *kind, name string, at int64) bool {
	learned := int64(c.Param("days")) * day
	if at-g.First < learned || doc.First == 0 || at-doc.First < learned || g.Days.at(at, month) < c.Param("work") || len(g.Kinds) >= maxKinds {
		return false
	}
	if float64(g.All)*float64(doc.All) < c.Param("expected")*float64(whole.All) {
		return false
	}
	was := g.Kinds[name]
	return was == nil || was.Since >= g.First+learned && len(was.Who) < enoughWho
}

func (k *kind) count(at int64, treats bool) {
	if k.First == 0 || at < k.First {
		k.First = at
	}
	k.All++
	if treats {
		k.Clinical++
	}
}

func (g *duties) learn(name, who string, at int64) {
	g.All++
	if g.Kinds == nil {
		g.Kinds = map[string]*duty{}
	}
	was := g.Kinds[name]
	if was == nil {
		if len(g.Kinds) >= maxKinds {
			return
		}
		was = &duty{Since: at}
		g.Kinds[strings.Clone(name)] = was
	}
	was.Since = min(was.Since, at)
	if id := hash(who); len(was.Who) < enoughWho && !slices.Contains(was.Who, id) {
		was.Who = append(was.Who, id)
	}
}

// mostlyClinical is the share of readers who treat, above which a kind of
// document is read to treat.
const mostlyClinical = 0.8

func (d *roleMismatch) tell(c *detect.Context, ev *ocsf.Event, name string, doc *kind, g *duties, elsewhere bool) {
	f := ocsf.Finding{
		Title: opened(c, ev, "a document the role never opens", "本岗位从不查看的文书"),
		Why: text("Nobody of the role %q ever opened %q, among %d documents since %s.", "岗位 %[1]q 自 %[4]s 以来查看 %[3]d 份文书，从无人打开过 %[2]q。",
			c.Role(), name, g.All, c.At(g.First)[:10]),
	}
	treats := float64(doc.Clinical) >= mostlyClinical*float64(doc.All)
	switch {
	case elsewhere:
		f.Risk, f.Statistical = 16, true
		f.Why = text("Nobody of the role %q in %s ever opened %q; elsewhere they do.", "%[2]s的岗位 %[1]q 从无人打开过 %[3]q（其他科室有）。", c.Role(), c.Department(), name)
	case clinical(c.Role()) || !treats:
		f.Risk, f.Statistical = 24, true
	case c.Loose():
		f.Risk = 58
	}
	c.Find(f)
}
