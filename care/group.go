package care

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// Who works with whom shows in whose patients they share. Only accesses that
// facts explain teach it, never one that a group or a repeat explains, so that
// it cannot feed on itself. All of it fades within months and is bounded.

const (
	meetings   = 7 * 24 * 3600    // how long a visitor of a record is remembered
	fades      = 30 * 24 * 3600.0 // a tie is worth 1/e after that
	maxMet     = 6                // visitors remembered of one record
	maxTies    = 24               // partners remembered of one person
	maxRecords = 40_000           // records whose visitors are remembered
	together   = 2                // partners who must have opened the record
	shareOf    = 0.15             // of a person's patients, that make a partner
)

// groups are the ties between people.
type groups struct {
	ties   map[string]*ties     // by person
	recent map[string][]visitor // by patient number, oldest first
}

// ties are one person's. N counts the patients, With those shared with others.
type ties struct {
	N    faded            `json:"n"`
	With map[string]faded `json:"w"`
}

// visitor opened a record, with that event, for a reason on record.
type visitor struct {
	Who string `json:"p"`
	At  second `json:"t"`
	UID string `json:"u"`
}

// faded is a count that forgets.
type faded struct {
	N  float64 `json:"n"`
	At second  `json:"t"`
}

func (f faded) at(at second) float64 {
	if at <= f.At {
		return f.N
	}
	return f.N * math.Exp(-float64(at-f.At)/fades)
}

func (f faded) plus(at second) faded {
	return faded{N: f.at(at) + 1, At: max(at, f.At)}
}

func newGroups() groups {
	return groups{ties: map[string]*ties{}, recent: map[string][]visitor{}}
}

// meet takes in that a person opened a record for a reason on record.
func (g *Graph) meet(who string, ev *ocsf.Event) {
	patient, at := ev.Patient.UID, seconds(ev.Time)
	list := g.groups.recent[patient]
	if i := slices.IndexFunc(list, func(v visitor) bool { return v.Who == who }); i >= 0 {
		if at < list[i].At+refresh {
			return
		}
		list = slices.Delete(slices.Clone(list), i, i+1)
	} else {
		g.tie(who, list, at)
	}
	list = slices.DeleteFunc(slices.Clone(list), func(v visitor) bool { return v.At.after(meetings) < at })
	if len(list) >= maxMet {
		list = list[1:]
	}
	if len(g.groups.recent) >= maxRecords {
		g.forgetRecent()
	}
	g.groups.recent[patient] = append(list, visitor{who, at, ev.Metadata.UID})
	g.dirtyRecent.mark(patient)
}

func (s second) after(d second) second { return s + d }

// tie counts one more patient whom a person shares with those before.
func (g *Graph) tie(who string, before []visitor, at second) {
	own := g.tiesOf(who)
	own.N = own.N.plus(at)
	g.dirtyGroups.mark(who)
	for _, v := range before {
		if v.At.after(meetings) < at || at.after(meetings) < v.At {
			continue
		}
		own.add(v.Who, at)
		g.tiesOf(v.Who).add(who, at)
		g.dirtyGroups.mark(v.Who)
	}
}

func (g *Graph) tiesOf(who string) *ties {
	t, ok := g.groups.ties[who]
	if !ok {
		t = &ties{With: map[string]faded{}}
		g.groups.ties[who] = t
	}
	return t
}

// add counts a shared patient; the loosest tie gives way to a new one.
func (t *ties) add(who string, at second) {
	if _, ok := t.With[who]; !ok && len(t.With) >= maxTies {
		var loosest string
		for name, f := range t.With {
			if old := t.With[loosest]; loosest == "" || cmp.Or(cmp.Compare(f.at(at), old.at(at)), strings.Compare(name, loosest)) < 0 {
				loosest = name
			}
		}
		delete(t.With, loosest)
	}
	t.With[who] = t.With[who].plus(at)
}

// forgetRecent drops the quarter of the records nobody opened for longest.
func (g *Graph) forgetRecent() {
	ids := make([]string, 0, len(g.groups.recent))
	for id := range g.groups.recent {
		ids = append(ids, id)
	}
	last := func(id string) second { list := g.groups.recent[id]; return list[len(list)-1].At }
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(last(a), last(b)), strings.Compare(a, b)) })
	for _, id := range ids[:len(ids)/4] {
		delete(g.groups.recent, id)
		g.dirtyRecent.mark(id)
	}
}

