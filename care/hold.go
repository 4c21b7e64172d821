package care

import (
	"iter"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// Pending is an unexplained access kept for healing: as much of it as Explain
// needs.
type Pending struct {
	UID     string `json:"uid"`
	Time    int64  `json:"time"`
	Person  string `json:"person,omitempty"`
	Account string `json:"account,omitempty"`
	Behalf  string `json:"behalf,omitempty"`
	Patient string `json:"patient"`
	Table   string `json:"table,omitempty"`
	// Export and Five tell what was done and to what: fewer reasons cover it.
	Export bool `json:"export,omitempty"`
	Five   bool `json:"five,omitempty"`
	// Weak says that something weak explains it by now.
	Weak bool `json:"weak,omitempty"`
}

// Event is the access as far as Explain needs it.
func (p Pending) Event() *ocsf.Event {
	ev := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, Time: p.Time,
		Metadata: ocsf.Metadata{UID: p.UID},
		Actor:    ocsf.Actor{User: ocsf.User{UID: p.Person, Account: p.Account}},
		Patient:  &ocsf.Patient{UID: p.Patient},
	}
	if p.Export {
		ev.ActivityID = ocsf.AccessExport
	}
	if p.Five {
		ev.DataClassifications = []ocsf.DataClassification{{Level: 5}}
	}
	if p.Behalf != "" {
		ev.Actor.OnBehalfOf = &ocsf.User{Account: p.Behalf}
	}
	if p.Table != "" {
		ev.Table = &ocsf.Named{Name: p.Table}
	}
	return ev
}

const (
	// maxHeld bounds the kept accesses, and maxHeldEach those to one patient.
	maxHeld     = 200_000
	maxHeldEach = 500
	// heldFor is how long an access waits for its explanation, in ms.
	heldFor = 30 * 24 * 3600 * 1000
)

// Hold keeps an access until its explanation may arrive: 30 days, and of too
// many the newest.
func (g *Graph) Hold(ev *ocsf.Event) {
	if ev.Patient == nil || ev.Patient.UID == "" || ev.Metadata.UID == "" {
		return
	}
	p := Pending{UID: ev.Metadata.UID, Time: ev.Time, Person: ev.Actor.User.UID, Account: ev.Actor.User.Account, Patient: ev.Patient.UID}
	if b := ev.Actor.OnBehalfOf; b != nil {
		if p.Behalf = b.UID; p.Behalf == "" {
			p.Behalf = b.Account
		}
	}
	if ev.Table != nil {
		p.Table = ev.Table.Name
	}
	p.Export = ev.ActivityID == ocsf.AccessExport || ev.ActivityID == ocsf.AccessShare
	p.Five = slices.ContainsFunc(ev.DataClassifications, func(d ocsf.DataClassification) bool { return d.Level >= 5 })
	p.Weak = ev.Explanation != nil && ev.Explanation.Explained
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold(p)
	if g.nHeld > maxHeld {
		g.crowdOut()
	}
}

func (g *Graph) hold(p Pending) {
	list := g.held[p.Patient]
	if slices.ContainsFunc(list, func(o Pending) bool { return o.UID == p.UID }) {
		return
	}
	i, _ := slices.BinarySearchFunc(list, p, comparePending)
	g.held[p.Patient] = slices.Insert(list, i, p)
	g.nHeld++
	g.dirtyHeld.mark(heldKey{p.Patient, p.UID})
	if len(list) >= maxHeldEach {
		g.release(g.held[p.Patient][0])
	}
}

func comparePending(a, b Pending) int {
	if a.Time != b.Time {
		if a.Time < b.Time {
			return -1
		}
		return 1
	}
	return strings.Compare(a.UID, b.UID)
}

// crowdOut drops the oldest tenth.
func (g *Graph) crowdOut() {
	all := make([]Pending, 0, g.nHeld)
	for _, list := range g.held {
		all = append(all, list...)
	}
	slices.SortFunc(all, comparePending)
	drop := all[:len(all)/10]
	for _, p := range drop {
		g.release(p)
	}
	g.log.Warn("too many unexplained accesses are waiting, the oldest stay unexplained: check that care messages arrive", "dropped", len(drop))
}

// Waiting lists the kept accesses to a patient under all their numbers, oldest
// first.
func (g *Graph) Waiting(patient string) []Pending {
	g.mu.RLock()
	defer g.mu.RUnlock()
	r, ok := g.records[patient]
	if !ok {
		return slices.Clone(g.held[patient])
	}
	var out []Pending
	for _, m := range r.members() {
		out = append(out, g.held[m.id]...)
	}
	slices.SortFunc(out, comparePending)
	return out
}

// Held lists all kept accesses, oldest first, to be tried again after a
// roster, a ticket list or people were imported.
func (g *Graph) Held() iter.Seq[Pending] {
	g.mu.RLock()
	all := make([]Pending, 0, g.nHeld)
	for _, list := range g.held {
		all = append(all, list...)
	}
	g.mu.RUnlock()
	slices.SortFunc(all, comparePending)
	return slices.Values(all)
}

// Weaken notes that a kept access has a weak explanation; it goes on waiting
// for a better one.
func (g *Graph) Weaken(p Pending) {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.held[p.Patient]
	if i := slices.IndexFunc(list, func(o Pending) bool { return o.UID == p.UID }); i >= 0 {
		list[i].Weak = true
		g.dirtyHeld.mark(heldKey{p.Patient, p.UID})
	}
}

// Release forgets a kept access: it has its explanation.
func (g *Graph) Release(p Pending) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release(p)
}

func (g *Graph) release(p Pending) {
	list := g.held[p.Patient]
	i := slices.IndexFunc(list, func(o Pending) bool { return o.UID == p.UID })
	if i < 0 {
		return
	}
	if len(list) == 1 {
		delete(g.held, p.Patient)
	} else {
		g.held[p.Patient] = slices.Delete(slices.Clone(list), i, i+1)
	}
	g.nHeld--
	g.dirtyHeld.mark(heldKey{p.Patient, p.UID})
}
