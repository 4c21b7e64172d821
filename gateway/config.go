package gateway

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Config is what may pass. Doors are opened by their own sections.
type Config struct {
	// Routes are tried in order; the first that fits an item decides. Every
	// door in use needs a last route without from and to.
	Routes []Route `yaml:"routes"`
	// PassLife is how long a coached or approved sender may send the same
	// data to the same place again.
	PassLife time.Duration `yaml:"pass_life"`
	// HoldLife is how long something held waits for approval; then it is
	// refused.
	HoldLife time.Duration `yaml:"hold_life"`
	// Relay is host:port of a mail server that takes approved mail on without
	// asking this gateway again. Routes that hold mail need it.
	Relay string `yaml:"relay"`
	// Postmaster is the sender of notices about mail that is held.
	Postmaster string `yaml:"postmaster"`
	// ICAP and Milter are the doors beside a web proxy and a mail server.
	ICAP   yaml.Node `yaml:"icap"`
	Milter yaml.Node `yaml:"milter"`
}

// Fail is what happens when content cannot be inspected.
type Fail string

// Open lets it pass, Closed stops it.
const (
	Open   Fail = "open"
	Closed Fail = "closed"
)

// Size is a number of bytes, written like 20MB.
type Size string

// Route is one way out and its rules.
type Route struct {
	// Name is shown to people and kept on record.
	Name string `yaml:"name"`
	// Doors are web, mail and http; empty means all.
	Doors []Door `yaml:"doors"`
	// Direction is out (requests, mail), in (answers of web servers) or empty
	// for both.
	Direction string `yaml:"direction"`
	// From and To are patterns such as *@hospital.example or *.example.com;
	// a route fits when one of From and, for mail with several recipients,
	// one of To fits. Empty fits everything.
	From []string `yaml:"from"`
	To   []string `yaml:"to"`
	// Except are recipients or hosts that do not count for To: a mail whose
	// recipients are all among them does not fit.
	Except []string `yaml:"except"`
	// Fail is open or closed (the default): whether what cannot be inspected
	// passes: too large, too slow, a fault, or (where no rule with unread says
	// otherwise) a part that cannot be looked into. A sender can bring most of
	// these about, so open is for what comes in.
	Fail Fail `yaml:"fail"`
	// Timeout bounds the inspection of one item; usually 10s.
	Timeout time.Duration `yaml:"timeout"`
	// Most is the largest content that is inspected, usually 64MB; beyond it
	// Fail decides.
	Most Size `yaml:"most"`
	// Confidence is how sure a finding must be to count, in percent; usually
	// 60.
	Confidence int `yaml:"confidence"`
	// Rules are tried in order; what no rule fits is allowed.
	Rules []Rule `yaml:"rules"`
}

// Rule is a condition, all of whose parts must hold, and what to do then.
type Rule struct {
	// Level counts findings of this level of GB/T 39725 and above.
	Level int `yaml:"level"`
	// Findings is how many of them there must be; 1 when not given.
	Findings int `yaml:"findings"`
	// Patients is the least number of distinct patients of our own.
	Patients int `yaml:"patients"`
	// Persons is the least number of distinct people, ours or not.
	Persons int `yaml:"persons"`
	// Kinds are kinds of identifiers, of which one must be there.
	Kinds []string `yaml:"kinds"`
	// Honey fits planted patients: a leak without doubt.
	Honey bool `yaml:"honey"`
	// Unread fits content that cannot be looked into, such as an encrypted
	// archive.
	Unread bool `yaml:"unread"`
	// Do is allow, coach, redact, hold or block.
	Do Action `yaml:"do"`
	// Otherwise is what happens where redaction is impossible: coach, hold or
	// block (the default).
	Otherwise Action `yaml:"otherwise"`
}

// Default has one route for each door: planted patients and lists of patients
// do not pass, single patients are coached, what cannot be looked into is
// coached too.
func Default() Config {
	usual := func(name string, door Door, fail Fail) Route {
		return Route{Name: name, Doors: []Door{door}, Direction: "out", Fail: fail,
			Rules: []Rule{
				{Honey: true, Do: Block},
				{Patients: 50, Do: Block},
				{Level: 5, Persons: 1, Do: Coach},
				{Patients: 1, Level: 4, Do: Coach},
				{Persons: 5, Level: 4, Do: Coach},
				{Unread: true, Do: Coach},
			}}
	}
	in := Route{Name: "web-in", Doors: []Door{Web}, Direction: "in", Fail: Open}
	return Config{
		Routes:   []Route{usual("web-out", Web, Closed), in, usual("mail-out", Mail, Closed), usual("http-out", HTTP, Closed)},
		PassLife: 8 * time.Hour, HoldLife: 72 * time.Hour,
	}
}

