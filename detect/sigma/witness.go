package sigma

import (
	"math"
	"strings"
	"unicode/utf8"
)

// witness is a necessary condition of a rule: unless one of its witnesses is
// there, the rule cannot fit, and is not looked at.
type witness struct {
	// atoms are needles to be found by the automata of their fields.
	atoms []int32
	// present are fields that must be there.
	present []int
	// rate guesses which part of all events has one.
	rate float64
}

// unknown is no witness at all: the rule is tried on every event of its
// source.
var unknown = witness{rate: math.Inf(1)}

// witness chooses the rarest necessary condition of a plan.
func (e *engine) witness(p *plan) witness {
	switch p.op {
	case opFalse:
		return witness{}
	case opAtom:
		return e.ofAtom(p.atom)
	case opUnless:
		return e.witness(&p.kids[0])
	case opAll:
		best := unknown
		for i := range p.kids {
			if w := e.witness(&p.kids[i]); w.rate < best.rate {
				best = w
			}
		}
		return best
	case opAny:
		var all witness
		for i := range p.kids {
			w := e.witness(&p.kids[i])
			all.atoms = append(all.atoms, w.atoms...)
			all.present = append(all.present, w.present...)
			if all.rate += w.rate; math.IsInf(w.rate, 1) {
				return unknown
			}
		}
		return all
	}
	return unknown
}

func (e *engine) ofAtom(n int32) witness {
	a := &e.atoms[n]
	switch x := a.node.(type) {
	case *oneOf:
		if x.null {
			return unknown
		}
		if list := e.sought[n].list; list != nil {
			return witness{atoms: []int32{n}, rate: rateOf(list, e.routing[a.field])}
		}
	case *exists:
		if !x.want {
			return unknown
		}
	case *words:
		if list := e.sought[n].list; list != nil {
			return witness{atoms: []int32{n}, rate: 2 * rateOf(list, false)}
		}
		return unknown
	}
	return witness{present: []int{a.field}, rate: e.presence(a.field)}
}

// presence guesses how often a field is there: those that many rules ask for
// are in many events.
func (e *engine) presence(field int) float64 {
	return min(0.9, 0.05+float64(e.asked[field])/200)
}

// sought is what an automaton can look for in an atom's place.
type sought struct {
	list []needle
	sure bool
}

// needles are texts one of which must be found for the atom to be true, nil
// when there are none such. sure says that finding one is enough, too.
func (e *engine) needles(n int32) (list []needle, sure bool) {
	var ms []matcher
	switch x := e.atoms[n].node.(type) {
	case *oneOf:
		ms = x.ms
	case *words:
		ms = x.ms
	}
	sure = true
	list = make([]needle, 0, len(ms))
	for _, m := range ms {
		before := len(list)
		var exact bool
		if list, exact = appendNeedles(list, m); len(list) == before {
			return nil, false
		}
		sure = sure && exact
	}
	for i := range list {
		list[i].atom = n
	}
	if len(list) == 0 {
		return nil, false
	}
	return list, sure
}

// appendNeedles adds those of a matcher, none when there are none.
func appendNeedles(list []needle, m matcher) (_ []needle, sure bool) {
	switch m := m.(type) {
	case *glob:
		if n, sure, ok := m.needle(); ok {
			return append(list, n), sure
		}
	case *regex:
		for _, g := range m.gates {
			if len(g) < 3 {
				return list, false
			}
		}
		for _, g := range m.gates {
			n, _ := needle{text: g}.cut()
			list = append(list, n)
		}
	}
	return list, false
}

func (g *glob) needle() (n needle, sure, ok bool) {
	n.text = g.text
	switch g.how {
	case isText:
		n.from, n.to = true, true
	case hasPrefix:
		n.from = true
	case hasSuffix:
		n.to = true
	case isAny:
		return n, false, false
	case isGlob:
		i := g.longest()
		if i < 0 {
			return n, false, false
		}
		n.text, n.from, n.to = g.parts[i].text, i == 0, i == len(g.parts)-1
	}
	if g.cased {
		n.text = folded(n.text)
	}
	if n.text == "" && !(n.from && n.to) {
		return n, false, false
	}
	n, whole := n.cut()
	return n, whole && !g.cased && g.how != isGlob && isASCII(n.text), true
}

// longest is the longest text of a pattern, -1 if none is worth looking for.
func (g *glob) longest() int {
	best := -1
	for i, p := range g.parts {
		if p.wild == 0 && (best < 0 || len(p.text) > len(g.parts[best].text)) {
			best = i
		}
	}
	if best >= 0 && len(g.parts[best].text) < 2 {
		return -1
	}
	return best
}

// maxNeedle bounds needles, in bytes: of longer texts the end is looked for,
// which tells paths apart better than their beginning.
const maxNeedle = 12

// cut shortens a needle; whole says that there was no need.
func (n needle) cut() (_ needle, whole bool) {
	if len(n.text) <= maxNeedle {
		return n, true
	}
	n.text, n.from = n.text[len(n.text)-maxNeedle:], false
	return n, false
}

// rateOf guesses which part of events has one of the needles.
func rateOf(list []needle, routing bool) float64 {
	sum := 0.0
	for _, n := range list {
		sum += n.rate()
	}
	if routing {
		sum = max(sum, 0.5) // the log source has been chosen by it
	}
	return sum
}

// rate is a guess: long texts are rare, unless Windows writes them everywhere.
func (n needle) rate() float64 {
	r := 0.9 * math.Pow(0.7, float64(len(n.text)))
	switch {
	case n.from && n.to:
		r = min(r, 0.05)
	case n.from || n.to:
		r *= 0.7
	}
	return max(r, common(n), 0.0005)
}

// common is how often texts that most machines write all day are there.
func common(n needle) float64 {
	if strings.Contains(everyday, n.text) {
		return 0.3
	}
	return 0
}

// everyday are texts that ordinary events are full of, each on a line.
const everyday = `c:\windows\system32\
c:\windows\syswow64\
c:\program files (x86)\
c:\program files\
c:\users\
\appdata\local\
\appdata\roaming\
c:\programdata\
\cmd.exe
\powershell.exe
\svchost.exe
\explorer.exe
\services.exe
\lsass.exe
\rundll32.exe
\conhost.exe
\wmiprvse.exe
\microsoft\windows\
\software\microsoft\windows\currentversion\
http://
https://
nt authority\system
\system\currentcontrolset\services\
microsoft-windows-
powershell
.dll
.exe `

func isASCII(s string) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 { // one load
		b := s[i : i+8]
		if (b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7])&utf8.RuneSelf != 0 {
			return false
		}
	}
	for ; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
