package normalize

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
)

// eveLine is a line of Suricata's eve.json. Source: docs.suricata.io, "EVE
// JSON Format", Suricata 7 and 8.
type eveLine struct {
	Timestamp string `json:"timestamp"`
	Type      string `json:"event_type"`
	SrcIP     string `json:"src_ip"`
	SrcPort   uint16 `json:"src_port"`
	DstIP     string `json:"dest_ip"`
	DstPort   uint16 `json:"dest_port"`
	Proto     string `json:"proto"`
	AppProto  string `json:"app_proto"`
	VLAN      []int  `json:"vlan"`
	Ether     struct {
		Src string `json:"src_mac"`
		Dst string `json:"dest_mac"`
	} `json:"ether"`
	Flow struct {
		PktsOut  int64  `json:"pkts_toserver"`
		PktsIn   int64  `json:"pkts_toclient"`
		BytesOut int64  `json:"bytes_toserver"`
		BytesIn  int64  `json:"bytes_toclient"`
		Start    string `json:"start"`
		End      string `json:"end"`
		State    string `json:"state"`
	} `json:"flow"`
	Alert struct {
		Signature string `json:"signature"`
		Category  string `json:"category"`
		Severity  int    `json:"severity"`
	} `json:"alert"`
	DHCP struct {
		Type     string `json:"type"`
		DHCPType string `json:"dhcp_type"`
		MAC      string `json:"client_mac"`
		Assigned string `json:"assigned_ip"`
		ClientIP string `json:"client_ip"`
		Hostname string `json:"hostname"`
		Vendor   string `json:"vendor_class_identifier"`
	} `json:"dhcp"`
	HTTP struct {
		Agent  string `json:"http_user_agent"`
		Server string `json:"server"`
	} `json:"http"`
	TLS struct {
		SNI      string          `json:"sni"`
		Version  string          `json:"version"`
		Subject  string          `json:"subject"`
		Issuer   string          `json:"issuerdn"`
		NotAfter string          `json:"notafter"`
		JA4      json.RawMessage `json:"ja4"`
	} `json:"tls"`
	SSH struct {
		Server struct {
			Software string `json:"software_version"`
		} `json:"server"`
	} `json:"ssh"`
	SMB struct {
		Dialect string `json:"dialect"`
		Host    string `json:"server_guid"`
		NTLM    struct {
			Host string `json:"host"`
		} `json:"ntlmssp"`
	} `json:"smb"`
	SNMP struct {
		Community string `json:"community"`
	} `json:"snmp"`
}

// parseSuricata reads eve.json: flow, alert, dhcp, http, tls, ssh, smb, rdp,
// snmp. Of other records it is noted that they came.
func (n *Normalizer) parseSuricata(in Input, out *Output) {
	item := 0
	eachJSON(in.Data, func(data []byte) error {
		out.reading(item, data)
		if err := suricata(data, out); err != nil {
			out.Reject(item, data, err.Error())
		}
		item++
		return nil
	}, func(data []byte, reason string) {
		out.Reject(item, data, reason)
		item++
	})
}

func suricata(data []byte, out *Output) error {
	var e eveLine
	if err := knownMembers(data, &e); err != nil {
		return fmt.Errorf("not a record of eve.json: %w", err)
	}
	at, ok := eveTime(e.Timestamp)
	if !ok {
		return errors.New("timestamp is missing or no time")
	}
	l := &netlog{out: out, product: "Suricata", at: at}
	switch e.Type {
	case "flow":
		e.flow(l)
	case "alert":
		l.warned(asset.Party{IP: asset.ParseAddr(e.SrcIP), Port: e.SrcPort, MAC: asset.ParseMAC(e.Ether.Src)}, asset.Party{IP: asset.ParseAddr(e.DstIP), Port: e.DstPort},
			e.Alert.Signature, e.Alert.Category, strconv.Itoa(min(max(e.Alert.Severity, 1), 3)))
	case "dhcp":
		e.dhcp(l)
	default:
		if !e.devices(l) {
			l.noted(ocsf.NetworkActivity, "suricata-"+plainWord(e.Type), e.SrcIP, e.DstIP)
		}
	}
	if l.made == 0 {
		return errNothingTold
	}
	return nil
}

