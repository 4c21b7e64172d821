package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// story is what happens on a day when messages come late, twice and in halves;
// it ends the same on every engine. restart is called in the middle of it.
type story struct {
	t     *testing.T
	s     *site
	v     *server
	at    time.Time
	case1 string
}

// tell plays it on a site and leaves a server running that has seen it all.
func tell(t *testing.T, s *site) *server {
	t.Helper()
	c := &story{t: t, s: s, v: s.start(t), at: time.Now().Add(-2 * time.Hour).Truncate(time.Second)}
	s.load(t, "directory", people)
	c.early()
	c.restart()
	c.healed()
	c.restart()
	c.stillHealed()
	c.halves()
	c.repeats()
	c.lateDirectory()
	c.weakly()
	c.v.verified()
	return c.v
}

func (c *story) restart() {
	c.t.Helper()
	c.v.stop()
	c.v = c.s.start(c.t)
}

// patients are those whom the doctor opens before anybody says why.
const strangers = 8

func patientOf(i int) string { return fmt.Sprintf("LATE%d", i) }
func accessOf(i int) string  { return fmt.Sprintf("late-%d", i) }

// early: accesses arrive before the admissions that explain them, and warn.
func (c *story) early() {
	c.t.Helper()
	var b strings.Builder
	for i := range strangers {
		b.WriteString(look(accessOf(i), "anna", patientOf(i), c.at.Add(time.Duration(i)*time.Minute)))
	}
	c.s.post(c.t, b.String())
	c.v.drained()
	for i := range strangers {
		if a := c.s.explain(c.t, accessOf(i)); a.Explained {
			c.t.Errorf("%s is explained by %s before anybody was admitted", a.EventUID, a.Kind)
		}
	}
	cases := c.s.cases(c.t)
	if len(cases) != 1 || cases[0].Actor.User.UID != "D100" || cases[0].Status == "Closed" {
		c.t.Fatalf("want one open case about D100, got %+v; findings %+v", cases, c.s.findings(c.t))
	}
	c.case1 = cases[0].Info.UID
}

// healed: the admissions come; explanations are corrected, findings withdrawn
// with a trace, and the case closes by itself.
func (c *story) healed() {
	c.t.Helper()
	for i := range strangers {
		c.s.hl7(c.t, admit(fmt.Sprintf("ADT%d", i), patientOf(i), "D100", c.at.Add(-time.Hour)))
	}
	c.v.drained()
	c.stillHealed()
}

func (c *story) stillHealed() {
	c.t.Helper()
	for i := range strangers {
		a := c.s.explain(c.t, accessOf(i))
		because := slices.ContainsFunc(a.Because, func(id string) bool { return strings.HasPrefix(id, fmt.Sprintf("hl7:ADT1:ADT%d", i)) })
		if !a.Explained || a.Kind != "attending" || !because {
			c.t.Errorf("%s after its admission: %+v", accessOf(i), a)
		}
	}
	if left := c.s.findings(c.t); len(left) != 0 {
		c.t.Errorf("findings remain though all is explained: %+v", left)
	}
	if all := lists[found](c.t, c.s, "GET", "/api/v1/findings?withdrawn=true", ""); len(all) < strangers {
		c.t.Errorf("%d findings with those withdrawn, want at least %d: the trace is lost", len(all), strangers)
	}
	file := c.s.must(c.t, "GET", "/api/v1/incidents/"+c.case1, "")
	for _, want := range []string{`"closed"`, `withdrawn`, "explained later"} {
		if !strings.Contains(file, want) {
			c.t.Errorf("the case does not say %s: %s", want, file)
		}
	}
	type row struct{ N int }
	if n := query[row](c.t, c.s, `SELECT count(*) AS n FROM explanations WHERE uid LIKE 'late-%' AND explained`)[0].N; n != strangers {
		c.t.Errorf("%d accesses explained by SQL, want %d", n, strangers)
	}
}

