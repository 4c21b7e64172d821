package zone

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// few is how many devices an effect names one by one; more become a crowd.
const few = 3

// member is a kind of denied conversation and what was seen of it.
type member struct {
	deniedKey
	*deniedSum
}

// clusterKey is what one effect has in common.
type clusterKey struct {
	fromZone, toZone, service string
	class                     *class
	rule                      string
	life                      bool
}

// cluster becomes one effect.
type cluster struct {
	clusterKey
	members []member
}

// effects turns what was denied into what people would notice, the worst
// first, and what had better be denied.
func (s *simulator) effects() (effects, blocked []Effect) {
	by := map[clusterKey]*cluster{}
	var order []*cluster
	for _, m := range s.members() {
		k := s.clusterOf(m)
		if by[k] == nil {
			by[k] = &cluster{clusterKey: k}
			order = append(order, by[k])
		}
		by[k].members = append(by[k].members, m)
	}
	for _, whole := range order {
		for _, c := range whole.split() {
			e := s.effect(c)
			if c.rule != "" && !c.life {
				blocked = append(blocked, e)
			} else {
				effects = append(effects, e)
			}
		}
	}
	slices.SortFunc(effects, worse)
	slices.SortFunc(blocked, worse)
	return effects, blocked
}

func worse(a, b Effect) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.PerDay, a.PerDay), strings.Compare(a.Text.EN, b.Text.EN))
}

// members are the denied conversations in a fixed order.
func (s *simulator) members() []member {
	out := make([]member, 0, len(s.denied))
	for k, d := range s.denied {
		out = append(out, member{k, d})
	}
	slices.SortFunc(out, func(a, b member) int {
		return cmp.Or(strings.Compare(a.fromZone, b.fromZone), strings.Compare(a.toZone, b.toZone), strings.Compare(a.service, b.service),
			a.client.Compare(b.client), a.server.Compare(b.server), cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port))
	})
	return out
}

func (s *simulator) clusterOf(m member) clusterKey {
	k := clusterKey{fromZone: m.fromZone, toZone: m.toZone, service: m.service}
	from, to := kindIn(s.zones, m.fromZone), kindIn(s.zones, m.toZone)
	k.life = s.alive(m.client, from) || s.alive(m.server, to)
	k.class = s.classOf(m, to)
	if z := s.zones[m.fromZone]; z != nil && s.zones[m.toZone] != nil {
		t := talk{from: from, to: to, sameZone: m.fromZone == m.toZone, isolated: z.Isolated, span: Span{m.proto, m.port, m.port}, service: m.service}
		for _, r := range broken(t) {
			if r.Refuse {
				k.rule = r.ID
				break
			}
		}
	}
	return k
}

func kindIn(zones map[string]*Zone, name string) Kind {
	if z := zones[name]; z != nil {
		return kindOf(z.Kind)
	}
	return Kind{}
}

// alive reports whether an end keeps somebody alive.
func (s *simulator) alive(a netip.Addr, k Kind) bool {
	return k.Life || a.IsValid() && s.about(a).LifeSupport
}

func (s *simulator) classOf(m member, to Kind) *class {
	if m.refused >= m.sessions {
		return &failingClass
	}
	n := s.nodes[m.client]
	switch {
	case m.service == "dns" && n != nil && n.dnsAllowed > 0:
		return &fewerNamesClass
	case m.service == "dns" && n != nil && n.dicom > 0:
		return &dicomNamesClass
	case m.service == "ntp" && n != nil && n.ntpAllowed > 0:
		return &fewerTimeClass
	case m.service == "ntp" && n != nil && n.dicom > 0:
		return &dicomTimeClass
	}
	return classFor(m.service, to.Name, m.calls)
}

// split gives each of a few pairs of devices an effect of its own; of a
// crowd, each of a few servers.
func (c *cluster) split() []*cluster {
	clients, servers := c.ends()
	var part func(member) [2]netip.Addr
	nodes := c.class == &dicomNamesClass || c.class == &dicomTimeClass || strings.HasSuffix(c.class.kind, "-fewer")
	switch {
	case nodes || len(servers) > few:
		return []*cluster{c}
	case len(clients) <= few:
		part = func(m member) [2]netip.Addr { return [2]netip.Addr{m.client, m.server} }
	default:
		part = func(m member) [2]netip.Addr { return [2]netip.Addr{{}, m.server} }
	}
	var out []*cluster
	at := map[[2]netip.Addr]*cluster{}
	for _, m := range c.members {
		k := part(m)
		if at[k] == nil {
			at[k] = &cluster{clusterKey: c.clusterKey}
			out = append(out, at[k])
		}
		at[k].members = append(at[k].members, m)
	}
	return out
}

// ends are the distinct devices on both sides, in order.
func (c *cluster) ends() (clients, servers []netip.Addr) {
	for _, m := range c.members {
		clients, servers = append(clients, m.client), append(servers, m.server)
	}
	return sortedAddrs(clients), sortedAddrs(servers)
}