// Check says what is wrong with the configuration.
func (c Config) Check() error {
	if c.PassLife <= 0 || c.HoldLife <= 0 {
		return errors.New("gateway: pass_life and hold_life must be longer than nothing, e.g. 8h and 72h")
	}
	var names []string
	for i := range c.Routes {
		r := &c.Routes[i]
		if err := r.check(); err != nil {
			return fmt.Errorf("gateway: route %d (%s): %w", i+1, r.Name, err)
		}
		if slices.Contains(names, r.Name) {
			return fmt.Errorf("gateway: two routes are named %s; give each a name of its own", r.Name)
		}
		names = append(names, r.Name)
		if r.does(Hold) && r.at(Mail) && c.Relay == "" {
			return fmt.Errorf("gateway: route %s holds mail; set gateway.relay to the mail server that takes approved mail on", r.Name)
		}
	}
	return nil
}

// CheckDoor says whether a door that is open has a route for everything.
func (c Config) CheckDoor(d Door) error {
	last := func(direction string) bool {
		return slices.ContainsFunc(c.Routes, func(r Route) bool {
			return r.at(d) && len(r.From)+len(r.To)+len(r.Except) == 0 && (r.Direction == "" || r.Direction == direction)
		})
	}
	if !last("out") || d == Web && !last("in") {
		return fmt.Errorf("gateway: the door %s has no last route without from, to and except; add one, so that it is plain what happens to the rest", d)
	}
	return nil
}

func (r *Route) check() error {
	switch {
	case r.Name == "":
		return errors.New("it has no name")
	case r.Fail != Open && r.Fail != Closed && r.Fail != "":
		return fmt.Errorf("fail is %q; say open (let pass what cannot be inspected) or closed", string(r.Fail))
	case r.Timeout < 0:
		return errors.New("timeout is a duration such as 10s")
	case r.Direction != "" && r.Direction != "in" && r.Direction != "out":
		return fmt.Errorf("direction is %q; say in, out or nothing", r.Direction)
	case r.Confidence < 0 || r.Confidence > 99:
		return errors.New("confidence is a number of percent, 0 to 99")
	}
	if r.Most != "" && r.Most.bytes() <= 0 {
		return fmt.Errorf("most is %q; write a size such as 20MB", string(r.Most))
	}
	for _, d := range r.Doors {
		if d != Web && d != Mail && d != HTTP {
			return fmt.Errorf("no door is named %q; the doors are web, mail and http", string(d))
		}
	}
	for _, p := range slices.Concat(r.From, r.To, r.Except) {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("pattern %q cannot be read; write one such as *@hospital.example", p)
		}
	}
	for i, rule := range r.Rules {
		if err := rule.check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return nil
}

func (r Rule) check() error {
	switch {
	case !slices.Contains([]Action{Allow, Coach, Redact, Hold, Block}, r.Do):
		return fmt.Errorf("do is %q; say allow, coach, redact, hold or block", string(r.Do))
	case r.Otherwise != "" && r.Do != Redact:
		return errors.New("otherwise belongs to redact alone")
	case !slices.Contains([]Action{"", Coach, Hold, Block}, r.Otherwise):
		return fmt.Errorf("otherwise is %q; say coach, hold or block", string(r.Otherwise))
	case r.Level < 0 || r.Level > 5:
		return errors.New("level is 1 to 5")
	case r.Findings < 0 || r.Patients < 0 || r.Persons < 0:
		return errors.New("findings, patients and persons are not negative")
	case r.empty():
		return errors.New("it has no condition; name at least one of level, kinds, patients, persons, honey, unread")
	}
	return nil
}

func (r Rule) empty() bool {
	return r.Level == 0 && r.Patients == 0 && r.Persons == 0 && len(r.Kinds) == 0 && !r.Honey && !r.Unread
}

// bytes is the size as a number, 0 where it cannot be read.
func (s Size) bytes() int64 {
	text := strings.ToUpper(strings.ReplaceAll(string(s), " ", ""))
	unit := int64(1)
	for _, u := range []struct {
		name string
		n    int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = rest, u.n
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > 1<<40/unit {
		return 0
	}
	return n * unit
}

// Largest is the most that any route of a door inspects, in bytes.
func (c Config) Largest(d Door) int64 {
	var most int64
	for i := range c.Routes {
		if c.Routes[i].at(d) {
			most = max(most, c.Routes[i].most())
		}
	}
	return most
}

func (r *Route) most() int64 {
	if r.Most == "" {
		return 64 << 20
	}
	return r.Most.bytes()
}

func (r *Route) timeout() time.Duration {
	if r.Timeout == 0 {
		return 10 * time.Second
	}
	return r.Timeout
}

func (r *Route) confidence() int {
	if r.Confidence == 0 {
		return 60
	}
	return r.Confidence
}

// InUse says whether a door is open; the HTTP API is always there.
func (c Config) InUse() bool { return !c.ICAP.IsZero() || !c.Milter.IsZero() }
