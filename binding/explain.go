package binding

import (
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// Judges says whether alarms of a kind are about who has an address.
func Judges(k asset.AlarmKind) bool {
	switch k {
	case asset.ARPSpoof, asset.NDPSpoof, asset.GratuitousARP, asset.DuplicateIP, asset.ClonedMAC, asset.RogueDHCP, asset.RogueRA,
		asset.UnboundAddress, asset.FlipFlop, asset.BridgingHost, asset.MovedDevice:
		return true
	}
	return false
}

// Explain says in words what an alarm rests on, by its reason, the first of its
// Args. An unknown reason is empty.
func Explain(why string) ocsf.Text {
	for _, r := range reasons() {
		if r.why == why {
			return r.text
		}
	}
	return ocsf.Text{}
}

// Reasons lists all reasons.
func Reasons() []string {
	var list []string
	for _, r := range reasons() {
		list = append(list, r.why)
	}
	return list
}

type reason struct {
	why  string
	text ocsf.Text
}

func reasons() []reason {
	return []reason{
		{WhyBound, ocsf.Text{EN: "a person bound the address to another device", ZH: "该地址已由人工绑定给另一台设备"}},
		{WhyUnasked, ocsf.Text{EN: "it sent an answer nobody asked for, which takes an address in use", ZH: "无人询问却发出应答，抢占正在使用的地址"}},
		{WhyAnswers, ocsf.Text{EN: "it answers for an address in use, though it has one of its own", ZH: "自己另有地址，却替正在使用的地址作答"}},
		{WhyAsks, ocsf.Text{EN: "it asks in the name of an address in use, though it has one of its own", ZH: "自己另有地址，却以他人正在使用的地址发出询问"}},
		{WhyForwards, ocsf.Text{EN: "it sends packets in the name of others", ZH: "以他人地址发送数据包"}},
		{WhyAnnounces, ocsf.Text{EN: "unasked, it announces as its own an address that another used within the last minute", ZH: "主动宣告占有另一台设备一分钟内刚用过的地址"}},
		{WhyIdle, ocsf.Text{EN: "unasked, it announces as its own an address whose owner has been silent for a while; a cluster that moved does so, too", ZH: "主动宣告占有原使用者已沉默一段时间的地址；集群切换也会如此"}},
		{WhyBoth, ocsf.Text{EN: "two devices use the address at once", ZH: "两台设备同时使用该地址"}},
		{WhyReturned, ocsf.Text{EN: "it took the address of a device that is still there", ZH: "占用了仍在线设备的地址"}},
		{WhyTurns, ocsf.Text{EN: "the address went to and fro between the two several times within ten minutes", ZH: "十分钟内该地址在两台设备之间多次来回变换"}},
		{WhyPort, ocsf.Text{EN: "the MAC is bound to another port", ZH: "该 MAC 绑定在另一端口"}},
		{WhyTwoPorts, ocsf.Text{EN: "the MAC speaks at two ports in turn, which one machine that moved does not", ZH: "该 MAC 在两个端口交替出现，移动过的单台设备不会如此"}},
		{WhyTwoClients, ocsf.Text{EN: "two machines with different names ask for leases with one MAC, in turn", ZH: "两台名称不同的主机交替以同一 MAC 申请租约"}},
		{WhyUnknown, ocsf.Text{EN: "it is not among those that people confirmed for this network", ZH: "不在本网段经人工确认的名单之内"}},
		{WhySecond, ocsf.Text{EN: "a second one appeared, and nobody has yet said which is right", ZH: "出现了第二个，而尚无人确认哪一个是正确的"}},
		{WhyImitates, ocsf.Text{EN: "it uses the address of a known one with another MAC", ZH: "以不同的 MAC 冒用已知者的地址"}},
		{WhyUnknownMAC, ocsf.Text{EN: "the network is locked, and the MAC has no binding", ZH: "网段已锁定，而该 MAC 没有任何绑定"}},
		{WhyOther, ocsf.Text{EN: "the network is locked, and the MAC is bound to another address", ZH: "网段已锁定，而该 MAC 绑定的是其他地址"}},
		{WhyNoLease, ocsf.Text{EN: "the network is locked, and the MAC may only use what it leased; it did not lease this", ZH: "网段已锁定，该 MAC 只能使用租得的地址，而此地址并非租得"}},
		{WhyVLANs, ocsf.Text{EN: "one MAC speaks in two VLANs in turn", ZH: "同一 MAC 在两个 VLAN 交替出现"}},
		{WhyZones, ocsf.Text{EN: "one MAC uses addresses of two zones in turn", ZH: "同一 MAC 交替使用两个区域的地址"}},
		{WhyName, ocsf.Text{EN: "one machine, by its name, is alive with two network cards in two zones", ZH: "按名称为同一主机，两块网卡同时活跃于两个区域"}},
		{WhyMoved, ocsf.Text{EN: "it is bound in another network than where it speaks", ZH: "其绑定的网段与出现的网段不同"}},
		{WhyDropped, ocsf.Text{EN: "the guard of the bridge dropped it, so it did no harm", ZH: "已被网桥防护丢弃，未造成影响"}},
	}
}