// halves: client and server both record an access; it is one event, and both
// ids have the explanation.
func (c *story) halves() {
	c.t.Helper()
	c.s.post(c.t, lookAs("half-client", "anna", patientOf(0), c.at.Add(time.Hour), "req-1"))
	c.restart() // between the halves
	c.s.post(c.t, lookAs("half-server", "anna", patientOf(0), c.at.Add(time.Hour+time.Second), "req-1"))
	c.v.drained()
	type row struct{ N int }
	if n := query[row](c.t, c.s, `SELECT count(*) AS n FROM events WHERE uid LIKE 'half-%'`)[0].N; n != 1 {
		c.t.Errorf("two halves of an access are %d events, want 1", n)
	}
	if n := query[row](c.t, c.s, `SELECT count(*) AS n FROM records WHERE uid LIKE 'half-%'`)[0].N; n != 2 {
		c.t.Errorf("of two halves of an access %d are kept, want 2", n)
	}
	for _, id := range []string{"half-client", "half-server"} {
		if a := c.s.explain(c.t, id); !a.Explained || a.Kind != "attending" {
			c.t.Errorf("half of an access: %+v", a)
		}
	}
}

// repeats: the same records again change nothing.
func (c *story) repeats() {
	c.t.Helper()
	count := func() int {
		type row struct{ N int }
		return query[row](c.t, c.s, `SELECT count(*) AS n FROM records WHERE source <> 'cordon'`)[0].N
	}
	before := count()
	for range 2 {
		for i := range strangers {
			c.s.post(c.t, look(accessOf(i), "anna", patientOf(i), c.at.Add(time.Duration(i)*time.Minute)))
			c.s.hl7(c.t, admit(fmt.Sprintf("ADT%d", i), patientOf(i), "D100", c.at.Add(-time.Hour)))
		}
	}
	c.v.drained()
	if after := count(); after != before {
		c.t.Errorf("%d records became %d by repeating them", before, after)
	}
	c.stillHealed()
}

// lateDirectory: an account that nobody knew when it was used becomes a person.
func (c *story) lateDirectory() {
	c.t.Helper()
	c.s.hl7(c.t, admit("ADT-dir", "LATEDIR", "D300", c.at.Add(-time.Hour)))
	c.s.post(c.t, look("late-dir", "zoe", "LATEDIR", c.at))
	c.v.drained()
	if a := c.s.explain(c.t, "late-dir"); a.Explained {
		c.t.Errorf("an unknown account is explained: %+v", a)
	}
	c.s.load(c.t, "directory", people+"D300,zoe,Zoe Else,doctor,Medicine,,,,,2020-01-01,\n")
	c.v.drained()
	if a := c.s.explain(c.t, "late-dir"); !a.Explained || a.Kind != "attending" {
		c.t.Errorf("after the directory came: %+v", a)
	}
}

// weakly: nothing explains an access; then the patient turns out to lie on the
// ward of somebody who is on no roster, which is a weak reason; then a good one
// comes. Both are written down, and the first withdraws what needs no reason
// at all.
func (c *story) weakly() {
	c.t.Helper()
	c.s.post(c.t, look("late-weak", "nora", "LATEWEAK", c.at))
	c.v.drained()
	if a := c.s.explain(c.t, "late-weak"); a.Explained {
		c.t.Errorf("explained before anything came: %+v", a)
	}
	on := func(ward string) string { return strings.Replace(ward, "W1^101^1", "Surgery^101^1", 1) }
	c.s.hl7(c.t, on(admit("ADT-weak", "LATEWEAK", "D900", c.at.Add(-time.Hour))))
	c.v.drained()
	if a := c.s.explain(c.t, "late-weak"); !a.Explained || a.Detail != "department" {
		c.t.Errorf("after the admission to the person's ward: %+v", a)
	}
	for _, f := range c.s.findings(c.t) {
		if slices.Contains(f.Info.Related, uid{UID: "late-weak"}) {
			c.t.Errorf("still holds: %+v", f)
		}
	}
	c.restart()
	c.s.hl7(c.t, on(admit("ADT-good", "LATEWEAK", "N100", c.at.Add(-30*time.Minute))))
	c.v.drained()
	if a := c.s.explain(c.t, "late-weak"); !a.Explained || a.Kind != "attending" {
		c.t.Errorf("after a good reason came: %+v", a)
	}
}

// TestHealing plays the story on the embedded engines.
func TestHealing(t *testing.T) {
	s := newSite(t, t.TempDir())
	tell(t, s).stop()
	s.verified(t)
}
