package asset

import (
	"context"
	"fmt"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// Checks are what the book of devices can answer.
func (b *Book) Checks() []evidence.Check {
	return []evidence.Check{
		{
			ID:       "devices-accounted-for",
			Title:    ocsf.Text{EN: "Every device is known and somebody's", ZH: "设备均已识别并落实责任人"},
			Why:      ocsf.Text{EN: "Devices on the network within the last 30 days: what each is, which department it belongs to and who answers for it.", ZH: "近 30 天在网设备：类型、所属科室与责任人是否明确。"},
			Controls: []string{"GB/T 22239-2019 8.1.10.2", "45 CFR 164.310(d)(2)(iii)", "ISO/IEC 27001:2022 A.5.9"},
			Ask:      b.accounted,
		},
		{
			ID:       "devices-supported",
			Title:    ocsf.Text{EN: "No device is past its support", ZH: "无超期服役设备"},
			Why:      ocsf.Text{EN: "Devices whose end of life or of support has passed, by what people said or by their operating system.", ZH: "按登记日期或操作系统判断，设备是否已超过寿命或支持期限。"},
			Controls: []string{"GB/T 22239-2019 8.1.10.4", "IEC 80001-1:2021"},
			Ask:      b.supported,
		},
		{
			ID:       "devices-not-exploited",
			Title:    ocsf.Text{EN: "No device runs what is being exploited", ZH: "无在被利用漏洞的设备"},
			Why:      ocsf.Text{EN: "Devices with software in the list of known exploited vulnerabilities, as of the last comparison.", ZH: "截至最近一次比对，设备软件是否在已知被利用漏洞清单中。"},
			Controls: []string{"GB/T 22239-2019 8.1.10.5", "ISO/IEC 27001:2022 A.8.8"},
			Ask:      b.unexploited,
		},
	}
}

// share counts the devices of the last 30 days that are as they should be.
func (b *Book) share(now int64, good func(Device) bool, en, zh string, next ocsf.Text) evidence.Answer {
	list, _ := b.Devices(Filter{Since: now - (30 * 24 * time.Hour).Milliseconds()})
	n := 0
	for _, d := range list {
		if good(d) {
			n++
		}
	}
	a := evidence.Share(n, len(list), ocsf.Text{EN: fmt.Sprintf(en, n, len(list)), ZH: fmt.Sprintf(zh, n, len(list))}, next)
	for _, d := range list {
		if !good(d) && len(a.Proof) < 50 {
			a.Proof = append(a.Proof, evidence.Ref{Kind: KindDevice, ID: d.ID})
		}
	}
	return a
}

func (b *Book) accounted(_ context.Context, now int64) (evidence.Answer, error) {
	return b.share(now, func(d Device) bool { return d.What.Kind != "" && d.Department != "" && d.Owner != "" },
		"%d of %d devices have a kind, a department and an owner", "%d / %d 台设备已明确类型、科室与责任人",
		ocsf.Text{EN: "import the equipment list (cordon assets import) and fill in the rest on the page Devices", ZH: "导入设备台账（cordon assets import），其余在“设备”页面补充"}), nil
}

func (b *Book) supported(_ context.Context, now int64) (evidence.Answer, error) {
	at := time.UnixMilli(now).In(b.opts.Now().Location()).Format(time.DateOnly)
	return b.share(now, func(d Device) bool {
		return (d.EndOfLife == "" || d.EndOfLife > at) && (d.SupportEnds == "" || d.SupportEnds > at)
	},
		"%d of %d devices are within their life and support, as far as dates are known", "%d / %d 台设备在寿命与支持期内（已知日期）",
		ocsf.Text{EN: "replace, isolate into a zone of their own, or note why they stay", ZH: "更换、划入独立安全域，或说明继续使用的理由"}), nil
}

func (b *Book) unexploited(_ context.Context, now int64) (evidence.Answer, error) {
	return b.share(now, func(d Device) bool {
		for _, w := range d.Weaknesses {
			if w.Exploited {
				return false
			}
		}
		return true
	},
		"%d of %d devices run nothing that is known to be exploited", "%d / %d 台设备未运行已知被利用的软件",
		ocsf.Text{EN: "patch them, or narrow their conduits until they are", ZH: "修补，或在修补前收紧其通道"}), nil
}
