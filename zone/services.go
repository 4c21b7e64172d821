package zone

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// Span is a protocol and the ports of its server: 0 to 0 without ports.
type Span struct {
	Proto     uint8
	Low, High uint16
}

// Service is a name that conduits may use instead of ports.
type Service struct {
	Name  string
	Title ocsf.Text
	Spans []Span
	// Apps are what capture calls the protocol when it finds it by content.
	Apps []string
}

const (
	portDNS = 53
	portNTP = 123
)

func tcp(ports ...uint16) []Span { return spansOf(packet.TCP, ports) }
func udp(ports ...uint16) []Span { return spansOf(packet.UDP, ports) }

func both(ports ...uint16) []Span { return append(tcp(ports...), udp(ports...)...) }

func spansOf(proto uint8, ports []uint16) []Span {
	out := make([]Span, 0, len(ports))
	for _, p := range ports {
		out = append(out, Span{proto, p, p})
	}
	return out
}

func title(en, zh string) ocsf.Text { return ocsf.Text{EN: en, ZH: zh} }

// serviceTable is the one table of services. A site adds to it, or gives a
// name other ports, under services in its policy.
var serviceTable = []Service{
	{"dicom", title("DICOM images", "DICOM 影像"), tcp(104, 11112), []string{"dicom"}},
	{"dicom-tls", title("DICOM images, encrypted", "加密的 DICOM 影像"), tcp(2762), nil},
	{"hl7", title("HL7 messages", "HL7 消息"), tcp(2575), []string{"hl7", "mllp"}},
	{"astm", title("analyser results (ASTM)", "检验仪器结果（ASTM）"), tcp(3000, 5000, 5001), []string{"astm"}},
	{"https", title("HTTPS", "HTTPS 网页"), tcp(443), []string{"tls"}},
	{"http", title("HTTP", "HTTP 网页"), tcp(80), []string{"http"}},
	{"dicomweb", title("DICOMweb", "DICOMweb 影像服务"), tcp(443, 8042, 8080), nil},
	{"dns", title("names (DNS)", "域名解析（DNS）"), both(portDNS), []string{"dns"}},
	{"ntp", title("time (NTP)", "时间同步（NTP）"), udp(portNTP), []string{"ntp"}},
	{"dhcp", title("addresses (DHCP)", "地址分配（DHCP）"), udp(67, 547), []string{"dhcp", "dhcpv6"}},
	{"rdp", title("remote desktop (RDP)", "远程桌面（RDP）"), both(3389), []string{"rdp"}},
	{"vnc", title("remote desktop (VNC)", "远程桌面（VNC）"), []Span{{packet.TCP, 5900, 5910}}, []string{"vnc"}},
	{"ssh", title("remote shell (SSH)", "远程命令行（SSH）"), tcp(22), []string{"ssh"}},
	{"telnet", title("remote shell, unencrypted (telnet)", "明文远程命令行（telnet）"), tcp(23), []string{"telnet"}},
	{"winrm", title("Windows remote management", "Windows 远程管理"), tcp(5985, 5986), nil},
	{"smb", title("file shares (SMB)", "文件共享（SMB）"), tcp(139, 445), []string{"smb"}},
	{"nfs", title("file shares (NFS)", "文件共享（NFS）"), tcp(2049), []string{"nfs"}},
	{"ftp", title("file transfer (FTP)", "文件传输（FTP）"), tcp(21), []string{"ftp"}},
	{"ldap", title("directory (LDAP)", "目录服务（LDAP）"), both(389), []string{"ldap"}},
	{"ldaps", title("directory, encrypted (LDAPS)", "加密目录服务（LDAPS）"), tcp(636, 3269), nil},
	{"kerberos", title("sign-in (Kerberos)", "登录认证（Kerberos）"), both(88, 464), []string{"kerberos"}},
	{"radius", title("network sign-in (RADIUS)", "网络认证（RADIUS）"), udp(1812, 1813, 3799), []string{"radius"}},
	{"mysql", title("MySQL database", "MySQL 数据库"), tcp(3306), []string{"mysql"}},
	{"postgresql", title("PostgreSQL database", "PostgreSQL 数据库"), tcp(5432), []string{"postgresql", "postgres"}},
	{"mssql", title("SQL Server database", "SQL Server 数据库"), append(tcp(1433), udp(1434)...), []string{"mssql", "tds"}},
	{"oracle", title("Oracle database", "Oracle 数据库"), tcp(1521, 2484), []string{"oracle", "tns"}},
	{"redis", title("Redis", "Redis 缓存"), tcp(6379), nil},
	{"printing", title("printing", "打印"), tcp(515, 631, 9100), []string{"ipp", "lpd"}},
	{"snmp", title("device management (SNMP)", "设备管理（SNMP）"), udp(161), []string{"snmp"}},
	{"snmp-trap", title("device alarms (SNMP trap)", "设备告警（SNMP trap）"), udp(162), nil},
	{"syslog", title("logs (syslog)", "日志（syslog）"), append(udp(514), tcp(514, 6514)...), []string{"syslog"}},
	{"smtp", title("mail (SMTP)", "邮件（SMTP）"), tcp(25, 465, 587), []string{"smtp"}},
	{"mqtt", title("MQTT, encrypted", "加密 MQTT"), tcp(8883), nil},
	{"mqtt-plain", title("MQTT, unencrypted", "明文 MQTT"), tcp(1883), []string{"mqtt"}},
	{"modbus", title("building control (Modbus)", "楼宇控制（Modbus）"), tcp(502), []string{"modbus"}},
	{"bacnet", title("building control (BACnet)", "楼宇控制（BACnet）"), udp(47808), []string{"bacnet"}},
	{"nut", title("UPS state (NUT)", "UPS 状态（NUT）"), tcp(3493), []string{"nut"}},
	{"rtsp", title("camera video (RTSP)", "监控视频（RTSP）"), both(554), []string{"rtsp"}},
	{"sip", title("telephony (SIP)", "电话（SIP）"), both(5060, 5061), []string{"sip"}},
	{"backup", title("backup (rsync, SFTP)", "备份（rsync、SFTP）"), tcp(22, 873), []string{"rsync"}},
	{"cordon", title("Cordon sensors and API", "Cordon 传感器与接口"), tcp(8080, 8443), nil},
	{"ipsec", title("leased line VPN (IPsec)", "专线 VPN（IPsec）"), append(udp(500, 4500), Span{protoESP, 0, 0}), nil},
	{"wireguard", title("VPN (WireGuard)", "VPN（WireGuard）"), udp(51820), nil},
	{"icmp", title("ping", "ping 连通测试"), []Span{{packet.ICMP, 0, 0}, {packet.ICMPv6, 0, 0}}, []string{"icmp"}},
}