// byGroup explains an access by people with whom the person shares patients,
// when several of them had opened the record for a reason on record.
func (g *Graph) byGroup(q *asked, k *Kind) (ocsf.Explanation, bool) {
	own, ok := g.groups.ties[q.who]
	if !ok {
		return ocsf.Explanation{}, false
	}
	var partners []visitor
	for _, m := range q.members {
		for _, v := range g.groups.recent[m.id] {
			if v.Who != q.who && v.near(q.at, k) && own.partner(v.Who, q.at, k) {
				partners = append(partners, v)
			}
		}
	}
	slices.SortFunc(partners, func(a, b visitor) int {
		return cmp.Or(cmp.Compare(own.With[b.Who].at(q.at), own.With[a.Who].at(q.at)), strings.Compare(a.UID, b.UID))
	})
	partners = slices.CompactFunc(partners, func(a, b visitor) bool { return a.Who == b.Who })
	if len(partners) < together {
		return ocsf.Explanation{}, false
	}
	x := g.bare(q, k)
	for _, v := range partners[:together] {
		x.Because = append(x.Because, v.UID, "learned:"+q.who+"|"+v.Who)
	}
	for i, name := range k.Args {
		switch name {
		case "colleague":
			x.Args[i] = partners[0].Who
		case "count":
			x.Args[i] = strconv.Itoa(int(own.With[partners[0].Who].at(q.at)))
		}
	}
	return x, true
}

func (v *visitor) near(at second, k *Kind) bool {
	return at >= v.At.before(second(k.Before)) && at <= v.At.after(second(k.After))
}

// partner says whether two people share enough patients: in number, and of all
// the patients the person sees.
func (t *ties) partner(who string, at second, k *Kind) bool {
	shared := t.With[who].at(at)
	return shared >= float64(k.Support) && shared >= shareOf*t.N.at(at)
}

// expireGroups forgets visitors and ties that count no more.
func (g *Graph) expireGroups(now second) {
	for id, list := range g.groups.recent {
		if list[len(list)-1].At.after(meetings) < now {
			delete(g.groups.recent, id)
			g.dirtyRecent.mark(id)
		}
	}
	for who, t := range g.groups.ties {
		if t.N.at(now) < 0.1 {
			delete(g.groups.ties, who)
			g.dirtyGroups.mark(who)
		}
	}
}

func (g *Graph) groupRows() table {
	t := table{
		upsert: `INSERT INTO care_groups (person, body) VALUES ($1, $2) ON CONFLICT (person) DO UPDATE SET body = excluded.body`,
		remove: `DELETE FROM care_groups WHERE person = $1`,
	}
	for who := range g.dirtyGroups.keys {
		c := change{key: []any{who}}
		if own, ok := g.groups.ties[who]; ok {
			body, _ := json.Marshal(own) // strings and numbers: cannot fail
			c.values = []any{string(body)}
		}
		t.rows = append(t.rows, c)
	}
	return t
}

func (g *Graph) recentRows() table {
	t := table{
		upsert: `INSERT INTO care_visitors (patient, body) VALUES ($1, $2) ON CONFLICT (patient) DO UPDATE SET body = excluded.body`,
		remove: `DELETE FROM care_visitors WHERE patient = $1`,
	}
	for id := range g.dirtyRecent.keys {
		c := change{key: []any{id}}
		if list, ok := g.groups.recent[id]; ok {
			body, _ := json.Marshal(list) // strings and numbers: cannot fail
			c.values = []any{string(body)}
		}
		t.rows = append(t.rows, c)
	}
	return t
}

func (g *Graph) loadGroups(tx *sql.Tx) error {
	return each(tx, `SELECT person, body FROM care_groups`, func(rows *sql.Rows) error {
		own := &ties{}
		who, err := scanJSON(rows, own)
		if own.With == nil {
			own.With = map[string]faded{}
		}
		g.groups.ties[who] = own
		return err
	})
}

func (g *Graph) loadRecent(tx *sql.Tx) error {
	return each(tx, `SELECT patient, body FROM care_visitors`, func(rows *sql.Rows) error {
		var list []visitor
		id, err := scanJSON(rows, &list)
		if len(list) > 0 {
			g.groups.recent[id] = list
		}
		return err
	})
}

func scanJSON(rows *sql.Rows, into any) (key string, err error) {
	var body string
	if err := rows.Scan(&key, &body); err != nil {
		return "", err
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		return "", fmt.Errorf("read who works together: %w", err)
	}
	return key, nil
}
