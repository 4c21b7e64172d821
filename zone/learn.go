package zone

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
)

// LearnOptions say how to learn.
type LearnOptions struct {
	Now  time.Time
	Site *time.Location
	// Most is the share of a zone's devices that must do something before the
	// whole zone may; 0 means 0.6.
	Most float64
}

// Proposal is a policy for a person to approve.
type Proposal struct {
	Policy Policy
	// New are the ids of the conduits proposed, those that open least first.
	New []string
	// Left is what was seen and is not proposed, with the reason.
	Left []LeftOut
	// Days, Sessions and Covered say what it rests on: sessions seen, and those
	// that would pass.
	Days              int
	Sessions, Covered int64
	comments          map[string][]string
}

// LeftOut is a kind of conversation that was seen and is not proposed.
type LeftOut struct {
	FromZone string    `json:"from_zone"`
	ToZone   string    `json:"to_zone"`
	Service  string    `json:"service"`
	Why      string    `json:"why"` // a rule's id, or scan, once, unanswered, no-zone, unknown-protocol
	Title    ocsf.Text `json:"title"`
	Sessions int64     `json:"sessions"`
	Clients  int       `json:"clients"`
	Servers  int       `json:"servers"`
	Example  string    `json:"example"`
}

// The reasons that are no rules.
const (
	leftScan       = "scan"
	leftOnce       = "once"
	leftUnanswered = "unanswered"
	leftNoZone     = "no-zone"
	leftUnknown    = "unknown-protocol"
)

var leftTitles = map[string]ocsf.Text{
	leftScan:       title("the client tries many addresses or ports: a scan", "发起方尝试大量地址或端口：疑似扫描"),
	leftOnce:       title("seen once only", "只出现过一次"),
	leftUnanswered: title("nobody ever answered", "从未得到应答"),
	leftNoZone:     title("an end is in no zone", "一端不在任何分区"),
	leftUnknown:    title("no conduit can say this protocol", "通道无法描述该协议"),
}

// learntKey is one kind of conversation seen.
type learntKey struct {
	client, server netip.Addr
	proto          uint8
	port           uint16
	service        string
}

type learnt struct {
	sessions, refused int64
	last              int64
	days              daySet
	vlan              uint16
}

// talker is what a client does to how many.
type talker struct {
	targets map[netip.AddrPort]struct{}
	refused int
}

const (
	mostLearnt  = 500_000
	mostTargets = 100 // distinct address and port pairs of one client that is watched for scanning
	scanTargets = 40
)

type learner struct {
	p       Policy
	k       Knowledge
	o       LearnOptions
	seen    map[learntKey]*learnt
	talkers map[netip.Addr]*talker
	hosts   map[string]map[netip.Addr]bool // by zone
	days    daySet
	set     *Ruleset
	out     Proposal
	left    map[[4]string]*LeftOut
	leftBy  map[[4]string][2]map[netip.Addr]bool
	known   map[netip.Addr]Known
	ids     map[string]bool
}

// Learn proposes the fewest conduits that cover what was seen and p does not
// allow yet. Where p has no zones, it proposes those too, from networks, VLANs
// and kinds of devices. A conduit is for single devices unless most of a zone
// does the same. What breaks a rule of the house ([Rules]), scans, what was
// seen once and what nobody answered is left out, and listed. Every conduit
// says what it rests on and expires after 90 days.
func Learn(ctx context.Context, p Policy, flows iter.Seq2[flow.Conversation, error], k Knowledge, o LearnOptions) (Proposal, error) {
	if o.Most == 0 {
		o.Most = 0.6
	}
	if o.Site == nil {
		o.Site = time.UTC
	}
	l := &learner{p: p, k: k, o: o, seen: map[learntKey]*learnt{}, talkers: map[netip.Addr]*talker{}, hosts: map[string]map[netip.Addr]bool{},
		days: daySet{}, left: map[[4]string]*LeftOut{}, leftBy: map[[4]string][2]map[netip.Addr]bool{}, known: map[netip.Addr]Known{}, ids: map[string]bool{}}
	l.out.comments = map[string][]string{}
	n := 0
	for c, err := range flows {
		if n++; err == nil && n&0xfff == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return Proposal{}, fmt.Errorf("learn a policy: %w", err)
		}
		l.add(&c)
	}
	return l.propose()
}