const protoESP = 50

// Services lists the names a conduit may allow, as the product has them.
func Services() []Service { return slices.Clone(serviceTable) }

var serviceByName = func() map[string]*Service {
	m := make(map[string]*Service, len(serviceTable))
	for i := range serviceTable {
		m[serviceTable[i].Name] = &serviceTable[i]
	}
	return m
}()

// spansFor resolves one word of allow: a name of the site's, a name of the
// product's, or protocol/port.
func (p *Policy) spansFor(word string) ([]Span, error) {
	if own, ok := p.Services[word]; ok {
		var out []Span
		for _, w := range own {
			s, err := parseSpan(w)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	}
	if s := serviceByName[word]; s != nil {
		return s.Spans, nil
	}
	if !strings.Contains(word, "/") {
		return nil, fmt.Errorf("there is no service %q%s; use a name such as dicom, hl7, https, or tcp/11112", word, p.nearService(word))
	}
	s, err := parseSpan(word)
	return []Span{s}, err
}

// parseSpan reads tcp/443, udp/5000-5010.
func parseSpan(word string) (Span, error) {
	proto, ports, _ := strings.Cut(word, "/")
	var s Span
	switch proto {
	case "tcp":
		s.Proto = packet.TCP
	case "udp":
		s.Proto = packet.UDP
	default:
		return s, fmt.Errorf("%q is no service: write a name, tcp/PORT, udp/PORT or udp/FROM-TO", word)
	}
	low, high, ranged := strings.Cut(ports, "-")
	if !ranged {
		high = low
	}
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return s, fmt.Errorf("%q has no ports between 1 and 65535, the lower first", word)
	}
	s.Low, s.High = uint16(a), uint16(b)
	return s, nil
}

func (p *Policy) nearService(word string) string {
	names := make([]string, 0, len(serviceTable)+len(p.Services))
	for i := range serviceTable {
		names = append(names, serviceTable[i].Name)
	}
	for name := range p.Services {
		names = append(names, name)
	}
	return near(word, names)
}

// near is " (did you mean X?)" for the nearest of names, "" if none is near.
func near(word string, names []string) string {
	slices.Sort(names)
	best, least := "", max(3, len(word)/2)
	for _, n := range names {
		if d := distance(word, n); d < least {
			best, least = n, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// distance is Levenshtein's, of words that are short.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, last+cost)
		}
	}
	return row[len(b)]
}

// ServiceName names a protocol and port: "dicom" or "tcp/6661". The protocol
// found by content goes before the port, which proves nothing.
func ServiceName(proto uint8, port uint16, app string) string {
	if app != "" && app != "tls" {
		for i := range serviceTable {
			if slices.Contains(serviceTable[i].Apps, app) {
				return serviceTable[i].Name
			}
		}
	}
	if s, ok := serviceByPort[Span{proto, port, port}]; ok {
		return s
	}
	return spanName(Span{proto, port, port})
}

// serviceByPort gives a port to the first service of the table that has it.
var serviceByPort = func() map[Span]string {
	m := map[Span]string{}
	for _, s := range serviceTable {
		for _, span := range s.Spans {
			for port := int(span.Low); port <= int(span.High); port++ {
				at := Span{span.Proto, uint16(port), uint16(port)}
				if _, taken := m[at]; !taken {
					m[at] = s.Name
				}
			}
		}
	}
	return m
}()

// spanName writes a span as a policy would: tcp/443, udp/5000-5010, icmp.
func spanName(s Span) string {
	name := protoName(s.Proto)
	switch {
	case s.Low == 0 && s.High == 0:
		return name
	case s.Low == s.High:
		return name + "/" + strconv.Itoa(int(s.Low))
	}
	return name + "/" + strconv.Itoa(int(s.Low)) + "-" + strconv.Itoa(int(s.High))
}

func protoName(proto uint8) string {
	switch proto {
	case 0:
		return "any"
	case packet.TCP:
		return "tcp"
	case packet.UDP:
		return "udp"
	case packet.ICMP:
		return "icmp"
	case packet.ICMPv6:
		return "icmpv6"
	case protoESP:
		return "esp"
	}
	return "protocol-" + strconv.Itoa(int(proto))
}

// ServiceTitle is a service in words: its title, or the name itself.
func ServiceTitle(name string) ocsf.Text {
	if s := serviceByName[name]; s != nil {
		return s.Title
	}
	return title(name, name)
}
