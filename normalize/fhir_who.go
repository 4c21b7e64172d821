package normalize

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// setWho finds the person (or program) that did it, whom it acted for, and
// their organisation.
func (p *fhirParser) setWho(e *ocsf.Event, a *auditEvent, patients []string) {
	actor := a.actor()
	if actor != nil {
		e.Actor.User = p.user(actor, patients)
		e.Actor.Session = string(actor.policy)
	}
	for i := range a.agents {
		g := &a.agents[i]
		switch {
		case g == actor:
		case g.is("GRP", "PROV") || g.who.to("Organization"):
			if e.Actor.User.Org == "" && actor != nil {
				e.Actor.User.Org = p.words.of(g.label())
			}
		case g.is("110150") && e.Actor.AppName == "":
			e.Actor.AppName = p.words.of(g.label())
		case actor != nil && e.Actor.OnBehalfOf == nil && !g.machine() && g.is("HCP", "PAT"):
			user := p.user(g, patients)
			e.Actor.OnBehalfOf = &user
		}
	}
	if actor == nil && e.Actor.AppName == "" && len(a.agents) == 1 {
		e.Actor.AppName = p.words.of(a.agents[0].label())
	}
}

// actor is the agent that asked for it: a requestor that is a person, any
// requestor, or, where nobody is marked, a person. nil is nobody.
func (a *auditEvent) actor() *agent {
	var best *agent
	score := 0
	for i := range a.agents {
		g := &a.agents[i]
		s := 0
		switch {
		case g.requestor && !g.machine():
			s = 3
		case g.requestor:
			s = 2
		case g.person():
			s = 1
		}
		if s > score {
			best, score = g, s
		}
	}
	return best
}

func (g *agent) is(codes ...string) bool {
	for _, c := range g.kinds {
		if c.is(codes...) {
			return true
		}
	}
	return false
}

// machine says whether the agent is a device, an application or an
// organisation.
func (g *agent) machine() bool {
	return g.is("110150", "110151", "110152", "110153", "110154", "110155",
		"custodian", "authserver", "GRP", "PROV", "homeCommunityId") ||
		g.who.to("Device") || g.who.to("Organization") || g.who.to("Group")
}

// person says whether something says that the agent is a person.
func (g *agent) person() bool {
	return !g.machine() && (g.is("HCP", "ASS", "PAT", "REP", "IRCP", "AUT", "INF", "humanuser", "UserSamlAgent", "UserOauthAgent") ||
		g.who.to("Practitioner") || g.who.to("PractitionerRole") || g.isPatient() || g.isKin())
}

func (g *agent) isPatient() bool { return g.is("PAT") || g.who.to("Patient") }
func (g *agent) isKin() bool     { return g.is("REP") || g.who.to("RelatedPerson") }

// user describes an agent. Of a patient or relative who looked at the record
// the name is not kept: a patient is known by the patient's id, a relative by
// an id or a token.
func (p *fhirParser) user(g *agent, patients []string) ocsf.User {
	u := ocsf.User{Account: p.account(g)}
	switch {
	case g.isPatient():
		u.Type = "patient"
		if id := p.resolve(g.who.withoutDisplay()); id != "" {
			u.Account = id
		} else if len(patients) > 0 {
			u.Account = patients[0]
		} else {
			u.Account = p.n.key.Token(keyed.Name, u.Account)
		}
	case g.isKin():
		u.Type = "representative"
		u.Account = p.resolve(g.who.withoutDisplay())
		if u.Account == "" {
			u.Account = p.n.key.Token(keyed.Name, string(g.name))
		}
	default:
		u.FullName = p.words.of(g.fullName(u.Account))
		if g.who.to("Practitioner") || g.who.to("PractitionerRole") {
			if id := p.resolve(g.who.withoutDisplay()); id != u.Account {
				u.UID = id // perhaps the directory's person_id; it looks the account up first
			}
		}
		if g.who.to("Device") {
			u.Type = "system"
		}
	}
	for _, c := range g.kinds {
		if role := g.role(c); role != "" {
			u.Roles = append(u.Roles, role)
		}
	}
	return u
}

// account is the user as the source names it: who.identifier.value, altId,
// name, then what who refers to or shows.
func (p *fhirParser) account(g *agent) string {
	switch {
	case len(g.who.identifier.value) > 0:
		return p.words.of(bytes.TrimSpace(g.who.identifier.value))
	case len(g.altID) > 0:
		return p.words.of(g.altID)
	case len(g.name) > 0:
		return p.words.of(g.name)
	}
	if id := p.resolve(g.who); id != "" {
		return id
	}
	return string(g.who.display)
}

