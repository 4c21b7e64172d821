package normalize

import (
	"bytes"
	"regexp"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// parseDHCPLog reads what DHCP servers write about leases: ISC dhcpd, Kea and
// dnsmasq, bare or inside syslog lines, and Windows Server's audit log.
func (n *Normalizer) parseDHCPLog(in Input, out *Output) {
	item := 0
	for line := range bytes.Lines(in.Data) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		out.reading(item, line)
		if reason := n.dhcpLine(in, string(line), out); reason != "" {
			out.Reject(item, line, reason)
		}
		item++
	}
}

// lease is what a line says.
type lease struct {
	at       int64
	ip, mac  string
	host     string
	product  string
	released bool
}

// The lines of leases. Sources: dhcpd(8) and its syslog, the message catalog
// of Kea 2.x, dnsmasq(8) with log-dhcp.
const (
	macPattern  = `([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})`
	addrPattern = `([0-9A-Fa-f.:]{3,45})`
)

var (
	iscLease     = regexp.MustCompile(`\bDHCP(ACK|RELEASE) (?:on|of|to) ` + addrPattern + ` (?:to|from) ` + macPattern + `(?: \(([^)]{1,64})\))?`)
	dnsmasqLease = regexp.MustCompile(`\bDHCP(ACK|RELEASE)\([^)]{1,32}\) ` + addrPattern + ` ` + macPattern + `(?: ([^ ]{1,64}))?`)
	keaLease     = regexp.MustCompile(`\bDHCP[46]_(LEASE_ALLOC|LEASE_ADVERT|RELEASE) \[hwtype=\d+ ` + macPattern + `\].*?(?:lease|address) ` + addrPattern)
	leaseTime    = regexp.MustCompile(`^(?:<\d{1,3}>)?(?:1 )?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)`)
	windowsLease = regexp.MustCompile(`^(10|11|12),(\d\d/\d\d/\d\d(?:\d\d)?),(\d\d:\d\d:\d\d),[^,]*,([0-9.]+),([^,]*),([0-9A-Fa-f]{12})(?:,|$)`)
	// otherLine is a line of such a server that tells of no lease.
	otherLine = regexp.MustCompile(`\bdhcpd(?:\[\d+\])?:|\bdnsmasq-dhcp\[|\[kea-dhcp[46]|^\d{2,},\d\d/\d\d/\d\d`)
	windowsAt = regexp.MustCompile(`^\d{2,},(\d\d/\d\d/\d\d(?:\d\d)?),(\d\d:\d\d:\d\d)`)
)

// dhcpLine makes events of a line; the answer is why it cannot be used.
func (n *Normalizer) dhcpLine(in Input, line string, out *Output) string {
	l, ok := n.leaseOf(in, line)
	switch {
	case !ok && !otherLine.MatchString(line):
		return "not a line of ISC dhcpd, Kea, dnsmasq or Windows DHCP"
	case l.at == 0:
		return "the line has no time; let the server write one"
	}
	log := &netlog{out: out, product: l.product, at: l.at}
	if !ok {
		log.noted(ocsf.DHCPActivity, "dhcp-other", "", "")
		return ""
	}
	if l.released {
		l.ip = ""
	}
	log.seen("dhcp", l.mac, l.ip, fact(asset.FactHostname, l.host))
	if log.made == 0 {
		return errNothingTold.Error()
	}
	return ""
}

func (n *Normalizer) leaseOf(in Input, line string) (lease, bool) {
	if m := windowsLease.FindStringSubmatch(line); m != nil {
		return lease{at: n.windowsTime(m[2] + " " + m[3]), ip: m[4], host: m[5], mac: m[6], product: "Windows DHCP", released: m[1] == "12"}, true
	}
	at := n.lineTime(in, line)
	if m := iscLease.FindStringSubmatch(line); m != nil {
		return lease{at: at, released: m[1] == "RELEASE", ip: m[2], mac: m[3], host: m[4], product: "ISC DHCP"}, true
	}
	if m := dnsmasqLease.FindStringSubmatch(line); m != nil {
		return lease{at: at, released: m[1] == "RELEASE", ip: m[2], mac: m[3], host: m[4], product: "dnsmasq"}, true
	}
	if m := keaLease.FindStringSubmatch(line); m != nil && m[1] != "LEASE_ADVERT" {
		return lease{at: at, released: m[1] == "RELEASE", mac: m[2], ip: strings.TrimRight(m[3], ":."), product: "Kea"}, true
	}
	if m := windowsAt.FindStringSubmatch(line); m != nil {
		at = n.windowsTime(m[1] + " " + m[2])
	}
	return lease{at: at, product: "DHCP server"}, false
}

// windowsTime reads MM/DD/YY HH:MM:SS in the site's zone.
func (n *Normalizer) windowsTime(s string) int64 {
	for _, form := range []string{"01/02/06 15:04:05", "01/02/2006 15:04:05"} {
		if t, err := time.ParseInLocation(form, s, n.zone); err == nil && within(t.UnixMilli()) == nil {
			return t.UnixMilli()
		}
	}
	return 0
}

// lineTime reads the time a line begins with; 0 where there is none. Syslog's
// old form has no year: it is the one that lies nearest to the receipt.
func (n *Normalizer) lineTime(in Input, line string) int64 {
	m := leaseTime.FindStringSubmatch(line)
	if m == nil {
		return 0
	}
	if t, err := time.ParseInLocation("Jan _2 15:04:05", m[1], n.zone); err == nil {
		return nearest(t, in.Received)
	}
	text := strings.Replace(m[1], ",", ".", 1)
	for _, form := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.ParseInLocation(form, text, n.zone); err == nil && within(t.UnixMilli()) == nil {
			return t.UnixMilli()
		}
	}
	return 0
}

func nearest(t time.Time, received int64) int64 {
	year := time.UnixMilli(received).In(t.Location()).Year()
	best := int64(0)
	for _, y := range []int{year - 1, year, year + 1} {
		at := t.AddDate(y, 0, 0).UnixMilli()
		if best == 0 || distance(at, received) < distance(best, received) {
			best = at
		}
	}
	return best
}

func distance(a, b int64) int64 { return max(a-b, b-a) }
