package normalize

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
)

// zeekLine is a line of any of Zeek's logs in JSON; which members it has
// depends on the log. Source: docs.zeek.org, "Logs", Zeek 6 and 7.
type zeekLine struct {
	Path  string          `json:"_path"`
	TS    json.RawMessage `json:"ts"`
	Orig  string          `json:"id.orig_h"`
	OrigP uint16          `json:"id.orig_p"`
	Resp  string          `json:"id.resp_h"`
	RespP uint16          `json:"id.resp_p"`

	// conn
	Proto     string  `json:"proto"`
	Service   string  `json:"service"`
	Duration  float64 `json:"duration"`
	State     string  `json:"conn_state"`
	OrigPkts  int64   `json:"orig_pkts"`
	RespPkts  int64   `json:"resp_pkts"`
	OrigBytes int64   `json:"orig_ip_bytes"`
	RespBytes int64   `json:"resp_ip_bytes"`
	// Payload stands in where the bytes of packets are not logged.
	OrigPayload int64  `json:"orig_bytes"`
	RespPayload int64  `json:"resp_bytes"`
	OrigMAC     string `json:"orig_l2_addr"`
	RespMAC     string `json:"resp_l2_addr"`
	VLAN        uint16 `json:"vlan"`

	// dhcp, known_*, software, http, ssl, ssh, ntlm, rdp, snmp, mysql, notice
	MAC         string   `json:"mac"`
	Assigned    string   `json:"assigned_addr"`
	Client      string   `json:"client_addr"`
	ServerAddr  string   `json:"server_addr"`
	HostName    string   `json:"host_name"`
	FQDN        string   `json:"client_fqdn"`
	Host        string   `json:"host"`
	PortNum     uint16   `json:"port_num"`
	Services    []string `json:"service_list"`
	SoftType    string   `json:"software_type"`
	SoftName    string   `json:"name"`
	Unparsed    string   `json:"unparsed_version"`
	Agent       string   `json:"user_agent"`
	ServerName  string   `json:"server_name"`
	Version     string   `json:"version"`
	Subject     string   `json:"subject"`
	Cipher      string   `json:"cipher"`
	SSHClient   string   `json:"client"`
	SSHServer   string   `json:"server"`
	NBName      string   `json:"server_nb_computer_name"`
	Build       string   `json:"client_build"`
	RDPName     string   `json:"client_name"`
	Community   string   `json:"community"`
	Display     string   `json:"display_string"`
	Cmd         string   `json:"cmd"`
	Arg         string   `json:"arg"`
	Success     *bool    `json:"success"`
	Rows        int64    `json:"rows"`
	Note        string   `json:"note"`
	Msg         string   `json:"msg"`
	Src         string   `json:"src"`
	Dst         string   `json:"dst"`
	Established bool     `json:"established"`
}

// parseZeek reads Zeek's logs in JSON: conn, dhcp, known_hosts, known_services,
// software, http, ssl, ssh, ntlm, rdp, snmp, mysql, notice. Of records of other
// logs it is noted that they came; Zeek's own form in columns is set aside.
func (n *Normalizer) parseZeek(in Input, out *Output) {
	item := 0
	eachJSON(in.Data, func(data []byte) error {
		out.reading(item, data)
		if err := n.zeek(data, out); err != nil {
			out.Reject(item, data, err.Error())
		}
		item++
		return nil
	}, func(data []byte, reason string) {
		out.Reject(item, data, reason+"; Zeek must write JSON (LogAscii::use_json=T)")
		item++
	})
}

var errNothingTold = errors.New("the record tells of no device, conversation or statement")

