package behavior

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// searchAbuse: what somebody types into search boxes.
type searchAbuse struct {
	people detect.Memory[searches] // by person
	roles  detect.Memory[desk]     // how a role searches
	feed   detect.Feed
}

// desk is how a role searches: on how many days of work it was too much, and
// how many of the searches for a person were for colleagues and protected
// patients, who are patients, too.
type desk struct {
	speed
	Asked  fading `json:"a"`
	Sought fading `json:"s"`
}

// searches are a person's latest.
type searches struct {
	// Sought are colleagues and protected patients looked for by name within
	// the day; Numbers the numbers tried, Misses the searches that found
	// nobody, within the hour.
	Sought  []peek `json:"s,omitempty"`
	Numbers []peek `json:"n,omitempty"`
	Misses  []peek `json:"m,omitempty"`
	// Asked counts the day's searches for a person.
	Asked fading `json:"a"`
	// Day is the last day of work, Hit the last day it was too much, in days
	// since 1970.
	Day int64 `json:"d"`
	Hit int64 `json:"h,omitempty"`
}

var (
	_ detect.Detector = (*searchAbuse)(nil)
	_ detect.Stateful = (*searchAbuse)(nil)
	_ detect.Fed      = (*searchAbuse)(nil)
)

func newSearchAbuse() *searchAbuse {
	return &searchAbuse{people: detect.NewMemory[searches](20_000, 2*day), roles: detect.NewMemory[desk](1_000, 0)}
}

// Snapshot implements [detect.Stateful].
func (d *searchAbuse) Snapshot() ([]byte, error) { return together(&d.people, &d.roles, &d.feed) }

// Restore implements [detect.Stateful].
func (d *searchAbuse) Restore(data []byte) error { return apart(data, &d.people, &d.roles, &d.feed) }

