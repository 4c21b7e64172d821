package zone

import (
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Kind is a sort of zone that the rules know something about.
type Kind struct {
	Name  string
	Title ocsf.Text
	// Device zones hold devices that only talk to a few known systems.
	Device bool
	// Clinical zones are where care happens or its data lies.
	Clinical bool
	// Life zones hold what keeps patients alive.
	Life bool
	// Outside zones are not the hospital's own network.
	Outside bool
	// Databases may stand in such zones.
	Databases bool
}

var kindTable = []Kind{
	{Name: "clinician", Title: title("clinicians' desktops", "医护工作站"), Clinical: true},
	{Name: "viewer", Title: title("image viewers", "阅片工作站"), Clinical: true},
	{Name: "his", Title: title("HIS, EMR core", "HIS/EMR 核心"), Clinical: true, Databases: true},
	{Name: "lis", Title: title("LIS, RIS", "LIS/RIS"), Clinical: true, Databases: true},
	{Name: "database", Title: title("databases", "数据库"), Clinical: true, Databases: true},
	{Name: "integration", Title: title("integration engine", "集成平台"), Clinical: true},
	{Name: "modality", Title: title("imaging devices", "影像设备"), Device: true, Clinical: true},
	{Name: "pacs", Title: title("PACS", "PACS"), Clinical: true, Databases: true},
	{Name: "vna", Title: title("image archive", "影像归档"), Clinical: true, Databases: true},
	{Name: "iomt", Title: title("pumps, monitors", "输液泵、监护仪"), Device: true, Clinical: true},
	{Name: "iomt-gateway", Title: title("gateway of medical devices", "医疗设备网关"), Clinical: true},
	{Name: "life-support", Title: title("life support", "生命支持设备"), Device: true, Clinical: true, Life: true},
	{Name: "lab", Title: title("analysers", "检验仪器"), Device: true, Clinical: true},
	{Name: "middleware", Title: title("laboratory middleware", "检验中间件"), Clinical: true},
	{Name: "finance", Title: title("finance", "财务")},
	{Name: "insurance-host", Title: title("front-end host of the insurance", "医保前置机")},
	{Name: "insurance", Title: title("insurance line", "医保专线"), Outside: true},
	{Name: "bank", Title: title("bank line", "银行专线"), Outside: true},
	{Name: "dmz", Title: title("internet hospital, DMZ", "互联网医院、DMZ")},
	{Name: "api-gateway", Title: title("API gateway", "API 网关")},
	{Name: "guest", Title: title("guest Wi-Fi", "访客无线")},
	{Name: "staff-wifi", Title: title("staff Wi-Fi", "员工无线"), Clinical: true},
	{Name: "internet", Title: title("internet", "互联网"), Outside: true},
	{Name: "management", Title: title("management, jump hosts", "运维管理、堡垒机")},
	{Name: "supplier", Title: title("suppliers' remote access", "厂商远程接入"), Outside: true},
	{Name: "building", Title: title("building, UPS, cameras", "楼宇、UPS、监控")},
	{Name: "building-server", Title: title("building management server", "楼宇管理服务器")},
	{Name: "infrastructure", Title: title("DNS, NTP, directory", "DNS、NTP、目录服务")},
	{Name: "dns", Title: title("name servers", "域名服务器")},
	{Name: "ntp", Title: title("time servers", "时间服务器")},
	{Name: "printing", Title: title("printers", "打印机")},
	{Name: "backup", Title: title("backup", "备份"), Databases: true},
	{Name: "security", Title: title("security, Cordon", "安全管理、Cordon")},
	{Name: "office", Title: title("administration", "行政办公")},
	{Name: "research", Title: title("research", "科研"), Databases: true},
	{Name: "other", Title: title("other", "其他")},
}

// Kinds lists the kinds of zones.
func Kinds() []Kind { return slices.Clone(kindTable) }

// kindOf finds a kind; what is not known is "other".
func kindOf(name string) Kind {
	for _, k := range kindTable {
		if k.Name == name {
			return k
		}
	}
	return Kind{Name: name, Title: title(name, name)}
}

func kindKnown(name string) bool {
	return slices.ContainsFunc(kindTable, func(k Kind) bool { return k.Name == name })
}

func kindNames() []string {
	out := make([]string, 0, len(kindTable))
	for _, k := range kindTable {
		out = append(out, k.Name)
	}
	return out
}
