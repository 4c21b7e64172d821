package behavior

import "github.com/cordon-health/cordon/ocsf"

// airReason says in words what an alarm of collect/wireless rests on, by its
// reason; {1} is the network's name.
func airReason(why string) ocsf.Text {
	switch why {
	case "unlisted":
		return ocsf.Text{EN: "it offers our network's name and looks like ours, but is not listed", ZH: "使用本院网络名称且外观相似，但未登记"}
	case "on-cable":
		return ocsf.Text{EN: "its number is next to that of {2}, which is on our cable", ZH: "其编号与本院有线网络上的 {2} 相邻"}
	case "unlike":
		return ocsf.Text{EN: "it offers our network's name, but differs from our access points in: {2}", ZH: "使用本院网络名称，但与本院接入点不同之处：{2}"}
	case "channels":
		return ocsf.Text{EN: "one access point's number is on channels {2} and {3} at once", ZH: "同一接入点编号同时出现在信道 {2} 与 {3}"}
	case "clocks":
		return ocsf.Text{EN: "two clocks run under one access point's number", ZH: "同一接入点编号下有两个时钟在走"}
	case "copied":
		return ocsf.Text{EN: "one access point's number shows two faces in turn: {2}", ZH: "同一接入点编号交替呈现两种特征：{2}"}
	case "weaker":
		return ocsf.Text{EN: "it is offered with {2}; it should have {3}", ZH: "当前保护为 {2}，应为 {3}"}
	case "no-pmf":
		return ocsf.Text{EN: "protection of management frames is gone", ZH: "管理帧保护已消失"}
	case "one":
		return ocsf.Text{EN: "one station is thrown off again and again, reason code {2}", ZH: "同一终端被反复断开，原因码 {2}"}
	case "all":
		return ocsf.Text{EN: "everybody is thrown off, reason code {2}", ZH: "全体终端被断开，原因码 {2}"}
	case "forged":
		return ocsf.Text{EN: "the frames' numbers are not those of the access point: somebody forges them, reason code {2}", ZH: "帧序号与接入点不符，系伪造，原因码 {2}"}
	case "unsealed":
		return ocsf.Text{EN: "the frames are unprotected, though the network requires protection, reason code {2}", ZH: "网络要求保护而帧未受保护，原因码 {2}"}
	case "any-name":
		return ocsf.Text{EN: "it answered to {2} names within a minute", ZH: "一分钟内以 {2} 个名称作答"}
	}
	return ocsf.Text{}
}
