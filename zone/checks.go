package zone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// Checks are what keeping departments apart can answer. stands are where the
// policy of each router stands now.
func Checks(stands func(ctx context.Context) ([]Stand, error), site *time.Location) []evidence.Check {
	c := checks{stands, site}
	return []evidence.Check{
		{
			ID:       "zones-enforced",
			Title:    ocsf.Text{EN: "Departments are kept apart, and it was verified", ZH: "科室网络隔离已生效并经验证"},
			Why:      ocsf.Text{EN: "Every router between zones enforces a policy that was simulated, confirmed, and verified by real probes within the last 90 days.", ZH: "各域间路由器所执行的策略是否经过仿真、确认，并在近 90 天内以真实探测验证。"},
			Controls: []string{"GB/T 22239-2019 8.1.2.1", "GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 5.1", "45 CFR 164.312(a)(1)"},
			Ask:      c.enforced,
		},
		{
			ID:       "conduits-justified",
			Title:    ocsf.Text{EN: "Every conduit has an owner and a reason", ZH: "每条通道均有责任人与理由"},
			Why:      ocsf.Text{EN: "Conduits of the policy in force without owner or reason, or past their end, and customs of the house that a conduit breaks.", ZH: "生效策略中缺少责任人或理由、已过期，或违反惯例的通道。"},
			Controls: []string{"GB/T 22239-2019 8.1.3.2", "IEC 62443-3-2 ZCR 3"},
			Ask:      c.justified,
		},
	}
}

type checks struct {
	stands func(ctx context.Context) ([]Stand, error)
	site   *time.Location
}

// errNoPolicy says that nothing is enforced anywhere.
var errNoPolicy = errors.New("no policy is enforced")

func (c checks) enforced(ctx context.Context, now int64) (evidence.Answer, error) {
	all, err := c.stands(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if len(all) == 0 {
		return evidence.Answer{State: evidence.Unmet, Text: ocsf.Text{EN: "no router takes orders", ZH: "没有可下发策略的路由器"},
			Next: ocsf.Text{EN: "set zone.enforce on a router, or run cordon sensor --enforce there and name it in zone.routers; switches of others hold the texts of cordon zone compile", ZH: "在路由器上设置 zone.enforce 或运行 cordon sensor --enforce 并列入 zone.routers；第三方交换机使用 cordon zone compile 的配置文本"}}, nil
	}
	const recent = 90 * 24 * time.Hour
	good := 0
	var proof []evidence.Ref
	for _, s := range all {
		proof = append(proof, evidence.Ref{Kind: StandKind, ID: s.Place})
		v := s.Verified
		if s.Life == Enforced && v != nil && v.OK && len(v.Probes) > 0 && now-v.At <= recent.Milliseconds() {
			good++
		}
	}
	a := evidence.Share(good, len(all),
		ocsf.Text{EN: fmt.Sprintf("%d of %d routers enforce a verified policy", good, len(all)), ZH: fmt.Sprintf("%d / %d 台路由器执行经验证的策略", good, len(all))},
		ocsf.Text{EN: "stage, simulate, enforce and verify with probes (cordon zone verify)", ZH: "试运行、仿真、执行并以探测验证（cordon zone verify）"})
	a.Proof = proof
	return a, nil
}

func (c checks) justified(ctx context.Context, now int64) (evidence.Answer, error) {
	all, err := c.stands(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	p, ref, err := c.inForce(all)
	if errors.Is(err, errNoPolicy) {
		return evidence.Answer{State: evidence.Unmet, Text: ocsf.Text{EN: "no policy is enforced", ZH: "尚未执行任何策略"},
			Next: ocsf.Text{EN: "begin with cordon zone new or cordon zone learn", ZH: "可从 cordon zone new 或 cordon zone learn 开始"}}, nil
	}
	if err != nil {
		return evidence.Answer{}, err
	}
	at := time.UnixMilli(now).In(c.site)
	wrong := map[string]bool{}
	for _, x := range p.Check(at) {
		if x.Where != "" {
			wrong[x.Where] = true
		}
	}
	good := 0
	for i := range p.Conduits {
		if k := &p.Conduits[i]; k.Owner != "" && k.Reason != "" && !k.Ended(at) && !wrong[k.ID] {
			good++
		}
	}
	a := evidence.Share(good, len(p.Conduits),
		ocsf.Text{EN: fmt.Sprintf("%d of %d conduits have owner and reason, have not ended and break no custom", good, len(p.Conduits)),
			ZH: fmt.Sprintf("%d / %d 条通道有责任人与理由、未过期且不违反惯例", good, len(p.Conduits))},
		ocsf.Text{EN: "see cordon zone check", ZH: "详见 cordon zone check"})
	a.Proof = []evidence.Ref{ref}
	return a, nil
}

// inForce is the first policy that is enforced.
func (c checks) inForce(all []Stand) (Policy, evidence.Ref, error) {
	for _, s := range all {
		if v := s.enforced(); v != nil {
			p, err := Read([]byte(v.Text), c.site)
			return p, evidence.Ref{Kind: StandKind, ID: s.Place}, err
		}
	}
	return Policy{}, evidence.Ref{}, errNoPolicy
}