func (n *Normalizer) zeek(data []byte, out *Output) error {
	var z zeekLine
	if err := knownMembers(data, &z); err != nil {
		return fmt.Errorf("not a record of Zeek: %w", err)
	}
	at, err := zeekTime(z.TS)
	if err != nil {
		return err
	}
	l := &netlog{out: out, product: "Zeek", at: at}
	switch path := z.path(); path {
	case "conn":
		z.conn(l)
	case "dhcp":
		z.dhcp(l)
	case "mysql":
		z.mysql(n, l)
	case "notice":
		l.warned(asset.Party{IP: asset.ParseAddr(either(z.Src, z.Orig))}, asset.Party{IP: asset.ParseAddr(either(z.Dst, z.Resp))}, z.Note, "notice", "2")
	case "":
		return errors.New("it is not clear which log the record is of; add _path (json-logs package) or name the file after the log")
	default:
		if !z.devices(path, l) {
			l.noted(ocsf.NetworkActivity, "zeek-"+plainWord(path), z.Orig, z.Resp)
		}
	}
	if l.made == 0 {
		return errNothingTold
	}
	return nil
}

// path is which log a record is of, told by its members where _path is not
// there.
func (z *zeekLine) path() string {
	switch {
	case z.Path != "":
		return z.Path
	case z.State != "":
		return "conn"
	case z.Note != "":
		return "notice"
	case z.Cmd != "":
		return "mysql"
	case z.SoftType != "":
		return "software"
	case z.Cipher != "" || z.ServerName != "" && z.Version != "":
		return "ssl"
	case z.MAC != "" && (z.Assigned != "" || z.HostName != ""):
		return "dhcp"
	case z.Agent != "":
		return "http"
	}
	return ""
}

// refusedStates are the conn_states of connections that were not answered.
func refusedState(s string) bool {
	switch s {
	case "S0", "REJ", "RSTRH", "RSTOS0", "SH":
		return true
	}
	return false
}

func (z *zeekLine) conn(l *netlog) {
	c := flow.Conversation{
		Key:  flow.Key{Client: asset.ParseAddr(z.Orig), Server: asset.ParseAddr(z.Resp), Proto: protoNumber(z.Proto), Port: z.RespP, App: appName(z.Service)},
		From: l.at, Until: l.at + int64(z.Duration*1000), VLAN: z.VLAN, ClientMAC: z.OrigMAC, ServerMAC: z.RespMAC, Sessions: 1,
		PacketsOut: z.OrigPkts, PacketsIn: z.RespPkts, BytesOut: cmp.Or(z.OrigBytes, z.OrigPayload), BytesIn: cmp.Or(z.RespBytes, z.RespPayload),
	}
	if c.Proto == 1 || c.Proto == 58 {
		c.Port = 0 // the type of message
	}
	if refusedState(z.State) {
		c.Refused = 1
	}
	l.talked(c)
	if c.Refused == 0 && c.App != "" && c.Port != 0 {
		l.seen("conn", z.RespMAC, z.Resp, fact(asset.FactService, fmt.Sprintf("%s/%d %s", z.Proto, z.RespP, c.App)))
		l.seen("conn", z.OrigMAC, z.Orig, fact(asset.FactClientOf, c.App))
	}
}

func (z *zeekLine) dhcp(l *netlog) {
	l.seen("dhcp", z.MAC, either(z.Assigned, z.Client), fact(asset.FactHostname, either(z.HostName, z.FQDN)))
	l.seen("dhcp", "", z.ServerAddr, fact(asset.FactRole, "dhcp-server"))
}

func (z *zeekLine) mysql(n *Normalizer, l *netlog) {
	if z.Cmd != "query" && z.Cmd != "prepare" {
		l.seen("mysql", "", z.Resp, fact(asset.FactService, "tcp/"+strconv.Itoa(int(z.RespP))+" mysql"))
		return
	}
	l.asked(n, "mysql", asset.Party{IP: asset.ParseAddr(z.Orig), Port: z.OrigP}, asset.Party{IP: asset.ParseAddr(z.Resp), Port: z.RespP},
		z.Arg, z.Success != nil && !*z.Success, z.Rows)
}