func (l *learner) add(c *flow.Conversation) {
	if multicast(c.Server) || !c.Client.IsValid() || !c.Server.IsValid() {
		return
	}
	day := dayOf(c.Until-1, l.o.Site)
	l.days.add(day)
	k := learntKey{c.Client.Unmap(), c.Server.Unmap(), c.Proto, portOf(c), ServiceName(c.Proto, portOf(c), c.App)}
	s := l.seen[k]
	if s == nil {
		if len(l.seen) >= mostLearnt {
			return // what comes later than half a million kinds is not learnt from
		}
		s = &learnt{days: daySet{}}
		l.seen[k] = s
	}
	s.sessions += max(c.Sessions, 1)
	s.refused += c.Refused
	s.last = max(s.last, c.Until)
	s.vlan = cmp.Or(c.VLAN, s.vlan)
	s.days.add(day)
}

func (l *learner) about(a netip.Addr) Known {
	k, ok := l.known[a]
	if !ok {
		k = l.k.About(a)
		l.known[a] = k
	}
	return k
}

// keys are the kinds of conversations seen, in a fixed order.
func (l *learner) keys() []learntKey {
	out := make([]learntKey, 0, len(l.seen))
	for k := range l.seen {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b learntKey) int {
		return cmp.Or(a.client.Compare(b.client), a.server.Compare(b.server), cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port), strings.Compare(a.service, b.service))
	})
	return out
}

func (l *learner) propose() (Proposal, error) {
	keys := l.keys()
	if len(l.p.Zones) == 0 {
		l.proposeZones(keys)
	}
	set, err := Compile(l.p, l.o.Now)
	if err != nil {
		return Proposal{}, fmt.Errorf("learn a policy: %w", err)
	}
	l.set = set
	for _, c := range set.Conduits {
		l.ids[c.ID] = true
	}
	for _, k := range keys {
		l.meet(k)
	}
	wanted := map[wish]*wished{}
	for _, k := range keys {
		l.consider(k, wanted)
	}
	l.conduits(wanted)
	l.finish()
	return l.out, nil
}

// meet counts who is in a zone and who tries how much.
func (l *learner) meet(k learntKey) {
	for _, a := range []netip.Addr{k.client, k.server} {
		if z := l.set.Place(a); z != nil && (a == k.client || l.seen[k].refused < l.seen[k].sessions) {
			if l.hosts[z.Name] == nil {
				l.hosts[z.Name] = map[netip.Addr]bool{}
			}
			l.hosts[z.Name][a] = true
		}
	}
	t := l.talkers[k.client]
	if t == nil {
		t = &talker{targets: map[netip.AddrPort]struct{}{}}
		l.talkers[k.client] = t
	}
	if len(t.targets) < mostTargets {
		t.targets[netip.AddrPortFrom(k.server, k.port)] = struct{}{}
		if l.seen[k].refused*2 >= l.seen[k].sessions {
			t.refused++
		}
	}
}

// scans reports whether a client tries much and gets little.
func (t *talker) scans() bool {
	return len(t.targets) >= scanTargets && t.refused*2 >= len(t.targets)
}

// wish is what one service from a zone to one server needs.
type wish struct {
	from, to, word string
	server         netip.Addr
}

type wished struct {
	clients  map[netip.Addr]bool
	sessions int64
	last     int64
	days     daySet
}

func (l *learner) consider(k learntKey, wanted map[wish]*wished) {
	s := l.seen[k]
	l.out.Sessions += s.sessions
	v := l.set.Decide(Tuple{From: k.client, To: k.server, Proto: k.proto, Port: k.port})
	if v.Allow {
		l.out.Covered += s.sessions
		return
	}
	if why := l.why(k, s, v); why != "" {
		l.leave(k, s, v, why)
		return
	}
	w := wish{v.FromZone, v.ToZone, allowWord(l.p.Services, Span{k.proto, k.port, k.port}, k.service), k.server}
	if w.word == "" {
		l.leave(k, s, v, leftUnknown)
		return
	}
	l.out.Covered += s.sessions
	x := wanted[w]
	if x == nil {
		x = &wished{clients: map[netip.Addr]bool{}, days: daySet{}}
		wanted[w] = x
	}
	x.clients[k.client] = true
	x.sessions += s.sessions
	x.last = max(x.last, s.last)
	for day := range s.days {
		x.days.add(day)
	}
}

