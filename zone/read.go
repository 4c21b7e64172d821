package zone

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/ocsf"
)

// The bounds of a policy.
const (
	mostBytes    = 64 << 20
	mostZones    = 1000
	mostNetworks = 1000    // of one zone, or hosts of one conduit
	mostConduits = 200_000 //
	mostProblems = 200     // of one reading
)

// Read reads a policy. Its errors name the line, what is wrong there and what
// to write instead. Dates mean days in the zone of time given. What Read
// accepts is well formed; whether it is sensible says [Policy.Check].
func Read(data []byte, site *time.Location) (Policy, error) {
	if len(data) > mostBytes {
		return Policy{}, fmt.Errorf("the policy is larger than %d MiB; split it by router", mostBytes>>20)
	}
	var raw rawPolicy
	if err := strict.Unmarshal(data, &raw); err != nil {
		return Policy{}, fmt.Errorf("read the policy: %w", err)
	}
	r := reading{site: site}
	p := r.policy(raw)
	if len(r.errs) > 0 {
		return Policy{}, fmt.Errorf("read the policy: %w", errors.Join(r.errs...))
	}
	return p, nil
}

// word is a scalar and its line.
type word struct {
	text string
	line int
}

func (w *word) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: one word is expected, not a list or group", n.Line)
	}
	w.text, w.line = n.Value, n.Line
	if n.Tag == "!!null" {
		w.text = ""
	}
	return nil
}

// words is a list; one word alone is a list of one.
type words []word

func (ws *words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		var w word
		err := w.UnmarshalYAML(n)
		if w.text != "" {
			*ws = words{w}
		}
		return err
	}
	for _, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		var w word
		if err := w.UnmarshalYAML(item); err != nil {
			return err
		}
		*ws = append(*ws, w)
	}
	return nil
}

func (ws words) texts() []string {
	out := make([]string, 0, len(ws))
	for _, w := range ws {
		out = append(out, w.text)
	}
	return out
}

type rawPolicy struct {
	Version  int              `yaml:"version"`
	Name     string           `yaml:"name"`
	Services map[string]words `yaml:"services"`
	Zones    []rawZone        `yaml:"zones"`
	Conduits []rawConduit     `yaml:"conduits"`
}

type rawZone struct {
	Name       word      `yaml:"name"`
	Title      ocsf.Text `yaml:"title"`
	Kind       word      `yaml:"kind"`
	Networks   words     `yaml:"networks"`
	Interface  word      `yaml:"interface"`
	VLANs      []int     `yaml:"vlans"`
	Department string    `yaml:"department"`
	Owner      string    `yaml:"owner"`
	Target     int       `yaml:"target_level"`
	FailOpen   bool      `yaml:"fail_open"`
	Isolated   bool      `yaml:"isolated"`
	DNS        words     `yaml:"dns_servers"`
	NTP        words     `yaml:"ntp_servers"`
	NoImplicit bool      `yaml:"no_implicit"`
	line       int
}

// UnmarshalYAML keeps the line.
func (z *rawZone) UnmarshalYAML(n *yaml.Node) error {
	type plain rawZone
	z.line = n.Line
	return n.Decode((*plain)(z))
}

type rawConduit struct {
	ID          word   `yaml:"id"`
	From        word   `yaml:"from"`
	To          word   `yaml:"to"`
	FromHosts   words  `yaml:"from_hosts"`
	ToHosts     words  `yaml:"to_hosts"`
	Allow       words  `yaml:"allow"`
	Owner       string `yaml:"owner"`
	Reason      string `yaml:"reason"`
	Expires     word   `yaml:"expires"`
	LevelReason string `yaml:"level_reason"`
	Despite     words  `yaml:"despite"`
	line        int
}

// UnmarshalYAML keeps the line.
func (c *rawConduit) UnmarshalYAML(n *yaml.Node) error {
	type plain rawConduit
	c.line = n.Line
	return n.Decode((*plain)(c))
}

// reading collects what is wrong.
type reading struct {
	site *time.Location
	errs []error
	full bool
}

func (r *reading) fail(line int, err error) {
	if err == nil || r.full {
		return
	}
	if r.full = len(r.errs) == mostProblems; r.full {
		err = errors.New("more is wrong from here on; mend the first lines and read it again")
	}
	r.errs = append(r.errs, fmt.Errorf("line %d: %w", line, err))
}

func (r *reading) policy(raw rawPolicy) Policy {
	p := Policy{Version: raw.Version, Name: strings.TrimSpace(raw.Name)}
	if raw.Version != 1 {
		r.fail(1, fmt.Errorf("version is %d; this program reads version 1: write \"version: 1\"", raw.Version))
	}
	if len(raw.Zones) > mostZones || len(raw.Conduits) > mostConduits {
		r.fail(1, fmt.Errorf("more than %d zones or %d conduits; split the policy by router", mostZones, mostConduits))
		return p
	}
	r.services(&p, raw.Services)
	for _, z := range raw.Zones {
		p.Zones = append(p.Zones, r.zone(z))
	}
	p.Conduits = make([]Conduit, 0, len(raw.Conduits))
	for _, c := range raw.Conduits {
		p.Conduits = append(p.Conduits, r.conduit(&p, c))
	}
	return p
}

