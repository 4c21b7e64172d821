package asset

import "github.com/cordon-health/cordon/ocsf"

// FactMaker is who the IEEE gave the MAC address's block to. No sensor says
// it: it follows from the address.
const FactMaker FactName = "maker"

// Title is what a kind of fact is called.
func (n FactName) Title() ocsf.Text {
	switch n {
	case FactMaker:
		return ocsf.Text{EN: "network card of", ZH: "网卡厂商"}
	case FactHostname:
		return ocsf.Text{EN: "name", ZH: "主机名"}
	case FactVendorClass:
		return ocsf.Text{EN: "DHCP vendor class", ZH: "DHCP 厂商类别"}
	case FactDHCPParams:
		return ocsf.Text{EN: "DHCP options asked for", ZH: "DHCP 请求选项"}
	case FactClientID:
		return ocsf.Text{EN: "DHCP client id", ZH: "DHCP 客户端标识"}
	case FactOS:
		return ocsf.Text{EN: "operating system", ZH: "操作系统"}
	case FactVendor:
		return ocsf.Text{EN: "maker, as it says", ZH: "自报厂商"}
	case FactModel:
		return ocsf.Text{EN: "model, as it says", ZH: "自报型号"}
	case FactFirmware:
		return ocsf.Text{EN: "firmware", ZH: "固件"}
	case FactSerial:
		return ocsf.Text{EN: "serial number", ZH: "序列号"}
	case FactDescription:
		return ocsf.Text{EN: "description, as it says", ZH: "自报描述"}
	case FactObjectID:
		return ocsf.Text{EN: "SNMP object id", ZH: "SNMP 对象标识"}
	case FactChassis:
		return ocsf.Text{EN: "chassis id", ZH: "机箱标识"}
	case FactSwitchPort:
		return ocsf.Text{EN: "switch port", ZH: "交换机端口"}
	case FactService:
		return ocsf.Text{EN: "answers at", ZH: "提供服务"}
	case FactClientOf:
		return ocsf.Text{EN: "calls", ZH: "访问服务"}
	}
	return n.appTitle()
}

// appTitle is the title of facts above the network layer.
func (n FactName) appTitle() ocsf.Text {
	switch n {
	case FactAETitle:
		return ocsf.Text{EN: "AE title", ZH: "AE 标题"}
	case FactImplUID:
		return ocsf.Text{EN: "DICOM implementation UID", ZH: "DICOM 实现 UID"}
	case FactImplVersion:
		return ocsf.Text{EN: "DICOM implementation", ZH: "DICOM 实现版本"}
	case FactSOPClass:
		return ocsf.Text{EN: "DICOM class it sends", ZH: "发送的 DICOM 类"}
	case FactSOPServed:
		return ocsf.Text{EN: "DICOM class it takes", ZH: "接收的 DICOM 类"}
	case FactTransfer:
		return ocsf.Text{EN: "DICOM transfer syntax", ZH: "DICOM 传输语法"}
	case FactHL7App:
		return ocsf.Text{EN: "HL7 application", ZH: "HL7 应用"}
	case FactHL7Facility:
		return ocsf.Text{EN: "HL7 facility", ZH: "HL7 机构"}
	case FactHL7Type:
		return ocsf.Text{EN: "HL7 message", ZH: "HL7 消息"}
	case FactUserAgent:
		return ocsf.Text{EN: "browser", ZH: "浏览器标识"}
	case FactServerBanner:
		return ocsf.Text{EN: "greets as", ZH: "服务标识"}
	case FactUPnP:
		return ocsf.Text{EN: "UPnP device", ZH: "UPnP 设备"}
	case FactMDNS:
		return ocsf.Text{EN: "offers by mDNS", ZH: "mDNS 服务"}
	case FactRole:
		return ocsf.Text{EN: "acts as", ZH: "网络角色"}
	case FactDatabase:
		return ocsf.Text{EN: "database", ZH: "数据库"}
	case FactJA4:
		return ocsf.Text{EN: "TLS fingerprint (JA4)", ZH: "TLS 指纹（JA4）"}
	case FactSNI:
		return ocsf.Text{EN: "asks for", ZH: "访问域名"}
	case FactCertificate:
		return ocsf.Text{EN: "certificate", ZH: "证书"}
	case FactTLSVersion:
		return ocsf.Text{EN: "TLS version", ZH: "TLS 版本"}
	case FactCommunity:
		return ocsf.Text{EN: "SNMP community", ZH: "SNMP 团体名"}
	}
	return ocsf.Text{EN: string(n), ZH: string(n)}
}

// reason says a fact in a sentence's part, with what it means.
func (f Fact) reason(about ocsf.Text) ocsf.Text {
	t := f.Name.Title()
	out := ocsf.Text{EN: t.EN + " " + f.Value, ZH: t.ZH + " " + f.Value}
	if about.EN != "" {
		out.EN += " (" + about.EN + ")"
		out.ZH += "（" + about.ZH + "）"
	}
	return out
}