// why says why something is not proposed, "" if it is.
func (l *learner) why(k learntKey, s *learnt, v Verdict) string {
	switch {
	case v.OutsideZones:
		return leftNoZone
	case l.talkers[k.client].scans():
		return leftScan
	case s.refused >= s.sessions:
		return leftUnanswered
	case s.sessions == 1:
		return leftOnce
	}
	from, to := l.set.Place(k.client), l.set.Place(k.server)
	t := talk{from: kindOf(from.Kind), to: kindOf(to.Kind), sameZone: from == to, isolated: from.Isolated, span: Span{k.proto, k.port, k.port}, service: k.service}
	if rules := broken(t); len(rules) > 0 {
		return rules[0].ID
	}
	if from.Kind == "supplier" {
		return "supplier-second-device"
	}
	return ""
}

func (l *learner) leave(k learntKey, s *learnt, v Verdict, why string) {
	at := [4]string{orOutside(v.FromZone), orOutside(v.ToZone), k.service, why}
	x := l.left[at]
	if x == nil {
		x = &LeftOut{FromZone: at[0], ToZone: at[1], Service: at[2], Why: why, Title: leftTitle(why), Example: k.client.String() + " -> " + k.server.String()}
		l.left[at] = x
		l.leftBy[at] = [2]map[netip.Addr]bool{{}, {}}
	}
	x.Sessions += s.sessions
	l.leftBy[at][0][k.client], l.leftBy[at][1][k.server] = true, true
	x.Clients, x.Servers = len(l.leftBy[at][0]), len(l.leftBy[at][1])
}

func leftTitle(why string) ocsf.Text {
	if r := ruleByID(why); r != nil {
		return r.Title
	}
	if t, ok := leftTitles[why]; ok {
		return t
	}
	return title("a supplier's access is written by hand, with its ticket", "厂商接入须凭工单手工填写")
}

// sameClients is what servers have in common that become one conduit.
type sameClients struct{ from, to, word, clients string }

// conduits turns wishes into few conduits: servers with the same clients
// together, then services between the same ends together.
func (l *learner) conduits(wanted map[wish]*wished) {
	byClients := map[sameClients]*plot{}
	for w, x := range wanted {
		clients := l.hostsOf(w.from, x.clients)
		k := sameClients{w.from, w.to, w.word, fmt.Sprint(clients)}
		if byClients[k] == nil {
			byClients[k] = &plot{from: w.from, to: w.to, clients: clients, servers: map[netip.Addr]bool{}, days: daySet{}, all: map[netip.Addr]bool{}}
		}
		byClients[k].take(w, x)
	}
	byEnds := map[string]*plot{}
	for _, p := range byClients {
		p.hosts = l.hostsOf(p.to, p.servers)
		k := fmt.Sprint(p.from, "|", p.to, "|", p.clients, "|", p.hosts)
		if old := byEnds[k]; old != nil {
			old.join(p)
		} else {
			byEnds[k] = p
		}
	}
	plots := make([]*plot, 0, len(byEnds))
	for _, k := range sortedKeys(byEnds) {
		p := byEnds[k]
		slices.Sort(p.words)
		p.words = slices.Compact(p.words)
		plots = append(plots, p)
	}
	slices.SortStableFunc(plots, func(a, b *plot) int { return cmp.Compare(l.opens(a), l.opens(b)) })
	for _, p := range plots {
		l.write(p)
	}
}

// plot is a conduit in the making.
type plot struct {
	from, to       string
	clients, hosts []netip.Prefix // nil: the whole zone
	servers, all   map[netip.Addr]bool
	words          []string
	sessions, last int64
	days           daySet
}

func (p *plot) take(w wish, x *wished) {
	p.servers[w.server] = true
	p.words = append(p.words, w.word)
	p.add(x.sessions, x.last, x.days)
	for a := range x.clients {
		p.all[a] = true
	}
}

func (p *plot) join(o *plot) {
	p.words = append(p.words, o.words...)
	p.add(o.sessions, o.last, o.days)
	for a := range o.all {
		p.all[a] = true
	}
}

func (p *plot) add(sessions, last int64, days daySet) {
	p.sessions += sessions
	p.last = max(p.last, last)
	for day := range days {
		p.days.add(day)
	}
}