func (g *agent) fullName(account string) []byte {
	for _, name := range [][]byte{g.name, g.who.display} {
		if len(name) > 0 && string(name) != account {
			return name
		}
	}
	return nil
}

// role is the code of a role; codes that only tell the kind of participation
// are none.
func (g *agent) role(c coding) string {
	if c.is("humanuser", "UserSamlAgent", "UserOauthAgent", "IRCP", "AUT", "INF", "CST", "PROV",
		"110150", "110151", "110152", "110153", "110154", "110155") {
		return ""
	}
	return word(c.code)
}

func (ref reference) withoutDisplay() reference {
	ref.display = nil
	return ref
}

func (ref reference) orIdentifier() reference {
	if len(ref.display) == 0 {
		ref.display = ref.identifier.value
	}
	return ref
}

// label is a machine's or organisation's own name.
func (g *agent) label() []byte {
	switch {
	case len(g.who.display) > 0:
		return g.who.display
	case len(g.name) > 0:
		return g.name
	case len(g.who.identifier.value) > 0:
		return g.who.identifier.value
	case len(g.altID) > 0:
		return g.altID
	}
	_, id := g.who.parts()
	return id
}

// setMachines finds the client and the server. IHE names them Source and
// Destination of the data, so they change sides between reading and writing;
// an address that is a URL settles it.
func (p *fhirParser) setMachines(e *ocsf.Event, a *auditEvent) {
	client, server := a.byRole("110153", "110150"), a.byRole("110152", "custodian")
	if string(a.action) == "R" {
		client, server = a.byRole("110152"), a.byRole("110153")
	}
	if client == nil {
		client = a.byRole("110150")
	}
	if client != nil && client.isURL() && (server == nil || !server.isURL()) {
		client, server = server, client
	}
	if client != nil {
		e.SrcEndpoint = p.endpoint(client)
		if e.Actor.AppName == "" && e.Actor.User.Account == "" {
			e.Actor.AppName = p.words.of(client.label())
		}
	}
	if server != nil {
		e.DstEndpoint = p.endpoint(server)
	}
	if actor := a.actor(); actor != nil && len(actor.address) > 0 && actor != server && !actor.isURL() {
		name := e.SrcEndpoint.Name
		e.SrcEndpoint = ocsf.Endpoint{Name: name}
		setAddress(&e.SrcEndpoint, p.words.of(actor.address))
	}
}

func (a *auditEvent) byRole(codes ...string) *agent {
	for i := range a.agents {
		if g := &a.agents[i]; g.is(codes...) && !(g.requestor && !g.machine()) {
			return g
		}
	}
	return nil
}

func (g *agent) isURL() bool {
	return string(g.network) == "5" || bytes.Contains(g.address, []byte("://"))
}

func (p *fhirParser) endpoint(g *agent) ocsf.Endpoint {
	e := ocsf.Endpoint{Name: p.words.of(g.label())}
	if net := string(g.network); net != "3" && net != "4" { // telephone, e-mail
		setAddress(&e, p.words.of(g.address))
	}
	return e
}

// ipText is the text of an address, that of the source where it is the same.
func ipText(addr netip.Addr, text string) string {
	var room [48]byte
	if plain := addr.AppendTo(room[:0]); string(plain) != text {
		return string(plain)
	}
	return text
}

// setAddress fills an endpoint from an IP address, a host name or a URL, of
// which only host and port are kept.
func setAddress(e *ocsf.Endpoint, text string) {
	text = strings.TrimSpace(text)
	if i := strings.Index(text, "://"); i >= 0 {
		text = text[i+3:]
		text, _, _ = strings.Cut(text, "/")
		text, _, _ = strings.Cut(text, "?")
		if _, host, ok := strings.Cut(text, "@"); ok {
			text = host
		}
	}
	if text == "" {
		return
	}
	if strings.Trim(text, "0123456789abcdefABCDEF.:[]%") == "" || strings.Contains(text, "%") {
		if addr, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
			e.IP = ipText(addr.WithZone("").Unmap(), text)
			return
		}
	}
	if host, port, ok := strings.Cut(text, ":"); ok || strings.HasPrefix(text, "[") {
		if ap, err := netip.ParseAddrPort(text); err == nil {
			e.IP, e.Port = ap.Addr().Unmap().String(), int(ap.Port())
			return
		}
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			e.Hostname, e.Port = host, int(n)
			return
		}
	}
	e.Hostname = text
}
