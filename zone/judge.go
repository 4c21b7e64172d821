package zone

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
)

// mostJudged bounds what a judge remembers of one day.
const mostJudged = 100_000

// Judge watches conversations as they come and says which ones no conduit
// allows: an alarm once a day for each pair of zones, service and client. It
// never blocks anything. All methods may be called concurrently.
//
// The arguments of its alarms are the zone of the client, that of the server,
// the service, the id of the rule of the house it breaks too ("" for none),
// and "life-support" where an end keeps somebody alive.
type Judge struct {
	k    Knowledge
	site *time.Location

	mu    sync.Mutex
	set   *Ruleset            // guarded by mu; nil without a policy
	day   int32               // guarded by mu: the newest
	told  map[judged]struct{} // guarded by mu: of that day and the one before
	other int64               // guarded by mu: beyond mostJudged
}

type judged struct {
	client, from, to, service string
	day                       int32
}

// NewJudge makes a judge without a policy, which says nothing.
func NewJudge(k Knowledge, site *time.Location) *Judge {
	return &Judge{k: k, site: site, told: map[judged]struct{}{}}
}

// Use sets the policy to judge by; nil for none. What was told of today may be
// told again: another policy, another verdict.
func (j *Judge) Use(r *Ruleset) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.set, j.told = r, map[judged]struct{}{}
}

// Untold counts violations that were not told, because a day had too many.
func (j *Judge) Untold() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.other
}

func (j *Judge) ruleset() *Ruleset {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.set
}

// Verdict is what the policy says of a conversation; false without a policy.
func (j *Judge) Verdict(c *flow.Conversation) (Verdict, bool) {
	set := j.ruleset()
	if set == nil {
		return Verdict{}, false
	}
	return set.verdict(c), true
}

func (r *Ruleset) verdict(c *flow.Conversation) Verdict {
	return r.Decide(Tuple{From: c.Client, To: c.Server, Proto: c.Proto, Port: portOf(c)})
}

// Watch judges one conversation. It gives an alarm where no conduit allows it,
// where a rule of the house is broken within a zone, and where something else
// than the conduit is for goes through its port (a database behind 443).
func (j *Judge) Watch(c *flow.Conversation) (asset.Alarm, bool) {
	set := j.ruleset()
	if set == nil || multicast(c.Server) || !c.Client.IsValid() || !c.Server.IsValid() {
		return asset.Alarm{}, false
	}
	v := set.verdict(c)
	service := ServiceName(c.Proto, portOf(c), c.App)
	rule := set.ruleOf(c, v, service)
	if v.Allow && rule == "" || v.FromZone == "" && v.ToZone == "" {
		return asset.Alarm{}, false // of strangers to each other and to us, no zone can say anything
	}
	if !j.fresh(judged{c.Client.String(), v.FromZone, v.ToZone, service, dayOf(c.Until-1, j.site)}) {
		return asset.Alarm{}, false
	}
	return j.alarm(set, c, v, service, rule), true
}

// ruleOf is the custom that a conversation breaks and nobody allowed, "" for
// none. What a conduit allows by its ports, a person has decided; what is found
// by content behind other ports, nobody has.
func (r *Ruleset) ruleOf(c *flow.Conversation, v Verdict, service string) string {
	from, to := zoneNamed(r.Zones, v.FromZone), zoneNamed(r.Zones, v.ToZone)
	if from == nil || to == nil {
		return ""
	}
	t := talk{from: kindOf(from.Kind), to: kindOf(to.Kind), sameZone: from == to, isolated: from.Isolated, span: Span{c.Proto, portOf(c), portOf(c)}}
	decided := v.Allow && v.Conduit != SameZone
	byPort := broken(t)
	t.service = service
	for _, rule := range broken(t) {
		if !decided || c.App != "" && !slices.Contains(byPort, rule) {
			return rule.ID
		}
	}
	return ""
}

// fresh reports whether something was not told yet that day.
func (j *Judge) fresh(what judged) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if what.day > j.day {
		j.day = what.day
		maps.DeleteFunc(j.told, func(old judged, _ struct{}) bool { return old.day < what.day-1 })
	}
	if _, told := j.told[what]; told {
		return false
	}
	if len(j.told) >= mostJudged {
		j.other++
		return false
	}
	j.told[what] = struct{}{}
	return true
}

func (j *Judge) alarm(set *Ruleset, c *flow.Conversation, v Verdict, service, rule string) asset.Alarm {
	client, server := j.k.About(c.Client), j.k.About(c.Server)
	args := []string{orOutside(v.FromZone), orOutside(v.ToZone), service, rule}
	if client.LifeSupport || server.LifeSupport || set.life(v.FromZone) || set.life(v.ToZone) {
		args = append(args, "life-support")
	}
	return asset.Alarm{
		Kind: asset.ZoneViolation, At: c.Until * int64(time.Millisecond), Sensor: c.Sensor, VLAN: c.VLAN, Args: args, Count: max(c.Sessions, 1),
		Culprit: asset.Party{IP: c.Client, Name: firstOf(client.Name, c.ClientName)},
		Victim:  asset.Party{IP: c.Server, Port: portOf(c), Name: firstOf(server.Name, c.ServerName)},
	}
}

func (r *Ruleset) life(zone string) bool {
	z := zoneNamed(r.Zones, zone)
	return z != nil && kindOf(z.Kind).Life
}
