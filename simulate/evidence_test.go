package simulate

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// trail is an independent and simple-minded reader of the evidence: it knows
// who is named in a message about a patient, who was rostered where, where
// patients were, and what was approved.
type trail struct {
	named   map[string][]time.Time // patient/person
	places  map[string][]place     // by patient
	merged  map[string]string      // temporary id to patient
	shifts  map[string][]shift     // by person
	tickets map[string][]ticket
	people  map[string]*person // by account
}

type place struct {
	ward, visit string
	from, to    time.Time
}

func newTrail(h *Hospital) *trail {
	x := &trail{map[string][]time.Time{}, map[string][]place{}, map[string]string{}, map[string][]shift{}, map[string][]ticket{}, map[string]*person{}}
	for _, p := range h.staff {
		for _, a := range strings.Split(p.accounts(), ";") {
			x.people[a] = p
		}
		x.shifts[p.id] = p.shifts
	}
	for _, t := range h.tickets {
		x.tickets[t.who.id] = append(x.tickets[t.who.id], t)
	}
	return x
}

var staffID = regexp.MustCompile(`E1\d{4}`)

func (x *trail) message(data []byte) {
	var m [][]string
	for _, line := range strings.Split(string(data), "\r") {
		m = append(m, strings.Split(line, "|"))
	}
	sent, _ := time.Parse("20060102150405-0700", m[0][6])
	pat, _, _ := strings.Cut(segment(m, "PID")[3], "^")
	if mrg := segment(m, "MRG"); mrg != nil {
		old, _, _ := strings.Cut(mrg[1], "^")
		x.merged[old] = pat
	}
	for _, id := range staffID.FindAllString(string(data), -1) {
		x.named[pat+"/"+id] = append(x.named[pat+"/"+id], sent)
	}
	x.visit(pat, m[0][8], segment(m, "PV1"), sent)
}

func (x *trail) visit(pat, trigger string, pv1 []string, sent time.Time) {
	visit := at(pv1, 19)
	if visit == "" {
		return
	}
	ward, _, _ := strings.Cut(pv1[3], "^")
	came, _ := time.Parse("20060102150405-0700", at(pv1, 44))
	list := x.places[pat]
	i := slices.IndexFunc(list, func(p place) bool { return p.visit == visit && p.ward == ward })
	if i < 0 {
		span := 40 * 24 * time.Hour
		if pv1[2] != "I" {
			span = 24 * time.Hour
		}
		list = append(list, place{ward, visit, came, came.Add(span)})
		i = len(list) - 1
	}
	if strings.HasPrefix(trigger, "ADT^A03") {
		list[i].to = sent
	}
	if strings.HasPrefix(trigger, "ADT^A13") {
		list[i].to = came.Add(40 * 24 * time.Hour)
	}
	x.places[pat] = list
}

func (x *trail) explains(h *Hospital, p *person, pat string, when time.Time) bool {
	ids := []string{pat}
	for old, real := range x.merged {
		if old == pat {
			ids = append(ids, real)
		} else if real == pat {
			ids = append(ids, old)
		}
	}
	return slices.ContainsFunc(ids, func(id string) bool {
		return x.isNamed(p, id, when) || x.isThere(h, p, id, when) || x.isApproved(h, p, id, when)
	})
}

func (x *trail) isNamed(p *person, id string, when time.Time) bool {
	return slices.ContainsFunc(x.named[id+"/"+p.id], func(t time.Time) bool { return when.Sub(t).Abs() < 30*24*time.Hour })
}

func (x *trail) isThere(h *Hospital, p *person, id string, when time.Time) bool {
	return slices.ContainsFunc(x.shifts[p.id], func(s shift) bool {
		if when.Before(h.time(s.from-30*minute)) || when.After(h.time(s.to+30*minute)) {
			return false
		}
		return slices.ContainsFunc(x.places[id], func(l place) bool {
			return l.ward == s.dept.name && when.After(l.from.Add(-2*time.Hour)) && when.Before(l.to.Add(2*time.Hour))
		})
	})
}

func (x *trail) isApproved(h *Hospital, p *person, id string, when time.Time) bool {
	return slices.ContainsFunc(x.tickets[p.id], func(t ticket) bool {
		if when.Before(h.time(t.from)) || !when.Before(h.time(t.until)) {
			return false
		}
		return t.pat != nil && t.pat.id == id || t.dept != nil && slices.ContainsFunc(x.places[id], func(l place) bool { return l.ward == t.dept.name })
	})
}

// TestEvidence measures the promise of the package comment: how many
// legitimate accesses leave a trace, and that violations of the kinds that
// have none by definition leave none.
func TestEvidence(t *testing.T) {
	h := newHospital(t, Config{Seed: 21, Days: 12, Staff: 200, Patients: 2000})
	x := newTrail(h)
	seen := map[string]access{}
	when := map[string]time.Time{}
	glass := map[string]bool{}
	h.Stream(func(it Item) bool {
		var a access
		switch it.Channel {
		case "hl7":
			x.message(it.Data)
			return true
		case "fhir":
			a = readAuditEvent(t, it.Data)
			glass[a.uid] = strings.Contains(string(it.Data), "v3-ActReason\",\"code\":\"ETREAT") || strings.Contains(string(it.Data), "\"BTG\"")
		case "atna":
			a = readATNA(t, it.Data)
		case "sql":
			a = access{uid: it.Row.ID, account: it.Row.UserCode, patient: it.Row.PatientNo}
		}
		if a.patient == "" || x.people[a.account] == nil {
			return true // a search, a statistic or a machine opens no record
		}
		seen[a.uid], when[a.uid] = a, it.At
		return true
	})
	labelled := map[string]string{}
	for _, v := range h.Truth() {
		for _, uid := range append(v.EventUIDs, v.AlsoUIDs...) {
			labelled[uid] = v.Kind
		}
	}
	good, traced, explained := 0, 0, map[string]int{}
	for uid, a := range seen {
		ok := glass[uid] || x.explains(h, x.people[a.account], a.patient, when[uid])
		if kind := labelled[uid]; kind != "" {
			if ok {
				explained[kind]++
			}
			continue
		}
		good++
		if ok {
			traced++
		}
	}
	share := float64(traced) / float64(good)
	t.Logf("%.2f %% of %d legitimate accesses leave a trace", 100*share, good)
	if share < 0.95 || share > 0.985 {
		t.Errorf("%.3f of the legitimate accesses leave a trace", share)
	}
	for _, kind := range []string{"self-access", "family", "neighbour", "coworker", "vip", "no-care-relationship", "serial-snooping",
		"canary", "repeat-after-warning", "crowd", "dormant-account", "shared-credential"} {
		if explained[kind] != 0 {
			t.Errorf("%d accesses of %s have an explanation", explained[kind], kind)
		}
	}
}
