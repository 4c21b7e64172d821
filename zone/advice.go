package zone

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// usage warns of zones that no conduit uses.
func (c *checking) usage() {
	used := map[string]bool{}
	for _, x := range slices.Concat(c.p.Conduits, c.p.Implicit()) {
		if x.Implicit {
			used[x.To] = true // every zone has them: they make none used but the servers
			continue
		}
		used[x.From], used[x.To] = true, true
	}
	for _, z := range c.p.Zones {
		if !used[z.Name] {
			c.warn(z.Line, "unused-zone", z.Name, title("no conduit leads there or from there", "没有通道进出该分区"), title("delete it, or learn what it does: cordon zone learn", "请删除，或先学习其流量：cordon zone learn"))
		}
	}
}

// advice warns of what is unwise.
func (c *checking) advice() {
	served := map[string]bool{}
	for _, x := range c.p.Implicit() {
		served[x.Allow[0]] = true
	}
	for _, service := range []string{"dns", "ntp"} {
		if !served[service] && len(c.p.Zones) > 0 {
			c.warn(1, "no-"+service, "", title("no zone serves "+service+", so no zone may use it", "没有提供 "+service+" 的分区，所有分区都无法使用"),
				title("write "+service+"_servers in the zone where the servers are; a DICOM node without names waits 15 s for each association", "请在服务器所在分区填写 "+service+"_servers；没有域名解析时，DICOM 每次关联要等 15 秒"))
		}
	}
	for i := range c.p.Zones {
		c.zoneAdvice(&c.p.Zones[i])
	}
	for i := range c.p.Conduits {
		c.conduitAdvice(&c.p.Conduits[i])
	}
}

func (c *checking) zoneAdvice(z *Zone) {
	k := kindOf(z.Kind)
	if k.Life && !z.FailOpen {
		c.warn(z.Line, "life-support", z.Name, title("life support without fail_open", "生命支持分区没有设置 fail_open"), title("write fail_open: true, so that it goes on when enforcement fails", "请写明 fail_open: true，策略失效时保持通信"))
	}
	if (z.Kind == "iomt" || z.Kind == "guest") && !z.Isolated {
		c.warn(z.Line, "not-isolated", z.Name, title("devices here may talk to each other", "区内设备可互相通信"), title("write isolated: true", "请写明 isolated: true"))
	}
	if len(z.Networks) == 0 && !z.everywhere() {
		c.warn(z.Line, "no-simulation", z.Name, title("it has an interface but no networks, so it cannot be simulated or watched", "只有接口没有网段，无法模拟和监测"), title("add its networks", "请补充网段"))
	}
	if z.Title.EN == "" || z.Title.ZH == "" {
		c.warn(z.Line, "no-title", z.Name, title("it has no title in both languages", "缺少中英文标题"), title("write title: {en: ..., zh: ...}", "请填写 title: {en: ..., zh: ...}"))
	}
}

func (c *checking) conduitAdvice(x *Conduit) {
	if x.Expires.Sub(c.now) > farExpiry && len(x.Despite) > 0 {
		c.warn(x.Line, "far-expiry", x.ID, title("an exception lasts more than half a year", "例外的期限超过半年"), title("look at it again sooner", "请缩短复查期限"))
	}
	if left := x.Expires.Sub(c.now); !x.Expires.IsZero() && !x.Ended(c.now) && left < 14*24*time.Hour {
		days := max(0, int(left.Hours()/24)) + 1
		c.warn(x.Line, "expires-soon", x.ID, title(fmt.Sprintf("it ends in %d days", days), fmt.Sprintf("将在 %d 天后到期", days)), title("renew it or let it go", "请续期或确认停用"))
	}
}

// shadowed warns of conduits of which nothing remains, because others allow
// the same already.
func (c *checking) shadowed(now time.Time) {
	r, err := Compile(*c.p, now)
	if err != nil {
		return // a conduit alone says what is wrong
	}
	live := map[string]bool{}
	x := r.prepared()
	for i := range r.Elements {
		if e := &r.Elements[i]; !live[e.Conduit] && !x.covered(r.Elements, e) {
			live[e.Conduit] = true
		}
	}
	for _, conduit := range c.p.Conduits {
		if !live[conduit.ID] && !conduit.Ended(now) {
			by := c.coveredBy(r, &conduit)
			c.warn(conduit.Line, "shadowed", conduit.ID, shadowWords(by), title("delete it, or say in one of them what it is for", "请删除，或合并说明用途"))
		}
	}
}

func shadowWords(by string) ocsf.Text {
	if by == "" {
		return title("other conduits allow all of it already", "其内容已被其他通道全部允许")
	}
	return title("the conduit "+by+" allows all of it already", "其内容已被通道 "+by+" 全部允许")
}

// coveredBy names a conduit that allows the first thing that x allows.
func (c *checking) coveredBy(r *Ruleset, x *Conduit) string {
	spans, err := c.services(x.Allow)
	if err != nil || len(spans) == 0 {
		return ""
	}
	from, to := c.zones[x.From], c.zones[x.To]
	t := Tuple{In: from.Interface, Out: to.Interface, Proto: spans[0].Proto, Port: spans[0].Low}
	comp := compiler{plan: c.plan}
	if f, g := comp.ends(from, x.FromHosts), comp.ends(to, x.ToHosts); len(f) > 0 && len(g) > 0 {
		t.From, t.To = f[0].Addr(), g[0].Addr()
	}
	if by := r.Decide(t).Conduit; by != x.ID && !strings.HasPrefix(by, SameZone) {
		return by
	}
	return ""
}

// covered reports whether an element with wider prefixes, of another conduit,
// holds all of e.
func (x *index) covered(all []Element, e *Element) bool {
	if e.ByInterface() {
		return false
	}
	shapes := x.v6
	if e.From.Addr().Is4() {
		shapes = x.v4
	}
	for i := range shapes {
		s := &shapes[i]
		if s.from > e.From.Bits() || s.to > e.To.Bits() || s.from == e.From.Bits() && s.to == e.To.Bits() {
			continue
		}
		g, ok := s.over(e)
		if !ok {
			continue
		}
		at := g.at(all, e.Low, e.Proto)
		if at >= 0 && all[at].High >= e.High && all[at].Conduit != e.Conduit {
			return true
		}
	}
	return false
}

// over is the group whose prefixes hold those of e.
func (s *shape) over(e *Element) (group, bool) {
	from, _ := e.From.Addr().Prefix(s.from) // lengths come from prefixes of this family
	to, _ := e.To.Addr().Prefix(s.to)
	if s.pairs4 != nil {
		g, ok := s.pairs4[pairKey4{number(from.Addr()), number(to.Addr()), e.Proto}]
		return g, ok
	}
	g, ok := s.pairs6[pairKey{from.Addr().As16(), to.Addr().As16(), e.Proto}]
	return g, ok
}