func sortedAddrs(all []netip.Addr) []netip.Addr {
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// total adds a cluster up.
func (c *cluster) total() deniedSum {
	sum := deniedSum{days: daySet{}, calls: map[string]int64{}}
	for _, m := range c.members {
		sum.sessions += m.sessions
		sum.refused += m.refused
		sum.last = max(sum.last, m.last)
		sum.clientName, sum.serverName = firstOf(sum.clientName, m.clientName), firstOf(sum.serverName, m.serverName)
		for day := range m.days {
			sum.days.add(day)
		}
		for name, n := range m.calls {
			sum.calls[name] += n
		}
	}
	return sum
}

func (s *simulator) effect(c *cluster) Effect {
	sum := c.total()
	clients, servers := c.ends()
	fromNames, toNames := s.namesOf(clients, sum.clientName), s.namesOf(servers, sum.serverName)
	amount := c.class.amount(sum.sessions, sum.calls)
	if c.class == &dicomNamesClass {
		amount = s.associations(clients)
	}
	days := max(s.sim.Days, 1)
	e := Effect{
		FromZone: orOutside(c.fromZone), ToZone: orOutside(c.toZone), Service: c.service, Kind: c.class.kind,
		From: crowd(fromNames, title("", "")).EN, To: crowd(toNames, title("", "")).EN,
		PerDay: float64(amount) / float64(days), Last: sum.last, LifeSupport: c.life,
		Clients: len(clients), Servers: len(servers), Devices: fromNames[:min(len(fromNames), 20)],
		Sessions: sum.sessions, Days: len(sum.days), Department: s.departmentOf(clients[0], c.fromZone),
	}
	e.Severity = c.severity(&sum, days)
	how := rate(amount, days, c.class.unit)
	rhythm := sum.days.rhythm(s.days)
	who, whom := crowd(fromNames, s.zoneTitle(c.fromZone)), crowd(toNames, s.zoneTitle(c.toZone))
	e.Text = ocsf.Text{
		EN: fmt.Sprintf(c.class.says.EN, who.EN, whom.EN, how.EN) + c.detail(&sum, days).EN + "." + rhythm.EN,
		ZH: fmt.Sprintf(c.class.says.ZH, who.ZH, whom.ZH, how.ZH) + c.detail(&sum, days).ZH + "。" + rhythm.ZH,
	}
	if c.life {
		e.Text = ocsf.Text{EN: "LIFE SUPPORT: " + e.Text.EN, ZH: "【生命支持】" + e.Text.ZH}
	}
	s.advise(&e, c, &sum, clients, servers)
	return e
}

// detail is what one count does not say: the service where no class knows it,
// the images of studies.
func (c *cluster) detail(sum *deniedSum, days int) ocsf.Text {
	switch c.class.kind {
	case "other", "fails-already":
		t := ServiceTitle(c.service)
		return text(" (%[1]s)", "（%[2]s）", t.EN, t.ZH)
	case "dicom-store":
		r := rate(c.class.countCalls(sum.calls), days, title("images", "幅图像"))
		return text(" (%[1]s)", "（%[2]s）", r.EN, r.ZH)
	}
	return ocsf.Text{}
}

func (c *cluster) severity(sum *deniedSum, days int) int {
	switch {
	case c.life && c.class != &failingClass:
		return critical
	case c.class.severity <= low || c.class.kind == "dicom-dns-loss":
		return c.class.severity
	case sum.sessions < int64(days) && len(sum.days) == 1:
		return c.class.severity - 1 // it happened on one day, hardly ever
	}
	return c.class.severity
}

func (s *simulator) associations(clients []netip.Addr) (n int64) {
	for _, a := range clients {
		if x := s.nodes[a]; x != nil {
			n += x.dicom
		}
	}
	return n
}

func (s *simulator) departmentOf(a netip.Addr, zone string) string {
	if a.IsValid() {
		if d := s.about(a).Department; d != "" {
			return d
		}
	}
	if z := s.zones[zone]; z != nil {
		return z.Department
	}
	return ""
}

func (s *simulator) zoneTitle(name string) ocsf.Text {
	z := s.zones[name]
	switch {
	case name == "":
		return title("no zone", "未分区")
	case z == nil || z.Title.EN == "" && z.Title.ZH == "":
		return title(name, name)
	}
	return ocsf.Text{EN: firstOf(z.Title.EN, name), ZH: firstOf(z.Title.ZH, name)}
}

// namesOf names devices: as known, for a single one as it called itself, else
// by address.
func (s *simulator) namesOf(all []netip.Addr, own string) []string {
	out := make([]string, 0, len(all))
	for _, a := range all {
		switch {
		case !a.IsValid():
			out = append(out, "further devices")
		case s.about(a).Name != "":
			out = append(out, s.about(a).Name)
		case own != "" && len(all) == 1:
			out = append(out, own)
		default:
			out = append(out, a.String())
		}
	}
	return out
}

// crowd names a few devices, and counts many.
func crowd(names []string, zone ocsf.Text) ocsf.Text {
	if len(names) <= few {
		return title(strings.Join(names, ", "), strings.Join(names, "、"))
	}
	if zone.EN == "" {
		return text("%[1]s +%[2]d", "%[1]s +%[2]d", names[0], len(names)-1)
	}
	return text("%[1]d devices of %[2]s", "%[3]s的 %[1]d 台设备", len(names), zone.EN, zone.ZH)
}

// review is how long a proposed conduit lasts before somebody looks again.
const review = 90 * 24 * time.Hour

// advise says what to do: add a conduit, give an address a zone, or let it go.
func (s *simulator) advise(e *Effect, c *cluster, sum *deniedSum, clients, servers []netip.Addr) {
	switch {
	case c.rule != "":
		r := ruleByID(c.rule)
		e.Advice = title("this is what the policy is for: "+r.Title.EN+"; "+r.Next.EN, "这正是策略要阻止的："+r.Title.ZH+"；"+r.Next.ZH)
		if !c.life {
			return
		}
	case c.class == &failingClass:
		e.Advice = title("nothing is lost; find out who still asks for it", "不会有损失；查一查是谁仍在请求")
		return
	case c.fromZone == "" || c.toZone == "":
		a := clients[0]
		if c.fromZone != "" {
			a = servers[0]
		}
		e.Advice = text("%s is in no zone: add its network to the zone it belongs to", "%s 不在任何分区：请把其网段加入所属分区", a)
		return
	case c.fromZone == c.toZone:
		e.Advice = title("the zone keeps its devices apart (isolated); add a conduit from the zone to itself if it must be", "该分区内设备相互隔离（isolated）；确有必要时添加分区到自身的通道")
	case (c.service == "dns" || c.service == "ntp") && c.toZone != "" && !kindIn(s.zones, c.toZone).Outside:
		e.Advice = text("if these are servers of yours, list them under %[1]s_servers of zone %[2]s, for every zone; or add this conduit", "如为本院服务器，请写入分区 %[2]s 的 %[1]s_servers（对所有分区生效）；或添加下列通道", c.service, c.toZone)
	default:
		e.Advice = title("if it is meant to be, add this conduit; else let it stop", "如属正常业务，请添加下列通道；否则任其停止")
	}
	if p := s.proposal(c, sum, clients, servers); len(p.Allow) > 0 {
		e.Proposal = p.Snippet()
	}
}

// proposal is the conduit that would let a cluster pass, and little else.
func (s *simulator) proposal(c *cluster, sum *deniedSum, clients, servers []netip.Addr) Conduit {
	out := Conduit{
		ID: c.fromZone + "-" + c.toZone + "-" + strings.ReplaceAll(c.service, "/", "-"), From: c.fromZone, To: c.toZone,
		FromHosts: hostsOf(clients), ToHosts: hostsOf(servers), Allow: s.allowFor(c.members),
		Reason:  fmt.Sprintf("seen: %d sessions on %s, to be reviewed", sum.sessions, dayCount(len(sum.days))),
		Expires: s.r.Made.In(s.o.Site).Add(review),
	}
	if from, to := s.zones[c.fromZone], s.zones[c.toZone]; from != nil && to != nil {
		out.Owner = firstOf(to.Owner, from.Owner)
		if from.Target < to.Target {
			out.LevelReason = "to be reviewed"
		}
	}
	if c.rule != "" {
		out.Despite = []string{c.rule}
	}
	out.ID = freeID(s.ids, out.ID)
	return out
}

// freeID numbers an id that is taken, and takes it.
func freeID(taken map[string]bool, id string) string {
	free := id
	for i := 2; taken[free]; i++ {
		free = fmt.Sprintf("%s-%d", id, i)
	}
	taken[free] = true
	return free
}

// mostHosts is how many addresses a proposed conduit lists; of more, the whole
// zone is meant.
const mostHosts = 8

func hostsOf(all []netip.Addr) []netip.Prefix {
	if len(all) > mostHosts || len(all) > 0 && !all[0].IsValid() {
		return nil
	}
	out := make([]netip.Prefix, 0, len(all))
	for _, a := range all {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out
}

// allowFor names what is needed: the service where its ports are the ones
// seen, else ports; nothing where no conduit can say it.
func (s *simulator) allowFor(members []member) []string {
	var out []string
	for _, m := range members {
		w := allowWord(s.r.Services, Span{m.proto, m.port, m.port}, m.service)
		if w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return out
}

func allowWord(own map[string][]string, at Span, service string) string {
	for _, name := range []string{service, serviceByPort[at]} {
		if name != "" && serviceHas(own, name, at) {
			return name
		}
	}
	if at.Low == 0 {
		return ""
	}
	return spanName(at)
}

// serviceHas reports whether a name of the site's or the product's covers a
// port.
func serviceHas(own map[string][]string, name string, at Span) bool {
	p := Policy{Services: own}
	spans, err := p.spansFor(name)
	return err == nil && slices.ContainsFunc(spans, func(s Span) bool {
		return s.Proto == at.Proto && s.Low <= at.Low && at.Low <= s.High
	})
}