func (e *eveLine) flow(l *netlog) {
	start, ok := eveTime(e.Flow.Start)
	if !ok {
		start = l.at
	}
	end, ok := eveTime(e.Flow.End)
	if !ok {
		end = l.at
	}
	c := flow.Conversation{
		Key:  flow.Key{Client: asset.ParseAddr(e.SrcIP), Server: asset.ParseAddr(e.DstIP), Proto: protoNumber(e.Proto), Port: e.DstPort, App: appName(e.AppProto)},
		From: start, Until: end, Sessions: 1, ClientMAC: e.Ether.Src, ServerMAC: e.Ether.Dst,
		PacketsOut: e.Flow.PktsOut, PacketsIn: e.Flow.PktsIn, BytesOut: e.Flow.BytesOut, BytesIn: e.Flow.BytesIn,
	}
	if len(e.VLAN) > 0 && e.VLAN[len(e.VLAN)-1] > 0 && e.VLAN[len(e.VLAN)-1] < 4096 {
		c.VLAN = uint16(e.VLAN[len(e.VLAN)-1])
	}
	if c.Proto == 6 && e.Flow.State == "new" {
		c.Refused = 1
	}
	l.talked(c)
	if c.App != "" && c.Refused == 0 && c.PacketsIn > 0 {
		l.seen("flow", "", e.DstIP, fact(asset.FactService, fmt.Sprintf("%s/%d %s", lowerProto(c.Proto), c.Port, c.App)))
		l.seen("flow", "", e.SrcIP, fact(asset.FactClientOf, c.App))
	}
}

func lowerProto(n uint8) string {
	switch n {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	}
	return "ip" + strconv.Itoa(int(n))
}

func (e *eveLine) dhcp(l *netlog) {
	addr := either(e.DHCP.Assigned, e.DHCP.ClientIP)
	if e.DHCP.Type == "reply" && e.DHCP.DHCPType == "offer" || addr == "0.0.0.0" {
		addr = ""
	}
	l.seen("dhcp", e.DHCP.MAC, addr, fact(asset.FactHostname, e.DHCP.Hostname), fact(asset.FactVendorClass, e.DHCP.Vendor))
	if e.DHCP.Type == "reply" {
		l.seen("dhcp", "", e.SrcIP, fact(asset.FactRole, "dhcp-server"))
	}
}

// devices reads the types that tell about single devices; false is none.
func (e *eveLine) devices(l *netlog) bool {
	service := func(name string) asset.Fact {
		return fact(asset.FactService, fmt.Sprintf("tcp/%d %s", e.DstPort, name))
	}
	switch e.Type {
	case "http":
		l.seen("http", "", e.SrcIP, fact(asset.FactUserAgent, e.HTTP.Agent), fact(asset.FactClientOf, "http"))
		l.seen("http", "", e.DstIP, service("http"), fact(asset.FactServerBanner, e.HTTP.Server))
	case "tls":
		var ja4 string
		_ = json.Unmarshal(e.TLS.JA4, &ja4) // an object in some versions: left out
		l.seen("tls", "", e.SrcIP, fact(asset.FactSNI, e.TLS.SNI), fact(asset.FactJA4, ja4), fact(asset.FactClientOf, "tls"))
		l.seen("tls", "", e.DstIP, service("tls"), fact(asset.FactTLSVersion, tlsVersion(e.TLS.Version)), fact(asset.FactCertificate, e.certificate()))
	case "ssh":
		l.seen("ssh", "", e.DstIP, service("ssh"), fact(asset.FactServerBanner, e.SSH.Server.Software))
	case "smb":
		l.seen("smb", "", e.DstIP, service("smb"))
		l.seen("smb", "", e.SrcIP, fact(asset.FactClientOf, "smb"), fact(asset.FactHostname, e.SMB.NTLM.Host))
	case "rdp":
		l.seen("rdp", "", e.DstIP, service("rdp"))
		l.seen("rdp", "", e.SrcIP, fact(asset.FactClientOf, "rdp"))
	case "snmp":
		l.seen("snmp", "", e.DstIP, fact(asset.FactService, fmt.Sprintf("udp/%d snmp", e.DstPort)), fact(asset.FactCommunity, usualCommunity(e.SNMP.Community)))
	default:
		return false
	}
	return true
}

// certificate is the fact of a server's certificate; "" where it has no date.
func (e *eveLine) certificate() string {
	until, err := time.Parse("2006-01-02T15:04:05", e.TLS.NotAfter)
	if err != nil {
		return ""
	}
	return commonName(e.TLS.Subject) + "; " + commonName(e.TLS.Issuer) + "; " + until.UTC().Format(time.RFC3339)
}

// eveTime reads Suricata's times: "2026-03-02T09:15:27.123456+0800".
func eveTime(s string) (int64, bool) {
	for _, form := range []string{"2006-01-02T15:04:05.999999-0700", time.RFC3339Nano} {
		if t, err := time.Parse(form, s); err == nil && within(t.UnixMilli()) == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