func (r *reading) services(p *Policy, raw map[string]words) {
	for _, name := range sortedKeys(raw) {
		ws, line := raw[name], 1
		if len(ws) > 0 {
			line = ws[0].line
		}
		if !kebab(name) || len(ws) == 0 {
			r.fail(line, fmt.Errorf("service %q needs a name in lower case, digits and dashes, and at least one tcp/PORT", name))
			continue
		}
		for _, w := range ws {
			_, err := parseSpan(w.text)
			r.fail(w.line, err)
		}
		if p.Services == nil {
			p.Services = map[string][]string{}
		}
		p.Services[name] = ws.texts()
	}
}

func (r *reading) zone(z rawZone) Zone {
	if !kebab(z.Name.text) {
		r.fail(z.line, fmt.Errorf("a zone's name is lower case, digits and dashes, such as modality-ct; this is %q", z.Name.text))
	}
	if z.Target < 0 || z.Target > 4 {
		r.fail(z.line, fmt.Errorf("target_level of zone %s is %d; IEC 62443 has 0 to 4", z.Name.text, z.Target))
	}
	if z.Interface.text != "" && !interfaceName(z.Interface.text) {
		r.fail(z.Interface.line, fmt.Errorf("interface %q is no name of a network interface (at most 15 letters, digits, dots, dashes)", z.Interface.text))
	}
	for _, id := range z.VLANs {
		if id < 1 || id > 4094 {
			r.fail(z.line, fmt.Errorf("VLAN %d of zone %s is not between 1 and 4094", id, z.Name.text))
		}
	}
	return Zone{
		Name: z.Name.text, Title: z.Title, Kind: z.Kind.text, Networks: r.prefixes(z.Networks),
		Interface: z.Interface.text, VLANs: z.VLANs, Department: z.Department, Owner: z.Owner, Target: z.Target,
		FailOpen: z.FailOpen, Isolated: z.Isolated, DNS: r.prefixes(z.DNS), NTP: r.prefixes(z.NTP),
		NoImplicit: z.NoImplicit, Line: z.line,
	}
}

func (r *reading) conduit(p *Policy, c rawConduit) Conduit {
	if !kebab(c.ID.text) || strings.HasPrefix(c.ID.text, implicitPrefix) || c.ID.text == SameZone {
		r.fail(c.line, fmt.Errorf("a conduit's id is lower case, digits and dashes, not %s and without %s in front; this is %q", SameZone, implicitPrefix, c.ID.text))
	}
	if len(c.Allow) == 0 {
		r.fail(c.line, fmt.Errorf("conduit %s allows nothing; name services, such as allow: [dicom]", c.ID.text))
	}
	for _, w := range c.Allow {
		_, err := p.spansFor(w.text)
		r.fail(w.line, err)
	}
	for _, w := range c.Despite {
		if ruleByID(w.text) == nil {
			r.fail(w.line, fmt.Errorf("despite names the rule %q, which does not exist%s", w.text, near(w.text, ruleIDs())))
		}
	}
	return Conduit{
		ID: c.ID.text, From: c.From.text, To: c.To.text, FromHosts: r.prefixes(c.FromHosts), ToHosts: r.prefixes(c.ToHosts),
		Allow: c.Allow.texts(), Owner: strings.TrimSpace(c.Owner), Reason: strings.TrimSpace(c.Reason),
		Expires: r.date(c.Expires), LevelReason: strings.TrimSpace(c.LevelReason), Despite: c.Despite.texts(), Line: c.line,
	}
}

func (r *reading) date(w word) time.Time {
	if w.text == "" {
		return time.Time{}
	}
	day, err := time.ParseInLocation(time.DateOnly, w.text, r.site)
	if err != nil {
		r.fail(w.line, fmt.Errorf("expires is %q, not a day such as 2027-03-31", w.text))
	}
	return day
}

// prefixes reads addresses, networks and ranges.
func (r *reading) prefixes(ws words) []netip.Prefix {
	if len(ws) > mostNetworks {
		r.fail(ws[0].line, fmt.Errorf("more than %d addresses in one list; write networks instead", mostNetworks))
		return nil
	}
	var out []netip.Prefix
	for _, w := range ws {
		got, err := parsePrefixes(w.text)
		r.fail(w.line, err)
		out = append(out, got...)
	}
	return out
}

// kebab reports whether a name is lower case, digits and single dashes.
func kebab(s string) bool {
	if s == "" || len(s) > 100 || s[0] == '-' || s[len(s)-1] == '-' || strings.Contains(s, "--") {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// interfaceName holds what goes into rules to what the kernel allows and no
// syntax can misread.
func interfaceName(s string) bool {
	if len(s) > 15 || s == "." || s == ".." {
		return false
	}
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@", r) {
			return false
		}
	}
	return true
}