// devices reads the logs that tell about single devices; false is none of
// them.
func (z *zeekLine) devices(path string, l *netlog) bool {
	switch path {
	case "known_hosts":
		l.seen("known", z.MAC, z.Host)
	case "known_services":
		l.seen("known", "", z.Host, fact(asset.FactService, z.serviceText()))
	case "software":
		name := asset.FactServerBanner
		if strings.Contains(z.SoftType, "BROWSER") || strings.Contains(z.SoftType, "CLIENT") {
			name = asset.FactUserAgent
		}
		l.seen("software", "", z.Host, fact(name, either(z.Unparsed, z.SoftName)))
	case "http":
		l.seen("http", "", z.Orig, fact(asset.FactUserAgent, z.Agent), fact(asset.FactClientOf, "http"))
		l.seen("http", "", z.Resp, fact(asset.FactService, fmt.Sprintf("tcp/%d http", z.RespP)))
	case "ssl":
		l.seen("tls", "", z.Orig, fact(asset.FactSNI, z.ServerName), fact(asset.FactClientOf, "tls"))
		l.seen("tls", "", z.Resp, fact(asset.FactTLSVersion, tlsVersion(z.Version)), fact(asset.FactService, fmt.Sprintf("tcp/%d tls", z.RespP)))
	case "ssh":
		l.seen("ssh", "", z.Resp, fact(asset.FactServerBanner, z.SSHServer), fact(asset.FactService, fmt.Sprintf("tcp/%d ssh", z.RespP)))
	case "ntlm":
		l.seen("smb", "", z.Resp, fact(asset.FactHostname, z.NBName))
	case "rdp":
		l.seen("rdp", "", z.Orig, fact(asset.FactHostname, z.RDPName), fact(asset.FactOS, z.Build))
		l.seen("rdp", "", z.Resp, fact(asset.FactService, fmt.Sprintf("tcp/%d rdp", z.RespP)))
	case "snmp":
		l.seen("snmp", "", z.Resp, fact(asset.FactDescription, z.Display), fact(asset.FactCommunity, usualCommunity(z.Community)))
	default:
		return false
	}
	return true
}

func (z *zeekLine) serviceText() string {
	if z.PortNum == 0 {
		return ""
	}
	return strings.ToLower(z.Proto) + "/" + strconv.Itoa(int(z.PortNum)) + " " + appName(either(z.Service, strings.Join(z.Services, ",")))
}

// usualCommunity names the two communities everybody knows; others are secrets.
func usualCommunity(s string) string {
	if s == "public" || s == "private" {
		return s
	}
	return ""
}

// tlsVersion brings the spellings of other sensors to "1.2".
func tlsVersion(s string) string {
	s = strings.ToLower(s)
	for _, prefix := range []string{"tlsv", "tls ", "tls"} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			if len(rest) == 2 && rest[0] == '1' && rest[1] >= '0' && rest[1] <= '3' {
				return "1." + rest[1:]
			}
			return rest
		}
	}
	return s
}

// zeekTime reads seconds since 1970 with a fraction, or ISO 8601.
func zeekTime(raw json.RawMessage) (int64, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return 0, errors.New("ts is no time")
		}
		return t.UnixMilli(), within(t.UnixMilli())
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds <= 0 || seconds > 1e11 {
		return 0, errors.New("ts is missing or no time")
	}
	return int64(seconds * 1000), within(int64(seconds * 1000))
}

func either(a, b string) string {
	if a == "" || a == "-" {
		return b
	}
	return a
}

// knownMembers reads what is known of a record. Logs share names for members of
// different types (the version is a text for TLS and a number for SSH): one of
// another type counts as not there. Its errors hold no values.
func knownMembers(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &kind):
		return errors.New("broken JSON")
	case kind.Field == "":
		return errors.New("no JSON object")
	}
	return nil
}

// plainWord is a name from outside that may stand in an error.
func plainWord(s string) string {
	if len(s) > 32 || strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && (r < '0' || r > '9') }) {
		return "other"
	}
	return s
}
