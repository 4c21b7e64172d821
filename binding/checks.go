package binding

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// Checks are what the book of addresses can answer.
func (b *Book) Checks() []evidence.Check {
	return []evidence.Check{
		{
			ID:       "addresses-traceable",
			Title:    ocsf.Text{EN: "Every address leads to a person", ZH: "地址可追溯到责任人"},
			Why:      ocsf.Text{EN: "Addresses in use that somebody confirmed and that have a person or department responsible.", ZH: "在用地址是否已确认并落实责任人或科室。"},
			Controls: []string{"GB/T 22239-2019 8.1.3.1", "网络安全法 第二十一条"},
			Ask:      b.traceable,
		},
		{
			ID:       "networks-locked",
			Title:    ocsf.Text{EN: "Networks are locked against unbound addresses", ZH: "网段已启用地址绑定"},
			Why:      ocsf.Text{EN: "Networks with confirmed addresses in which an unbound one is an alarm.", ZH: "已确认地址的网段是否启用绑定：未绑定地址即告警。"},
			Controls: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 1.2"},
			Ask:      b.locked,
		},
	}
}

func (b *Book) traceable(ctx context.Context, _ int64) (evidence.Answer, error) {
	list, err := b.List(ctx, Filter{})
	if err != nil {
		return evidence.Answer{}, err
	}
	good := 0
	var open []evidence.Ref
	for _, x := range list {
		if x.State != Learnt && (x.Person != "" || x.Department != "") {
			good++
		} else if len(open) < 50 {
			open = append(open, evidence.Ref{Kind: Kind, ID: x.ID})
		}
	}
	a := evidence.Share(good, len(list),
		ocsf.Text{EN: fmt.Sprintf("%d of %d addresses are confirmed and somebody's", good, len(list)), ZH: fmt.Sprintf("%d / %d 个地址已确认并有责任方", good, len(list))},
		ocsf.Text{EN: "review the learnt addresses on the page Addresses, network by network", ZH: "在“地址”页面按网段审核已学习的地址"})
	a.Proof = open
	return a, nil
}

func (b *Book) locked(ctx context.Context, _ int64) (evidence.Answer, error) {
	locked := map[string]bool{}
	for _, n := range b.Networks() {
		if n.Locked && n.Prefix.IsValid() {
			locked[n.Prefix.Masked().String()] = true
		}
	}
	list, err := b.List(ctx, Filter{})
	if err != nil {
		return evidence.Answer{}, err
	}
	good, all := 0, 0
	for _, x := range list {
		if x.State == Learnt {
			continue
		}
		if all++; x.State == Locked || inAny(locked, x.IP) {
			good++
		}
	}
	return evidence.Share(good, all,
		ocsf.Text{EN: fmt.Sprintf("%d of %d confirmed addresses are locked, or stand in %d locked networks", good, all, len(locked)),
			ZH: fmt.Sprintf("%d / %d 个已确认地址已锁定，或位于 %d 个已锁定网段", good, all, len(locked))},
		ocsf.Text{EN: "lock a network once its addresses are reviewed", ZH: "网段地址审核完成后予以锁定"}), nil
}

func inAny(prefixes map[string]bool, ip string) bool {
	a := asset.ParseAddr(ip)
	for text := range prefixes {
		if p, err := netip.ParsePrefix(text); err == nil && p.Contains(a) {
			return true
		}
	}
	return false
}
