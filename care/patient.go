package care

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// Patient is what detectors ask about a patient. Its slices are shared and
// must not be changed.
type Patient struct {
	// ID is the surviving number after merges, IDs all numbers.
	ID  string
	IDs []string
	// Known is false for a number the graph never heard of.
	Known bool
	// Keys are tokens of the patient's own demographics.
	Keys []ocsf.Key
	// Kin are tokens of next of kin (NK1), guarantor (GT1), insured (IN1).
	Kin []Kin
	// VIP is a mark in the record (PV1-16). Sensitive are the other marks:
	// "protected", "restricted:...", "consent:...".
	VIP       bool
	Sensitive []string
	// Diagnoses are the codes of the diagnoses that hold, sorted.
	Diagnoses []string
	// StaffPerson is the person_id where the patient is a member of staff: the
	// same national id, or the same name with the same phone.
	StaffPerson string
	// LastDischarge is the end of the latest visit in ms; 0 while one is open
	// or none is known.
	LastDischarge int64
	// Encounters are the visits, oldest first.
	Encounters []Encounter
}

// Kin is a token of somebody near the patient.
type Kin struct {
	ocsf.Key
	Role string
}

// Encounter is one visit; times in ms, 0 unknown or open. Department and Ward
// are the latest.
type Encounter struct {
	ID         string
	Class      string
	Department string
	Ward       string
	From       int64
	Until      int64
	Attending  []string
	Source     string
}

// views keeps a patient's description until something changes.
type views struct{ current atomic.Pointer[view] }

type view struct {
	patient Patient
	people  uint64 // version of the directory
}

func (v *views) forget() { v.current.Store(nil) }

// maxViews bounds the kept descriptions; when there are more, all are dropped.
const maxViews = 20_000

// Patient describes a patient.
func (g *Graph) Patient(id string) Patient {
	g.mu.RLock()
	defer g.mu.RUnlock()
	r, ok := g.records[id]
	if !ok {
		return Patient{ID: id, IDs: []string{id}}
	}
	version := g.dir.Version()
	if v := r.views.current.Load(); v != nil && v.people == version {
		return v.patient
	}
	v := &view{patient: g.describe(r), people: version}
	g.keepView(r, v)
	return v.patient
}

func (g *Graph) keepView(r *record, v *view) {
	g.viewed.Lock()
	defer g.viewed.Unlock()
	if len(g.views) >= maxViews {
		for _, old := range g.views {
			old.views.forget()
		}
		g.views = g.views[:0]
	}
	g.views = append(g.views, r)
	r.views.current.Store(v)
}

func (g *Graph) describe(r *record) Patient {
	p := Patient{ID: r.primary().id, Known: true}
	for _, m := range r.members() {
		p.IDs = append(p.IDs, m.id)
		g.describeTokens(m, &p)
		g.describeEdges(m, &p)
	}
	slices.SortFunc(p.Keys, compareKeys)
	p.Keys = slices.Compact(p.Keys)
	slices.SortFunc(p.Kin, func(a, b Kin) int {
		if c := strings.Compare(a.Role, b.Role); c != 0 {
			return c
		}
		return compareKeys(a.Key, b.Key)
	})
	p.Kin = slices.Compact(p.Kin)
	slices.Sort(p.Diagnoses)
	p.Diagnoses = slices.Compact(p.Diagnoses)
	slices.Sort(p.Sensitive)
	p.Sensitive = slices.Compact(p.Sensitive)
	slices.SortFunc(p.Encounters, func(a, b Encounter) int {
		if a.From != b.From {
			if a.From < b.From {
				return -1
			}
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	p.LastDischarge = lastDischarge(p.Encounters)
	p.StaffPerson = g.staff(p.Keys)
	return p
}

func compareKeys(a, b ocsf.Key) int {
	if c := strings.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	return strings.Compare(a.Token, b.Token)
}

func (g *Graph) describeTokens(r *record, p *Patient) {
	for _, t := range r.tokens {
		k := ocsf.Key{Kind: g.lexicon.text(t.kind), Token: r.words.text(t.text)}
		if t.role == 0 {
			p.Keys = append(p.Keys, k)
		} else {
			p.Kin = append(p.Kin, Kin{Key: k, Role: g.lexicon.text(t.role)})
		}
	}
}

// vipMark is the code of a sensitivity fact that is a VIP mark.
const vipMark = "vip"

func (g *Graph) describeEdges(r *record, p *Patient) {
	for i := range r.edges {
		e := &r.edges[i]
		if !e.alive() {
			continue
		}
		switch e.kind {
		case codeSensitivity:
			if code := g.lexicon.text(e.what); normal(code) == vipMark {
				p.VIP = true
			} else {
				p.Sensitive = append(p.Sensitive, code)
			}
		case codeDiagnosis:
			p.Diagnoses = append(p.Diagnoses, g.lexicon.text(e.what))
		case codeEncounter:
			p.Encounters = append(p.Encounters, g.encounter(r, e))
		}
	}
}

func (g *Graph) encounter(r *record, visit *edge) Encounter {
	out := Encounter{
		ID: r.words.text(visit.enc), Class: g.lexicon.text(visit.what), Department: g.placeName(asDepartment, visit.dept),
		From: visit.from.ms(), Until: visit.until.ms(), Source: r.words.text(visit.src),
	}
	var newest second
	for i := range r.edges {
		e := &r.edges[i]
		if e.enc != visit.enc || !e.alive() {
			continue
		}
		switch {
		case e.kind == codeAttending && e.person != 0:
			out.Attending = append(out.Attending, g.lexicon.text(e.person))
		case e.kind == codeLocation && e.id == 0 && e.first >= newest:
			newest = e.first
			out.Ward = g.placeName(asWard, e.what)
			if e.dept != 0 {
				out.Department = g.placeName(asDepartment, e.dept)
			}
		}
	}
	slices.Sort(out.Attending)
	return out
}

func lastDischarge(visits []Encounter) int64 {
	var last int64
	for _, v := range visits {
		if v.Until == 0 {
			return 0
		}
		last = max(last, v.Until)
	}
	return last
}

// staff finds the member of staff with these demographics.
func (g *Graph) staff(keys []ocsf.Key) string {
	var names, phones []string
	for _, k := range keys {
		people := g.dir.ByKey(k.Kind, k.Token)
		switch k.Kind {
		case keyed.NationalID:
			if len(people) > 0 {
				return people[0]
			}
		case keyed.Name:
			names = append(names, people...)
		case keyed.Phone:
			phones = append(phones, people...)
		}
	}
	for _, id := range names {
		if slices.Contains(phones, id) {
			return id
		}
	}
	return ""
}