// hostsOf lists devices, or nothing where most of the zone's are among them:
// then the zone is meant. What is out in the internet, or many, is the zone.
func (l *learner) hostsOf(zone string, some map[netip.Addr]bool) []netip.Prefix {
	all := l.hosts[zone]
	z := zoneNamed(l.p.Zones, zone)
	if z != nil && z.everywhere() && len(some) > mostHosts || len(some) > mostNetworks {
		return nil
	}
	if len(some) > few && float64(len(some)) >= l.o.Most*float64(len(all)) && z != nil && !z.everywhere() {
		return nil
	}
	out := make([]netip.Prefix, 0, len(some))
	for a := range some {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return tidy(out)
}

func zoneNamed(zones []Zone, name string) *Zone {
	for i := range zones {
		if zones[i].Name == name {
			return &zones[i]
		}
	}
	return nil
}

// opens is how many pairs of devices and services a conduit lets talk.
func (l *learner) opens(p *plot) int {
	count := func(hosts []netip.Prefix, zone string) int {
		if hosts == nil {
			return max(len(l.hosts[zone]), 1) + 10
		}
		return len(hosts)
	}
	return count(p.clients, p.from) * count(p.hosts, p.to) * len(p.words)
}

func (l *learner) write(p *plot) {
	c := Conduit{
		ID: freeID(l.ids, p.from+"-"+p.to+"-"+strings.ReplaceAll(p.words[0], "/", "-")), From: p.from, To: p.to, FromHosts: p.clients, ToHosts: p.hosts,
		Allow: p.words, Owner: "to-be-named", Reason: fmt.Sprintf("learnt, %d sessions on %s, to be reviewed", p.sessions, dayCount(len(p.days))),
		Expires: l.o.Now.In(l.o.Site).Add(review),
	}
	from, to := zoneNamed(l.p.Zones, p.from), zoneNamed(l.p.Zones, p.to)
	c.Owner = firstOf(to.Owner, firstOf(from.Owner, c.Owner))
	if from.Target < to.Target {
		c.LevelReason = "to be reviewed"
	}
	l.p.Conduits = append(l.p.Conduits, c)
	l.out.New = append(l.out.New, c.ID)
	when := time.UnixMilli(p.last).In(l.o.Site).Format(time.DateOnly)
	l.out.comments[c.ID] = []string{
		fmt.Sprintf("%d sessions on %s, %d clients, %d servers, last on %s", p.sessions, dayCount(len(p.days)), len(p.all), len(p.servers), when),
		fmt.Sprintf("%d 天内 %d 次会话，%d 个客户端，%d 个服务端，最近一次 %s", len(p.days), p.sessions, len(p.all), len(p.servers), when),
	}
}

const mostLeft = 200 // lines of comment about what was left out

func (l *learner) finish() {
	for _, x := range l.left {
		l.out.Left = append(l.out.Left, *x)
	}
	slices.SortFunc(l.out.Left, func(a, b LeftOut) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), strings.Compare(a.FromZone+a.ToZone+a.Service+a.Why, b.FromZone+b.ToZone+b.Service+b.Why))
	})
	if l.p.Name == "" {
		l.p.Name = "learnt"
	}
	l.p.Version = 1
	l.out.Policy, l.out.Days = l.p, len(l.days)
	top := []string{
		fmt.Sprintf("Learnt from %d sessions on %s; %d of them would pass. For a person to approve:", l.out.Sessions, dayCount(l.out.Days), l.out.Covered),
		"name owners, delete what should not be, then cordon zone check and simulate.",
		fmt.Sprintf("由 %d 天的 %d 次会话学习而来，其中 %d 次会被放行。须由人审批：", l.out.Days, l.out.Sessions, l.out.Covered),
		"填写责任人，删除不应存在的通道，然后运行 cordon zone check 与 simulate。",
	}
	for _, t := range l.days.cautions() {
		top = append(top, t.EN, t.ZH)
	}
	for i, x := range l.out.Left {
		if i == 0 {
			top = append(top, "", "Not proposed / 未列入：")
		}
		if i == mostLeft {
			top = append(top, "... "+strconv.Itoa(len(l.out.Left)-i))
			break
		}
		top = append(top, fmt.Sprintf("- %s -> %s %s, %d sessions, %d clients, %d servers (%s): %s / %s", x.FromZone, x.ToZone, x.Service, x.Sessions, x.Clients, x.Servers, x.Example, x.Title.EN, x.Title.ZH))
	}
	l.out.comments[""] = top
}

// Text is the proposal as a policy file with comments for the person who
// approves it.
func (p Proposal) Text() string { return p.Policy.Commented(p.comments) }
