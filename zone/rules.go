package zone

import (
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Rule is a custom of hospital networks that no conduit should break: the
// check refuses or warns of conduits that do, the judge names it when it
// happens, learning does not propose it.
type Rule struct {
	ID    string
	Title ocsf.Text // what happens
	Next  ocsf.Text // what to do instead
	// Refuse is set where a policy that breaks the rule is refused, unless the
	// conduit names it under despite and expires.
	Refuse bool
	breaks func(talk) bool
}

// talk is a conversation as rules see it.
type talk struct {
	from, to Kind
	sameZone bool
	isolated bool
	span     Span
	service  string // found by content, or ""
}

// does reports whether the talk is one of some services, by port or content.
func (t talk) does(names ...string) bool {
	if slices.Contains(names, t.service) {
		return true
	}
	for _, name := range names {
		for _, s := range serviceByName[name].Spans {
			if s.Proto == t.span.Proto && s.Low <= t.span.High && t.span.Low <= s.High {
				return true
			}
		}
	}
	return false
}

func (t talk) sql() bool { return t.does("mysql", "postgresql", "mssql", "oracle") }

// remote is what takes a machine over.
func (t talk) remote() bool { return t.does("rdp", "vnc", "telnet", "winrm") }

func (t talk) fromIs(kinds ...string) bool { return slices.Contains(kinds, t.from.Name) }
func (t talk) toIs(kinds ...string) bool   { return slices.Contains(kinds, t.to.Name) }

// Rules lists the customs, the gravest first.
func Rules() []Rule { return slices.Clone(ruleTable) }

var ruleTable = []Rule{
	{"internet-to-inside", title("the internet reaches into the hospital past the DMZ", "互联网绕过 DMZ 直接进入院内"),
		title("end connections from outside in a DMZ zone", "让外部连接止于 DMZ 区"), true,
		func(t talk) bool { return t.fromIs("internet") && !t.toIs("dmz", "internet") }},
	{"guest-to-inside", title("guests reach into the hospital's network", "访客网络可进入院内网络"),
		title("let guests reach the internet only", "访客只允许访问互联网"), true,
		func(t talk) bool { return t.fromIs("guest") && !t.toIs("internet", "guest") }},
	{"inside-to-guest", title("inside systems, perhaps PACS, talk to guests", "院内系统（可能是 PACS）向访客网络通信"),
		title("put the receiver into a zone of its own", "把接收方放入独立分区"), true,
		func(t talk) bool { return t.toIs("guest") && !t.fromIs("guest") }},
	{"device-to-internet", title("medical devices reach the internet", "医疗设备可访问互联网"),
		title("send it through the supplier's broker or a proxy in the DMZ, or name the fixed far end", "经厂商代理或 DMZ 代理转发，或写明固定对端"), true,
		func(t talk) bool { return t.from.Device && t.toIs("internet") }},
	{"dmz-to-database", title("the DMZ reaches a database", "DMZ 可直接访问数据库"),
		title("let it ask one internal API over 443", "只让它通过 443 调用一个内部接口"), true,
		func(t talk) bool { return t.fromIs("dmz", "internet") && (t.sql() || t.toIs("database")) }},
	{"dmz-to-directory", title("the DMZ reaches the directory (AD)", "DMZ 可访问目录服务（AD）"),
		title("give the DMZ accounts of its own", "为 DMZ 使用独立账号体系"), true,
		func(t talk) bool { return t.fromIs("dmz") && t.does("ldap", "ldaps", "kerberos", "smb") }},
	{"finance-to-pacs", title("finance reaches images", "财务区可访问影像系统"),
		title("leave it out: finance needs HIS over 443", "删除：财务只需经 443 访问 HIS"), true,
		func(t talk) bool { return t.fromIs("finance", "bank") && t.toIs("pacs", "vna", "modality", "viewer") }},
	{"building-to-clinical", title("building systems reach clinical systems", "楼宇系统可访问临床系统"),
		title("leave it out: let clinical systems ask the building server", "删除：由临床系统主动查询楼宇服务器"), true,
		func(t talk) bool { return t.fromIs("building", "building-server") && t.to.Clinical }},
	{"insurance-inward", title("connections are opened inward from a leased line", "专线对端主动连入院内"),
		title("let the front-end host open them", "由前置机主动发起连接"), true,
		func(t talk) bool { return t.fromIs("insurance", "bank") && !t.toIs("insurance", "bank") }},
	{"insurance-other-host", title("another than the front-end host is on the insurance line", "前置机以外的主机使用医保专线"),
		title("go through the front-end host", "经由前置机访问"), true,
		func(t talk) bool { return t.toIs("insurance") && !t.fromIs("insurance", "insurance-host") }},
	{"device-peer-to-peer", title("medical devices talk to each other", "医疗设备之间互相通信"),
		title("let them talk to their gateway only", "只允许设备与其网关通信"), true,
		func(t talk) bool {
			return t.fromIs("iomt", "life-support") && t.toIs(t.from.Name) || t.sameZone && t.isolated && t.from.Device
		}},
	{"risky-into-device", title("remote desktop, file shares or SQL into medical devices", "对医疗设备开放远程桌面、文件共享或 SQL"),
		title("come from the jump host, for one device and until a date", "改由堡垒机发起，限定单台设备和截止日期"), true,
		func(t talk) bool {
			return t.to.Device && !t.sameZone && !t.fromIs("management", "supplier") && (t.remote() || t.sql() || t.does("smb", "nfs", "ftp"))
		}},
	{"risky-from-device", title("medical devices open remote desktops, file shares or SQL", "医疗设备主动使用远程桌面、文件共享或 SQL"),
		title("find out why; a device that starts this may be infected", "查明原因；突然出现可能意味着设备已被感染"), false,
		func(t talk) bool {
			return t.fromIs("modality", "iomt", "life-support") && !t.sameZone && (t.remote() || t.sql() || t.does("smb", "ssh"))
		}},
	{"desktop-sql", title("a desktop asks a database directly", "终端直接访问数据库"),
		title("go through the application", "通过应用程序访问"), false,
		func(t talk) bool {
			return t.fromIs("clinician", "viewer", "staff-wifi", "office", "finance", "printing") && !t.sameZone && t.sql()
		}},
	{"management-from-elsewhere", title("management ports are used from elsewhere than the jump host", "不经堡垒机使用运维端口"),
		title("let only the management zone use them", "只允许运维管理区使用"), false,
		func(t talk) bool {
			return !t.sameZone && !t.to.Outside && !t.fromIs("management", "supplier", "security", "backup") && !(t.fromIs("building-server") && t.toIs("building")) && (t.remote() || t.does("ssh", "snmp"))
		}},
	{"hl7-past-engine", title("HL7 messages go past the integration engine", "HL7 消息绕过集成平台"),
		title("send them to the integration engine", "改为发送到集成平台"), false,
		func(t talk) bool {
			return !t.sameZone && t.does("hl7") && !t.fromIs("integration", "middleware") && !t.toIs("integration", "middleware", "iomt-gateway")
		}},
	{"unencrypted-shell", title("telnet or FTP show passwords to everyone on the way", "telnet、FTP 会在途中暴露口令"),
		title("use SSH or SFTP", "改用 SSH 或 SFTP"), false,
		func(t talk) bool { return t.does("telnet", "ftp") }},
}

func ruleByID(id string) *Rule {
	for i := range ruleTable {
		if ruleTable[i].ID == id {
			return &ruleTable[i]
		}
	}
	return nil
}

func ruleIDs() []string {
	out := make([]string, 0, len(ruleTable))
	for i := range ruleTable {
		out = append(out, ruleTable[i].ID)
	}
	return out
}

// broken gives the rules that a talk breaks.
func broken(t talk) []*Rule {
	var out []*Rule
	for i := range ruleTable {
		if ruleTable[i].breaks(t) {
			out = append(out, &ruleTable[i])
		}
	}
	return out
}
