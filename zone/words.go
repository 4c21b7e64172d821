package zone

import (
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// The severities of OCSF.
const (
	informational = 1
	low           = 2
	medium        = 3
	high          = 4
	critical      = 5
)

// class is a kind of effect: what people would notice.
type class struct {
	kind     string
	severity int
	// says has places for who, whom and how often.
	says ocsf.Text
	// unit is what is counted.
	unit ocsf.Text
	// calls begin the names of the calls that make and count it; none: any
	// conversation of the services, counted in sessions.
	calls    []string
	services []string
	// bySessions counts sessions although calls make it: one association is
	// one study, whatever number of images it brings.
	bySessions bool
}

func sessionsUnit() ocsf.Text { return title("sessions", "次会话") }

// classTable is searched from the top; the first that fits is the effect.
var classTable = []class{
	{"dicom-store", high, title("%s to %s: C-STORE would fail, %s", "%s 到 %s 的 C-STORE（图像上传）将失败，%s"), title("studies", "例检查"), []string{"C-STORE"}, []string{"dicom", "dicom-tls"}, true},
	{"dicom-move", high, title("%s to %s: prior images would not come (C-MOVE, C-GET), %s", "%s 到 %s 的历史影像调阅（C-MOVE/C-GET）将失败，%s"), title("requests", "次调阅"), []string{"C-MOVE", "C-GET"}, []string{"dicom", "dicom-tls"}, false},
	{"dicom-find", high, title("%s to %s: worklist and searches (C-FIND) would fail, %s", "%s 到 %s 的工作列表与查询（C-FIND）将失败，%s"), title("queries", "次查询"), []string{"C-FIND"}, []string{"dicom", "dicom-tls"}, false},
	{"dicom-echo", low, title("%s to %s: DICOM echo would fail, %s", "%s 到 %s 的 DICOM 连通测试将失败，%s"), title("tests", "次测试"), []string{"C-ECHO"}, []string{"dicom", "dicom-tls"}, false},
	{"dicom", high, title("%s to %s: DICOM would fail, %s", "%s 到 %s 的 DICOM 通信将失败，%s"), title("associations", "次关联"), nil, []string{"dicom", "dicom-tls"}, false},
	{"dicomweb", high, title("%s to %s: images over the web would fail, %s", "%s 到 %s 的 Web 影像将失败，%s"), sessionsUnit(), nil, []string{"dicomweb"}, false},
	{"results", high, title("%s to %s: results (HL7 ORU) would be lost, %s", "%s 到 %s 的检验检查结果（HL7 ORU）将丢失，%s"), title("results", "份结果"), []string{"ORU", "OUL"}, []string{"hl7"}, false},
	{"orders", high, title("%s to %s: orders (HL7 ORM, OML) would be lost, %s", "%s 到 %s 的医嘱申请（HL7 ORM/OML）将丢失，%s"), title("orders", "条医嘱"), []string{"ORM", "OML", "OMG", "OMI", "RDE", "RDS"}, []string{"hl7"}, false},
	{"admissions", high, title("%s to %s: admissions and transfers (HL7 ADT) would not arrive, %s", "%s 到 %s 的入出转消息（HL7 ADT）将无法送达，%s"), title("messages", "条消息"), []string{"ADT"}, []string{"hl7"}, false},
	{"appointments", medium, title("%s to %s: appointments (HL7 SIU) would not arrive, %s", "%s 到 %s 的预约消息（HL7 SIU）将无法送达，%s"), title("messages", "条消息"), []string{"SIU"}, []string{"hl7"}, false},
	{"documents", medium, title("%s to %s: documents (HL7 MDM) would not arrive, %s", "%s 到 %s 的文书（HL7 MDM）将无法送达，%s"), title("documents", "份文书"), []string{"MDM"}, []string{"hl7"}, false},
	{"charges", medium, title("%s to %s: charges (HL7 DFT, BAR) would not arrive, %s", "%s 到 %s 的计费消息（HL7 DFT/BAR）将无法送达，%s"), title("messages", "条消息"), []string{"DFT", "BAR"}, []string{"hl7"}, false},
	{"hl7", high, title("%s to %s: HL7 messages would not arrive, %s", "%s 到 %s 的 HL7 消息将无法送达，%s"), sessionsUnit(), nil, []string{"hl7"}, false},
	{"analyser", high, title("%s to %s: analyser results would not arrive, %s", "%s 到 %s 的仪器结果将无法送达，%s"), sessionsUnit(), nil, []string{"astm"}, false},
	{"sign-in", high, title("%s to %s: sign-in would fail, %s", "%s 到 %s 的登录认证将失败，%s"), sessionsUnit(), nil, []string{"kerberos", "ldap", "ldaps", "radius"}, false},
	{"database", high, title("%s to %s: the database would not answer, %s", "%s 到 %s 的数据库访问将失败，%s"), sessionsUnit(), nil, []string{"mysql", "postgresql", "mssql", "oracle", "redis"}, false},
	{"dns-loss", high, title("%s lose names (DNS at %s): programs stall while they wait, %s", "%s 将失去域名解析（DNS：%s），程序会卡顿等待，%s"), title("lookups", "次解析"), nil, []string{"dns"}, false},
	{"ntp-loss", medium, title("%s lose time (NTP at %s): clocks drift, times of studies and records become wrong, %s", "%s 将失去时间同步（NTP：%s），时钟漂移，检查与记录时间会出错，%s"), title("requests", "次同步"), nil, []string{"ntp"}, false},
	{"printing", medium, title("%s could not print to %s, %s", "%s 将无法向 %s 打印，%s"), title("jobs", "次打印"), nil, []string{"printing"}, false},
	{"files", medium, title("%s to %s: file shares would be gone, %s", "%s 将无法访问 %s 的文件共享，%s"), sessionsUnit(), nil, []string{"smb", "nfs", "ftp"}, false},
	{"remote-support", low, title("%s to %s: remote access would end, %s", "%s 到 %s 的远程接入将中断，%s"), sessionsUnit(), nil, []string{"rdp", "vnc", "ssh", "telnet", "winrm"}, false},
	{"monitoring", low, title("%s to %s: monitoring would go blind, %s", "%s 到 %s 的监测数据将中断，%s"), sessionsUnit(), nil, []string{"snmp", "snmp-trap", "syslog", "nut", "modbus", "bacnet", "mqtt", "mqtt-plain", "rtsp"}, false},
	{"mail", low, title("%s to %s: mail would not go out, %s", "%s 到 %s 的邮件将无法发送，%s"), sessionsUnit(), nil, []string{"smtp"}, false},
	{"web", medium, title("%s to %s: web applications would not open, %s", "%s 将无法打开 %s 的网页应用，%s"), sessionsUnit(), nil, []string{"https", "http"}, false},
	{"telephony", medium, title("%s to %s: telephones would be dead, %s", "%s 到 %s 的电话将中断，%s"), title("calls", "次通话"), nil, []string{"sip"}, false},
	{"ping", informational, title("%s to %s: ping would get no answer, %s", "%s 到 %s 的 ping 将无应答，%s"), sessionsUnit(), nil, []string{"icmp"}, false},
	{"backup", high, title("%s to %s: backups would fail, %s", "%s 到 %s 的备份将失败，%s"), sessionsUnit(), nil, []string{"backup"}, false},
}

// The classes that no service alone makes.
var (
	otherClass      = class{kind: "other", severity: low, says: title("%s to %s: %s", "%s 到 %s：%s"), unit: sessionsUnit()}
	dicomNamesClass = class{kind: "dicom-dns-loss", severity: high, unit: title("associations", "次关联"),
		says: title("DICOM nodes lose DNS: %s (DNS at %s); each association waits 15 s, %s", "DICOM 节点将失去域名解析：%s（DNS：%s），每次关联要等待 15 秒，%s")}
	dicomTimeClass = class{kind: "dicom-ntp-loss", severity: medium, unit: title("requests", "次同步"),
		says: title("DICOM nodes lose time: %s (NTP at %s); times of studies drift, %s", "DICOM 节点将失去时间同步：%s（NTP：%s），检查时间会漂移，%s")}
	fewerNamesClass = class{kind: "dns-fewer", severity: informational, unit: title("lookups", "次解析"),
		says: title("%s lose a further DNS server (%s) and keep another, %s", "%s 将失去一个域名服务器（%s），仍有其他可用，%s")}
	fewerTimeClass = class{kind: "ntp-fewer", severity: informational, unit: title("requests", "次同步"),
		says: title("%s lose a further time server (%s) and keep another, %s", "%s 将失去一个时间服务器（%s），仍有其他可用，%s")}
	failingClass = class{kind: "fails-already", severity: informational, unit: title("tries", "次尝试"),
		says: title("%s to %s fails today already, %s", "%s 到 %s 目前就不通，%s")}
)

// classFor finds what people would notice of a denied conversation.
func classFor(service string, toKind string, calls map[string]int64) *class {
	if toKind == "backup" || service == "backup" {
		return classNamed("backup")
	}
	for i := range classTable {
		c := &classTable[i]
		if slices.Contains(c.services, service) && (len(c.calls) == 0 || c.countCalls(calls) > 0) {
			return c
		}
	}
	return &otherClass
}

func classNamed(kind string) *class {
	for i := range classTable {
		if classTable[i].kind == kind {
			return &classTable[i]
		}
	}
	return &otherClass
}

// countCalls adds up the calls that make the class.
func (c *class) countCalls(calls map[string]int64) (n int64) {
	for name, count := range calls {
		if slices.ContainsFunc(c.calls, func(p string) bool { return strings.HasPrefix(name, p) }) {
			n += count
		}
	}
	return n
}

// amount is how much of the class's unit sessions and calls are.
func (c *class) amount(sessions int64, calls map[string]int64) int64 {
	if len(c.calls) == 0 || c.bySessions {
		return sessions
	}
	return c.countCalls(calls)
}

// rate says how often: "312 studies a day", "3 studies in 14 days".
func rate(n int64, days int, unit ocsf.Text) ocsf.Text {
	days = max(days, 1)
	per := (n + int64(days)/2) / int64(days)
	if n == 1 || n >= int64(days) && per == 1 {
		unit.EN = one(unit.EN)
	}
	if n >= int64(days) {
		return text("%[1]d %[2]s a day", "每天 %[1]d %[3]s", per, unit.EN, unit.ZH)
	}
	return text("%[1]d %[2]s in %[4]d days", "%[4]d 天内 %[1]d %[3]s", n, unit.EN, unit.ZH, days)
}

// one is the singular of a unit.
func one(unit string) string {
	if stem, ok := strings.CutSuffix(unit, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(unit, "s")
}
