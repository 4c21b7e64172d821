package normalize

import (
	"cmp"
	"net/netip"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// What the logs of other sensors are brought to: the words of Cordon's own.

// netlog makes events of one record of another sensor's log.
type netlog struct {
	out     *Output
	product string
	sensor  string
	at      int64 // ms
	made    int
}

func (l *netlog) add(ev *ocsf.Event) {
	ev.Metadata.UID = "" // made of the content, format and source among it
	ev.Metadata.Product = ocsf.Product{Name: l.product}
	ev.Metadata.LogName = l.out.in.Format
	ev.Metadata.LogProvider = cmp.Or(l.out.in.Source, l.sensor)
	l.out.Event(ev)
	l.made++
}

// seen says something about a device; facts without a value are left out.
func (l *netlog) seen(protocol string, mac, ip string, facts ...asset.Fact) {
	var told []asset.Fact
	for _, f := range facts {
		if f.Value = clean(f.Value); f.Value != "" {
			told = append(told, f)
		}
	}
	o := asset.Observation{At: l.at * int64(time.Millisecond), MAC: asset.ParseMAC(mac), IP: asset.ParseAddr(ip), Protocol: protocol, Facts: told}
	if o.IP.IsValid() && !inHouse(o.IP) {
		o.IP = netip.Addr{}
	}
	if asset.MACText(o.MAC) == "" && !o.IP.IsValid() {
		return
	}
	l.add(o.Event())
}

// inHouse says whether an address can be one machine's inside the hospital.
func inHouse(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsGlobalUnicast() && a.Is6()
}

// clean bounds what a log says of a device.
func clean(s string) string {
	s = strings.TrimSpace(s)
	if s == "-" || s == "(empty)" || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) {
		return ""
	}
	if len(s) > 256 {
		s = strings.ToValidUTF8(s[:256], "")
	}
	return s
}

func fact(name asset.FactName, value string) asset.Fact { return asset.Fact{Name: name, Value: value} }

// talked adds a conversation.
func (l *netlog) talked(c flow.Conversation) {
	if !c.Client.IsValid() || !c.Server.IsValid() {
		return
	}
	c.Until = max(c.Until, c.From)
	l.add(c.Event())
}

// warned passes on an alert of the other sensor.
func (l *netlog) warned(from, to asset.Party, name, category, severity string) {
	l.add(asset.Alarm{Kind: asset.IDSAlert, At: l.at * int64(time.Millisecond), Culprit: from, Victim: to,
		Args: []string{clean(name), clean(category), severity}, Count: 1}.Event())
}

// noted keeps that there was a record of a kind we read nothing more from: its
// time, kind and ends.
func (l *netlog) noted(class ocsf.Class, code, from, to string) {
	ev := asset.NewEvent(class, ocsf.ActivityOther, code, l.at*int64(time.Millisecond), "")
	ev.SrcEndpoint.IP, ev.DstEndpoint.IP = asset.AddrText(asset.ParseAddr(from)), asset.AddrText(asset.ParseAddr(to))
	l.add(ev)
}

// asked adds a statement that was seen on the way to a database; product is
// the database's.
func (l *netlog) asked(n *Normalizer, product string, client, server asset.Party, sql string, failed bool, rows int64) {
	r := sqlRecord{at: l.at, sql: sql, product: product, dialect: statement.DialectOf(product), rows: rows, failed: failed}
	r.add("client", asset.AddrText(client.IP))
	r.add("server", asset.AddrText(server.IP))
	ev := n.sqlEvent(&r)
	ev.SrcEndpoint.Port, ev.DstEndpoint.Port = int(client.Port), int(server.Port)
	l.out.Event(ev)
	l.made++
}

// protoNumber is the IANA number of a protocol's name.
func protoNumber(name string) uint8 {
	switch strings.ToLower(name) {
	case "tcp":
		return 6
	case "udp":
		return 17
	case "icmp":
		return 1
	case "icmp6", "ipv6-icmp", "icmpv6":
		return 58
	case "sctp":
		return 132
	}
	return 0
}

// appName is our word for a protocol that another sensor recognised.
func appName(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	switch s {
	case "", "-", "failed", "unknown":
		return ""
	case "ssl":
		return "tls"
	case "gssapi", "ntlm":
		return "smb"
	case "krb_tcp", "krb5":
		return "kerberos"
	}
	first, _, _ := strings.Cut(s, ",")
	return first
}

// commonName is the CN of a distinguished name, else all of it.
func commonName(dn string) string {
	for part := range strings.SplitSeq(dn, ",") {
		if cn, ok := strings.CutPrefix(strings.TrimSpace(part), "CN="); ok {
			return cn
		}
	}
	return dn
}
