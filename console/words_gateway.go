package console

import "github.com/cordon-health/cordon/ocsf"

// gatewayWords are the texts about what leaves by mail and web.
var gatewayWords = map[string]ocsf.Text{
	"nav.gateway":  {EN: "Outgoing", ZH: "外发管控"},
	"gateway.text": {EN: "What mail and web gateways stopped because it holds patient data: who wanted to send it where, and what became of it. Values are not kept.", ZH: "邮件与网页网关因含有患者数据而拦下的内容：谁要发往何处、结果如何。不保存任何具体数值。"},
	"gateway.shut": {EN: "No gateway is connected. Set gateway.icap.listen for a web proxy such as Squid, or gateway.milter.listen for a mail server such as Postfix; docs/gateway.md has both, step by step.", ZH: "尚未接入任何网关。请为网页代理（如 Squid）设置 gateway.icap.listen，或为邮件服务器（如 Postfix）设置 gateway.milter.listen；步骤见 docs/gateway.md。"},
	"gateway.held": {EN: "Waits for approval", ZH: "等待审批"}, "gateway.held.none": {EN: "Nothing waits", ZH: "没有等待审批的内容"}, "gateway.held.none.text": {EN: "What a rule holds appears here, for somebody other than its sender to decide.", ZH: "被规则暂扣的内容会出现在此，由发送者以外的人审批。"},
	"gateway.coached": {EN: "Coached: the sender was told", ZH: "已提醒发送者"}, "gateway.coached.none": {EN: "Nobody was coached lately", ZH: "近期没有提醒记录"}, "gateway.coached.none.text": {EN: "Senders who were told that a message holds patient data, and have not said why it must go.", ZH: "已被告知内容含有患者数据、尚未说明原因的发送者。"},
	"gateway.past":   {EN: "Earlier (%d)", ZH: "更早（%d）"},
	"gateway.routes": {EN: "Routes", ZH: "路由与规则"},
	"pass.when":      {EN: "When", ZH: "时间"}, "pass.who": {EN: "From, to", ZH: "发送者与去向"}, "pass.found": {EN: "Found", ZH: "发现"}, "pass.patients": {EN: "People", ZH: "涉及人数"}, "pass.state": {EN: "State", ZH: "状态"},
	"pass.more":                {EN: "and %d more", ZH: "另有 %d 个"},
	"pass.state.coach.waiting": {EN: "Stopped; no reason given yet", ZH: "已拦下，尚未说明原因"}, "pass.state.coach.passed": {EN: "Reason given, may pass", ZH: "已说明原因，可发送"}, "pass.state.coach.refused": {EN: "Ended", ZH: "已结束"},
	"pass.state.hold.waiting": {EN: "Held", ZH: "暂扣待审"}, "pass.state.hold.passed": {EN: "Approved", ZH: "已批准"}, "pass.state.hold.refused": {EN: "Refused", ZH: "已拒绝"},
	"pass.decide": {EN: "Decide", ZH: "审批"}, "pass.approve": {EN: "Approve", ZH: "批准"}, "pass.refuse": {EN: "Refuse", ZH: "拒绝"}, "done.pass": {EN: "Decided and kept with its reason.", ZH: "已审批，原因已存证。"},
	"route.name": {EN: "Route", ZH: "路由"}, "route.fail": {EN: "When content cannot be inspected", ZH: "无法检查时"}, "route.rules": {EN: "Rules, the first that fits", ZH: "规则（按顺序，首条匹配生效）"},
	"route.open": {EN: "it passes", ZH: "放行"}, "route.closed": {EN: "it is stopped", ZH: "拦截"}, "route.norules": {EN: "everything passes", ZH: "全部放行"},
	"door.web": {EN: "Web proxy (ICAP)", ZH: "网页代理（ICAP）"}, "door.mail": {EN: "Mail server (milter)", ZH: "邮件服务器（milter）"}, "door.http": {EN: "Other gateways (HTTP)", ZH: "其他网关（HTTP）"},
	"pass.title": {EN: "Say why", ZH: "说明原因"}, "pass.heading": {EN: "Why must this be sent?", ZH: "为什么需要发送？"},
	"pass.text":         {EN: "What you wanted to send holds patient data. If your work requires it, say why; then send it again.", ZH: "您要发送的内容含有患者数据。如确因工作需要，请说明原因，然后重新发送。"},
	"pass.reason":       {EN: "Your reason", ZH: "原因"},
	"pass.reason.short": {EN: "Please write a reason of some words.", ZH: "请用几个字以上说明原因。"},
	"pass.send":         {EN: "I need to send this", ZH: "确认需要发送"},
	"pass.why":          {EN: "Your reason is kept with the time; the privacy office reads it.", ZH: "原因与时间将被留存，由隐私管理部门查阅。"},
	"pass.done":         {EN: "You may send it now", ZH: "现在可以发送"},
	"pass.done.text":    {EN: "Send the same message or upload the same content again; it passes for some hours.", ZH: "请重新发送同一邮件或重新上传同一内容，数小时内可通过。"},
}
