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

// Problem is what a check has to say about a policy: refused, it cannot be
// compiled; otherwise it is worth a look.
type Problem struct {
	Refused bool `json:"refused"`
	Line    int  `json:"line,omitempty"`
	// Code is stable; for broken customs it is the rule's id.
	Code  string    `json:"code"`
	Where string    `json:"where,omitempty"` // zone or conduit
	What  ocsf.Text `json:"what"`
	Next  ocsf.Text `json:"next"`
}

// Error is the problem in one line of English.
func (p Problem) Error() string { return p.In("en") }

// In is the problem in one line of a language.
func (p Problem) In(lang string) string {
	var b strings.Builder
	if p.Line > 0 && lang == "zh" {
		fmt.Fprintf(&b, "第 %d 行：", p.Line)
	} else if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Where != "" {
		b.WriteString(p.Where + ": ")
	}
	if lang == "zh" {
		return b.String() + p.What.ZH + "；" + p.Next.ZH
	}
	return b.String() + p.What.EN + "; " + p.Next.EN
}

const farExpiry = 180 * 24 * time.Hour

// Check says what is wrong with a policy and what is worth a look, refusals
// first, by line.
func (p Policy) Check(now time.Time) []Problem {
	c := p.structure(now)
	c.usage()
	c.advice()
	if !slices.ContainsFunc(c.found, func(x Problem) bool { return x.Refused }) {
		c.shadowed(now)
	}
	slices.SortStableFunc(c.found, func(a, b Problem) int {
		if a.Refused != b.Refused {
			if a.Refused {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Line, b.Line)
	})
	return c.found
}

// fatal is the part of Check that compiling needs.
func (p Policy) fatal(now time.Time) []Problem { return p.structure(now).found }

// checking collects problems of a policy.
type checking struct {
	*plan
	now   time.Time
	found []Problem
	rules map[ruleKey][]*Rule
}

func (p *Policy) structure(now time.Time) *checking {
	c := &checking{plan: planOf(p), now: now, rules: map[ruleKey][]*Rule{}}
	c.checkZones()
	c.overlaps()
	ids := make(map[string]int, len(p.Conduits))
	for i := range p.Conduits {
		x := &p.Conduits[i]
		if first, twice := ids[x.ID]; twice {
			c.refuse(x.Line, "duplicate-id", x.ID, title(fmt.Sprintf("the id stands on line %d already", first), fmt.Sprintf("编号已在第 %d 行使用", first)),
				title("give it another", "请换一个编号"))
		}
		ids[x.ID] = x.Line
		c.conduit(x)
	}
	return c
}

func (c *checking) refuse(line int, code, where string, what, next ocsf.Text) {
	c.found = append(c.found, Problem{true, line, code, where, what, next})
}

func (c *checking) warn(line int, code, where string, what, next ocsf.Text) {
	c.found = append(c.found, Problem{false, line, code, where, what, next})
}

func (c *checking) checkZones() {
	if len(c.p.Zones) == 0 {
		c.refuse(1, "no-zones", "", title("there is no zone", "没有任何分区"), title("start from a template: cordon zone new", "请用模板开始：cordon zone new"))
	}
	seen := map[string]int{}
	ifaces := map[string]*Zone{}
	for i := range c.p.Zones {
		z := &c.p.Zones[i]
		if first, twice := seen[z.Name]; twice {
			c.refuse(z.Line, "duplicate-zone", z.Name, title(fmt.Sprintf("the name stands on line %d already", first), fmt.Sprintf("名称已在第 %d 行使用", first)), title("give it another", "请换一个名称"))
		}
		seen[z.Name] = z.Line
		c.zone(z)
		if other := ifaces[z.Interface]; other != nil && z.Interface != "" && (len(z.Networks) == 0 || len(other.Networks) == 0) {
			c.refuse(z.Line, "shared-interface", z.Name, title("it shares the interface "+z.Interface+" with "+other.Name+", and one of them has no networks", "与 "+other.Name+" 共用接口 "+z.Interface+"，而其中之一没有填写网段"), title("give both their networks", "请为两者填写网段"))
		}
		ifaces[z.Interface] = z
	}
}

func (c *checking) zone(z *Zone) {
	if !kindKnown(z.Kind) {
		hint := near(z.Kind, kindNames())
		c.refuse(z.Line, "unknown-kind", z.Name, title("there is no kind "+quote(z.Kind)+hint, "没有这种分区类型："+quote(z.Kind)), title("use one of "+strings.Join(kindNames(), ", "), "请使用："+strings.Join(kindNames(), "、")))
	}
	if len(z.Networks) == 0 && z.Interface == "" && !z.everywhere() {
		c.refuse(z.Line, "no-place", z.Name, title("it has neither networks nor an interface", "既没有网段也没有接口"), title("write networks: [10.1.2.0/24] or interface: vlan12", "请填写 networks: [10.1.2.0/24] 或 interface: vlan12"))
	}
	for _, p := range z.Networks {
		if p.Bits() == 0 && z.Kind != "internet" {
			c.refuse(z.Line, "everything", z.Name, title("it contains every address", "包含了所有地址"), title("only a zone of kind internet may; write its networks", "只有 internet 类型可以；请填写其网段"))
		}
	}
	for _, p := range slices.Concat(z.DNS, z.NTP) {
		if len(z.Networks) > 0 && !within(p, z.Networks) {
			c.refuse(z.Line, "server-outside", z.Name, title("the server "+p.String()+" is not in its networks", "服务器 "+p.String()+" 不在其网段内"), title("move the server to its zone, or add the network", "请把服务器写到所在分区，或补充网段"))
		}
	}
	if z.Owner == "" && !kindOf(z.Kind).Outside {
		c.refuse(z.Line, "no-owner", z.Name, title("nobody owns it", "没有责任人"), title("write owner: PERSON or office", "请填写 owner"))
	}
}

// overlaps finds addresses in two zones. Sorted by address, a network overlaps
// the widest before it or none.
func (c *checking) overlaps() {
	type placed struct {
		net  netip.Prefix
		zone *Zone
	}
	var all []placed
	for i := range c.p.Zones {
		for _, n := range c.p.Zones[i].Networks {
			if n.Bits() > 0 {
				all = append(all, placed{n, &c.p.Zones[i]})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return comparePrefix(a.net, b.net) })
	var widest placed
	for _, x := range all {
		if widest.zone == nil || !widest.net.Overlaps(x.net) {
			widest = x
			continue
		}
		if widest.zone != x.zone {
			c.refuse(x.zone.Line, "zone-overlap", x.zone.Name, title(x.net.String()+" lies in "+widest.net.String()+" of "+widest.zone.Name, x.net.String()+" 与分区 "+widest.zone.Name+" 的 "+widest.net.String()+" 重叠"),
				title("an address belongs to one zone: split the wider network", "一个地址只能属于一个分区：请拆分较大的网段"))
		}
	}
}

func within(p netip.Prefix, all []netip.Prefix) bool {
	return slices.ContainsFunc(all, func(n netip.Prefix) bool { return n.Bits() <= p.Bits() && n.Contains(p.Addr()) })
}

func (c *checking) conduit(x *Conduit) {
	from, to := c.zones[x.From], c.zones[x.To]
	if !c.knowsEnds(x, from, to) {
		return
	}
	if x.Owner == "" || x.Reason == "" {
		c.refuse(x.Line, "no-owner-or-reason", x.ID, title("it has no owner or no reason", "缺少责任人或理由"), title("write owner and reason: who wants it, what for", "请填写 owner 与 reason：谁需要、为什么"))
	}
	if x.Ended(c.now) {
		c.warn(x.Line, "expired", x.ID, title("it expired on "+x.Expires.Format(time.DateOnly)+" and does not count any more", "已于 "+x.Expires.Format(time.DateOnly)+" 到期，不再生效"), title("renew or delete it", "请续期或删除"))
	}
	c.hosts(x, from, to)
	c.anything(x)
	c.customs(x, from, to)
	c.levels(x, from, to)
	if from.Kind == "supplier" {
		c.supplier(x)
	}
}

func (c *checking) knowsEnds(x *Conduit, from, to *Zone) bool {
	for _, end := range []struct {
		name string
		zone *Zone
	}{{x.From, from}, {x.To, to}} {
		if end.zone == nil {
			names := make([]string, 0, len(c.p.Zones))
			for _, z := range c.p.Zones {
				names = append(names, z.Name)
			}
			c.refuse(x.Line, "unknown-zone", x.ID, title("there is no zone "+quote(end.name)+near(end.name, names), "没有分区 "+quote(end.name)), title("write the name of a zone of this file", "请填写本文件中的分区名称"))
		}
	}
	return from != nil && to != nil
}

func (c *checking) hosts(x *Conduit, from, to *Zone) {
	for _, end := range []struct {
		hosts []netip.Prefix
		zone  *Zone
	}{{x.FromHosts, from}, {x.ToHosts, to}} {
		inside := c.networks(end.zone)
		for _, h := range end.hosts {
			if len(inside) > 0 && !within(h, inside) {
				c.refuse(x.Line, "host-outside", x.ID, title(h.String()+" is not in zone "+end.zone.Name, h.String()+" 不在分区 "+end.zone.Name+" 内"), title("correct the address or the zone", "请更正地址或分区"))
			}
		}
		if len(inside) == 0 && len(end.hosts) == 0 && !c.byInterface(from, to, x) {
			c.refuse(x.Line, "no-networks", x.ID, title("it goes by addresses, but zone "+end.zone.Name+" has none", "此通道按地址匹配，但分区 "+end.zone.Name+" 没有网段"), title("give the zone its networks, or both zones an interface of their own", "请为该分区填写网段，或让两端各有独立接口"))
		}
	}
	if both := slices.Concat(x.FromHosts, x.ToHosts); len(x.FromHosts) > 0 && len(x.ToHosts) > 0 && !sameFamily(x.FromHosts, x.ToHosts) {
		c.refuse(x.Line, "families", x.ID, title("one side is IPv4, the other IPv6: "+both[0].String(), "一端为 IPv4，另一端为 IPv6："+both[0].String()), title("write both sides in one family", "请两端使用同一种地址"))
	}
}

func sameFamily(a, b []netip.Prefix) bool {
	return slices.ContainsFunc(a, func(x netip.Prefix) bool {
		return slices.ContainsFunc(b, func(y netip.Prefix) bool { return x.Addr().Is4() == y.Addr().Is4() })
	})
}

// anything refuses a conduit that opens nearly all ports between whole zones,
// and warns of one that does so between hosts.
func (c *checking) anything(x *Conduit) {
	spans, err := c.services(x.Allow)
	if err != nil {
		c.refuse(x.Line, "service", x.ID, title(err.Error(), "服务写法有误："+strings.Join(x.Allow, "、")), title("correct allow", "请更正 allow"))
		return
	}
	n := 0
	for _, s := range spans {
		n += int(s.High) - int(s.Low)
	}
	if n < 10_000 {
		return
	}
	say := c.warn
	if len(x.FromHosts) == 0 || len(x.ToHosts) == 0 {
		say = c.refuse
	}
	say(x.Line, "any-any", x.ID, title("it allows more than 10,000 ports", "开放了一万个以上的端口"), title("name the services, and hosts where it must be many", "请列出具体服务；确需大量端口时限定主机"))
}

// ruleKey is what rules look at in a conduit.
type ruleKey struct {
	from, to       string
	same, isolated bool
	word           string
}

// customs refuses or warns of conduits that break rules.
func (c *checking) customs(x *Conduit, from, to *Zone) {
	said := map[string]bool(nil)
	for _, w := range x.Allow {
		for _, r := range c.brokenBy(from, to, w) {
			if said[r.ID] {
				continue
			}
			if said == nil {
				said = map[string]bool{}
			}
			said[r.ID] = true
			c.custom(x, r)
		}
	}
	for _, id := range x.Despite {
		if !said[id] {
			c.warn(x.Line, "despite-nothing", x.ID, title("it names "+id+" under despite, but does not break that rule", "despite 中的 "+id+" 并未被违反"), title("delete it there", "请从 despite 中删除"))
		}
	}
}

func (c *checking) custom(x *Conduit, r *Rule) {
	onPurpose := slices.Contains(x.Despite, r.ID)
	switch {
	case onPurpose && x.Expires.IsZero():
		c.refuse(x.Line, r.ID, x.ID, title(r.Title.EN+", on purpose but without an end", r.Title.ZH+"，虽已注明但没有期限"), title("write expires: a day on which it is looked at again", "请填写 expires：到期复查"))
	case r.Refuse && !onPurpose:
		c.refuse(x.Line, r.ID, x.ID, r.Title, title(r.Next.EN+"; if it must be, write despite: ["+r.ID+"] and expires", r.Next.ZH+"；确有必要时写明 despite: ["+r.ID+"] 和 expires"))
	case !onPurpose:
		c.warn(x.Line, r.ID, x.ID, r.Title, title(r.Next.EN+"; if it is meant so, write despite: ["+r.ID+"] and expires", r.Next.ZH+"；如确系有意，写明 despite: ["+r.ID+"] 和 expires"))
	default:
		c.warn(x.Line, r.ID, x.ID, title(r.Title.EN+", on purpose until "+x.Expires.Format(time.DateOnly), r.Title.ZH+"，有意为之，至 "+x.Expires.Format(time.DateOnly)), title("end it as soon as it can be", "条件允许时尽早结束"))
	}
}

func (c *checking) brokenBy(from, to *Zone, w string) []*Rule {
	k := ruleKey{from: from.Kind, to: to.Kind, same: from == to, isolated: from.Isolated, word: w}
	if got, ok := c.rules[k]; ok {
		return got
	}
	var out []*Rule
	spans, _ := c.service(w) // what is wrong with it, anything says
	for _, s := range spans {
		t := talk{from: kindOf(from.Kind), to: kindOf(to.Kind), sameZone: from == to, isolated: from.Isolated, span: s}
		for _, r := range broken(t) {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	c.rules[k] = out
	return out
}

// levels wants a reason where a zone of a lower target level may open
// connections into one of a higher (IEC 62443-3-3).
func (c *checking) levels(x *Conduit, from, to *Zone) {
	if from.Target >= to.Target || x.LevelReason != "" || to.Target == 0 {
		return
	}
	c.warn(x.Line, "level", x.ID, title(fmt.Sprintf("%s (SL-T %d) opens connections into %s (SL-T %d)", from.Name, from.Target, to.Name, to.Target), fmt.Sprintf("%s（目标等级 %d）可主动连入 %s（目标等级 %d）", from.Name, from.Target, to.Name, to.Target)),
		title("write level_reason: what makes up for it", "请填写 level_reason：有何补偿措施"))
}

// supplier wants time and one device.
func (c *checking) supplier(x *Conduit) {
	if x.Expires.IsZero() {
		c.refuse(x.Line, "supplier-without-end", x.ID, title("a supplier's access has no end", "厂商接入没有期限"), title("write expires, and renew it with each ticket", "请填写 expires，随工单续期"))
	}
	if len(x.ToHosts) != 1 || !x.ToHosts[0].IsSingleIP() {
		c.refuse(x.Line, "supplier-second-device", x.ID, title("a supplier reaches more than one device", "厂商可访问不止一台设备"), title("write one address under to_hosts, and one conduit a device", "请在 to_hosts 填写一个地址，每台设备一条通道"))
	}
}

// quote keeps a person's words apart from ours.
func quote(s string) string { return "\"" + s + "\"" }