// Missing implements [detect.Fed].
func (d *searchAbuse) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No search terms have come: nobody can be found by what they search for. Let the systems record queries (FHIR AuditEvent entity.query, ATNA ParticipantObjectQuery, or a field keyword); terms are kept as tokens only.",
		ZH: "没有检索词数据，无法按检索行为发现异常。请让系统记录查询内容（FHIR AuditEvent entity.query、ATNA ParticipantObjectQuery 或 keyword 字段）；检索词仅以令牌保存。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*searchAbuse) Info() detect.Info {
	return detect.Info{
		ID: "search-abuse", Group: detect.GroupHow,
		Title: ocsf.Text{EN: "Searches that look for people, not patients", ZH: "异常检索"},
		Why: ocsf.Text{
			EN: "Curiosity begins in the search box: colleagues and protected patients typed in by name one after the other, or numbers tried until one belongs to somebody. It counts whom nothing ties to the person, and only what the role hardly ever does here: a registration desk searches all day and mistypes. Terms are compared as keyed tokens and stand in no finding. A Chinese surname, or one that several members of staff bear, looks for nobody.",
			ZH: "窥探往往始于检索框：逐一输入同事或重点保护患者的姓名，或不断试号直到命中。只计与本人无诊疗关系者，且只计本院同岗位极少出现的行为：挂号岗位整日检索、也会输错。检索词以令牌比对，不写入结论。中文姓氏或本院多人同有的姓氏不作为依据。",
		},
		Advice: ocsf.Text{
			EN: "Ask what was looked for; see in the list of accesses whether a record was opened afterwards.",
			ZH: "询问检索目的；在访问记录中核对其后是否打开病历。",
		},
		Severity: ocsf.SeverityMedium, Risk: 54,
		References: []string{"国卫办医政函〔2025〕262号", "IHE ITI TF-2: ITI-21, ITI-47, ITI-78 (queries are audited)"},
		Params: []detect.Param{
			{Name: "people", Default: 3, About: ocsf.Text{EN: "colleagues or protected patients searched for within a day", ZH: "一天内检索的同事或重点保护患者人数"}},
			{Name: "numbers", Default: 15, About: ocsf.Text{EN: "different numbers tried within an hour, half of them in vain or in sequence", ZH: "一小时内尝试的不同号码数（半数未命中或连号）"}},
			{Name: "misses", Default: 20, About: ocsf.Text{EN: "searches within an hour that found nobody (only ranks)", ZH: "一小时内未命中的检索次数（仅提高排序）"}},
			{Name: "days", Default: 20, About: ocsf.Text{EN: "days of work by which a role must be known", ZH: "了解一个岗位所需的人日数"}},
			{Name: "rare", Default: 3, About: ocsf.Text{
				EN: "in a hundred days of work: what happens more often is usual for the role",
				ZH: "每百人日出现次数超过此值即视为该岗位常态",
			}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *searchAbuse) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.ClassUID != ocsf.WebResourcesActivity || ev.Access != nil && ev.Access.HalfOf != "" || c.Who() == "" {
		return
	}
	s, r := d.people.Keep(c.Who(), ev.Time), d.roles.Keep(c.Role(), ev.Time)
	if today := ev.Time / day; today > s.Day {
		s.Day = today
		r.Days.add(ev.Time, month, 1)
	}
	if ev.ActivityID != ocsf.AccessSearch || ev.QueryInfo == nil || ev.QueryInfo.Text == "" {
		return
	}
	d.feed.Note()
	terms := termsOf(ev.QueryInfo.Text)
	for _, t := range terms {
		if t.number() {
			s.Numbers = note(s.Numbers, peek{t.value, ev.Metadata.UID, ev.Time}, hour)
		}
	}
	d.persons(c, ev, s, r, terms)
	if missed(ev) && len(terms) > 0 {
		s.Misses = note(s.Misses, peek{ev.Metadata.UID, ev.Metadata.UID, ev.Time}, hour)
	}
	d.judge(c, ev, s, r)
}

// persons counts a search for a person, and notes whom it was for.
func (d *searchAbuse) persons(c *detect.Context, ev *ocsf.Event, s *searches, r *desk, terms []term) {
	if !slices.ContainsFunc(terms, func(t term) bool { return t.token }) {
		return
	}
	s.Asked.add(ev.Time, day, 1)
	r.Asked.add(ev.Time, month, 1)
	if who := sought(c, terms, ev.Time); who != "" {
		r.Sought.add(ev.Time, month, 1)
		s.Sought = note(s.Sought, peek{who, ev.Metadata.UID, ev.Time}, day)
	}
}

// curious says whether more of a day's searches were for colleagues and
// protected patients than chance gives to somebody of the role who searches as
// much. Until a role is known, one in twenty is taken for usual. Of a role whose
// work is to search, every day is a chance to meet many, so more is asked.
func (d *searchAbuse) curious(c *detect.Context, s *searches, r *desk, at int64) bool {
	const usual, weight = 0.05, 20
	chance := 0.002
	if r.Asked.at(at, month) >= r.Days.at(at, month) {
		chance = 0.0001
	}
	n := len(s.Sought)
	if n < int(c.Param("people")) {
		return false
	}
	asked := max(s.Asked.at(at, day), float64(n))
	others := max(0, r.Asked.at(at, month)-asked)
	hits := max(0, r.Sought.at(at, month)-float64(n))
	return atLeast(n, asked*(hits+usual*weight)/(others+weight)) < chance
}

// judge says what is too much, if it is.
func (d *searchAbuse) judge(c *detect.Context, ev *ocsf.Event, s *searches, r *desk) {
	people, numbers, misses := d.curious(c, s, r, ev.Time), d.probing(c, s), len(s.Misses) >= int(c.Param("misses"))
	if !people && !numbers && !misses || !d.rare(c, ev, s, r) || approved(c, ev) {
		return
	}
	today := c.Clock()[:10]
	if people {
		c.Find(ocsf.Finding{
			UID: detect.UID("search-abuse", c.Who(), "people", today), Events: peeked(s.Sought), Person: c.Who(), Account: ev.Actor.User.Account,
			Title: text("%s searched for %d colleagues or protected patients within a day (%s)", "%s 一天内检索了 %d 名同事或重点保护患者（%s）", c.Who(), len(s.Sought), c.Clock()),
			Why:   text("None of them is known to be a patient of %s.", "均无记录显示其为 %s 的患者。", c.Who()),
			Risk:  min(50+4*float64(len(s.Sought)), 78),
		})
	}
	if numbers {
		c.Find(ocsf.Finding{
			UID: detect.UID("search-abuse", c.Who(), "numbers", today), Events: peeked(s.Numbers),
			Title: text("%s tried %d different numbers within an hour (%s)", "%s 一小时内尝试了 %d 个不同号码（%s）", c.Who(), len(s.Numbers), c.Clock()),
			Why:   text("%d of the searches found nobody.", "其中 %d 次未命中。", len(s.Misses)),
			Risk:  min(46+float64(len(s.Numbers)), 78),
		})
	}
	if misses && !numbers {
		c.Find(ocsf.Finding{
			UID: detect.UID("search-abuse", c.Who(), "misses", today), Events: peeked(s.Misses),
			Title: text("%s searched %d times within an hour and found nobody (%s)", "%s 一小时内 %d 次检索未命中（%s）", c.Who(), len(s.Misses), c.Clock()),
			Why:   text("People of the role %q hardly ever do.", "岗位 %q 的人员极少如此。", c.Role()),
			Risk:  24, Statistical: true,
		})
	}
}

// rare counts the day, and says whether the role is known and hardly ever has
// such days.
func (d *searchAbuse) rare(c *detect.Context, ev *ocsf.Event, s *searches, r *desk) bool {
	days, often := r.Days.at(ev.Time, month), r.Fast.at(ev.Time, month)
	if today := ev.Time / day; s.Hit < today {
		s.Hit = today
		r.Fast.add(ev.Time, month, 1)
	} else {
		often-- // this day's own count
	}
	return days >= c.Param("days") && 100*often <= c.Param("rare")*days
}

// probing says whether the numbers tried look like guessing: many, and half of
// them in vain or one after the other.
func (d *searchAbuse) probing(c *detect.Context, s *searches) bool {
	n := len(s.Numbers)
	if n < int(c.Param("numbers")) {
		return false
	}
	return 2*len(s.Misses) >= n || 2*inSequence(s.Numbers) >= n
}

// inSequence counts the numbers whose predecessor was tried as well.
func inSequence(list []peek) int {
	var values []int64
	for _, p := range list {
		if v, err := strconv.ParseInt(strings.TrimLeft(p.What, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-"), 10, 64); err == nil {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	n := 0
	for i := 1; i < len(values); i++ {
		if values[i]-values[i-1] == 1 {
			n++
		}
	}
	return n
}

// approved is ticketed for a search, which may name no patient.
func approved(c *detect.Context, ev *ocsf.Event) bool {
	if ev.Patient != nil {
		return ticketed(c, ev)
	}
	return departmentTicket(c, ev.Time)
}

// missed says whether the source told that the search found nobody.
func missed(ev *ocsf.Event) bool {
	if strings.HasPrefix(ev.StatusCode, "404") {
		return true
	}
	return slices.ContainsFunc(ev.WebResources, func(r ocsf.Resource) bool { return r.Label(ocsf.LabelMatches) == "0" })
}

// term is one name=value of a query; what names a person is a token.
type term struct {
	name, value string
	token       bool
}

// maxTerms bounds how many terms of a query are looked at.
const maxTerms = 16

func termsOf(query string) []term {
	if _, after, ok := strings.Cut(query, "?"); ok {
		query = after
	}
	var list []term
	for pair := range strings.SplitSeq(query, "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || value == "" || len(list) >= maxTerms {
			continue
		}
		rest, token := strings.CutPrefix(value, "~")
		list = append(list, term{name, rest, token})
	}
	return list
}

// number says whether the term is the number of somebody: an identity number
// (a token) or one of the hospital's.
func (t *term) number() bool {
	name := strings.ToLower(t.name)
	switch {
	case t.token:
		return strings.Contains(name, "national") || strings.Contains(name, "identifier") || strings.HasPrefix(name, "pid.3") || name == "livingsubjectid"
	case name == "identifier", name == "_id", name == "patientid", name == "livingsubjectid", name == "patientidentifier",
		strings.HasPrefix(name, "pid.3"), name == "qpd.3":
		return t.value != ""
	}
	return false
}

// sought is the colleague or protected patient that a search was for, "" for
// nobody, for the person themselves, and for whom they have a reason.
func sought(c *detect.Context, terms []term, at int64) string {
	for i := range terms {
		t := &terms[i]
		if !t.token {
			continue
		}
		if id := colleagueBy(c, t.value); id != "" {
			return "staff " + id
		}
		if id := protectedBy(c, t.value, at); id != "" {
			return "patient " + id
		}
	}
	return ""
}

// fewNamed is how many may share a name that still means somebody.
const fewNamed = 3

// colleagueBy finds the member of staff with a token: of a full name, a phone
// or an identity number, or of a surname that is not Chinese and rare.
func colleagueBy(c *detect.Context, token string) string {
	for _, kind := range [4]string{keyed.NationalID, keyed.Phone, keyed.Name, keyed.Surname} {
		ids := c.People().ByKey(kind, token)
		if len(ids) == 0 || len(ids) > fewNamed || slices.Contains(ids, c.Who()) {
			continue
		}
		if p, ok := c.People().Person(ids[0]); kind == keyed.Surname && (!ok || chinese(p.Name) || len(ids) > 1) {
			continue
		}
		return ids[0]
	}
	return ""
}

// mostProtected bounds how many watched patients a search is compared with.
const mostProtected = 500

// protectedBy finds the watched patient with a token, unless the person has a
// reason to look for them. A surname counts only where nobody of the staff
// has it, too.
func protectedBy(c *detect.Context, token string, at int64) string {
	n := 0
	for _, w := range c.Care().Watchlist() {
		if w.Kind != care.WatchVIP && w.Kind != care.WatchSealed {
			continue
		}
		if n++; n > mostProtected {
			break
		}
		p := c.Care().Patient(w.Patient)
		for _, k := range p.Keys {
			if k.Token != token || k.Kind == keyed.Address || k.Kind == keyed.Surname && len(c.People().ByKey(k.Kind, token)) > 0 {
				continue
			}
			if _, on := c.Care().Watched(w.Kind, w.Patient, at); on && !c.Explained(w.Patient, at) {
				return p.ID
			}
		}
	}
	return ""
}
