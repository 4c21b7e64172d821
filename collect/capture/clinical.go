package capture

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// What hospitals say to each other: DICOM, HL7, SQL, and whatever else passes
// in clear. All of it is recognised by content, on any port, also in the middle
// of a connection. Of a message is kept what kind it is, who sent it and how it
// ended; nothing of a patient is, not even for the time of a connection. The
// one thing that leaves as it was said is the statement put to a database: it
// goes on as an event, whose literals package normalize replaces by tokens, as
// it does for the databases' own audits.

// ClinicalOptions are what the clinical dissectors of one capture share.
type ClinicalOptions struct {
	// Sensor is named in events and alarms.
	Sensor string
	// Memory is what has been learnt; nil is a new one that nobody keeps.
	Memory *ClinicalMemory
	// Finds is how many C-FIND of one caller in a minute are a sweep, Matches
	// how many answers to them. Default 300 and 10,000.
	Finds, Matches int
}

// Clinical returns the dissectors of clinical protocols, of databases, and of
// protocols that carry passwords or files in clear.
func Clinical(o ClinicalOptions) []StreamDissector {
	if o.Memory == nil {
		o.Memory = NewClinicalMemory(0)
	}
	if o.Finds <= 0 {
		o.Finds = 300
	}
	if o.Matches <= 0 {
		o.Matches = 10_000
	}
	c := &clinical{ClinicalOptions: o, sqlRoom: sqlAllTexts}
	return []StreamDissector{
		&dicomDissector{c}, &hl7Dissector{c},
		&mysqlDissector{c}, &pgDissector{c}, &tdsDissector{c}, &tnsDissector{c},
		&clearFTP{c}, &clearData{c}, &clearTelnet{c}, &clearHTTP{c}, &clearMail{c}, &clearLDAP{c}, &clearVNC{c},
	}
}

// clinical is what the dissectors share.
type clinical struct {
	ClinicalOptions
	// sqlRoom is how many bytes of statements may still be kept, in all
	// connections together.
	sqlRoom int
	// ftpData is where files are announced to pass.
	ftpData []clearPort
}

// alarm is an alarm about a stream.
func (c *clinical) alarm(s *Stream, kind asset.AlarmKind, at int64, args ...string) asset.Alarm {
	return asset.Alarm{
		Kind: kind, At: at, Sensor: c.Sensor, VLAN: s.VLAN, Args: args, Count: 1,
		Culprit: asset.Party{MAC: s.ClientMAC, IP: s.Client.Addr(), Port: s.Client.Port()},
		Victim:  asset.Party{MAC: s.ServerMAC, IP: s.Server.Addr(), Port: s.Server.Port()},
	}
}

// patient says that data of patients passed in clear; once per conversation
// and hour it is an alarm.
func (c *clinical) patient(s *Stream, out Out, at int64, protocol string) {
	c.clear(s, out, at, "patient", protocol, asset.ClearPatientData)
}

// password says that a sign-in passed in clear.
func (c *clinical) password(s *Stream, out Out, at int64, protocol string) {
	c.clear(s, out, at, "password", protocol, asset.ClearPassword)
}

func (c *clinical) clear(s *Stream, out Out, at int64, what, protocol string, kind asset.AlarmKind) {
	if n := s.Notes(); !slices.Contains(n.Clear, what) {
		n.Clear = append(n.Clear, what)
	}
	told := &s.clear[0]
	if kind == asset.ClearPassword {
		told = &s.clear[1]
	}
	if told.protocol == protocol && at >= told.at && at-told.at < int64(time.Hour) {
		return
	}
	*told = clearTold{protocol, at}
	key := strings.Join([]string{what, protocol, s.Client.Addr().String(), s.Server.String()}, " ")
	if c.Memory.said(key, at, time.Hour) {
		return
	}
	out.Alarm(c.alarm(s, kind, at, protocol))
}

// clearTold is when it was last asked whether to say that something passes in
// clear: a stream asks once an hour.
type clearTold struct {
	protocol string
	at       int64
}

// seen tells about one end of a stream: its facts, if they are any.
func (c *clinical) seen(s *Stream, out Out, client bool, at int64, protocol string, facts ...asset.Fact) {
	o := asset.Observation{At: at, Sensor: c.Sensor, MAC: s.ServerMAC, IP: s.Server.Addr(), VLAN: s.VLAN, Protocol: protocol}
	if client {
		o.MAC, o.IP = s.ClientMAC, s.Client.Addr()
	}
	for _, f := range facts {
		if f.Value != "" && len(o.Facts) < clinicalMostFacts && !slices.Contains(o.Facts, f) {
			o.Facts = append(o.Facts, f)
		}
	}
	if len(o.Facts) > 0 {
		out.Seen(o)
	}
}

const (
	clinicalMostFacts = 300 // of one observation: presentation contexts are up to 128
	clinicalMostText  = 64  // bytes of a name
)

// clinicalService and clinicalClientOf are what the two ends of a stream do.
func clinicalService(server netip.AddrPort, protocol string) asset.Fact {
	return asset.Fact{Name: asset.FactService, Value: "tcp/" + strconv.Itoa(int(server.Port())) + " " + protocol}
}

func clinicalClientOf(protocol string) asset.Fact {
	return asset.Fact{Name: asset.FactClientOf, Value: protocol}
}

// clinicalText is a name as it may be shown: printable, on one line, short.
func clinicalText(b []byte) string {
	b = b[:min(len(b), 4*clinicalMostText)]
	t := strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == 0:
			return -1
		case r < ' ', r == 0x7f, r == '\ufffd', r >= 0x80 && r < 0xa0:
			return '?'
		}
		return r
	}, string(b)))
	for len(t) > clinicalMostText {
		t = t[:len(t)-1]
	}
	return strings.ToValidUTF8(t, "")
}

// clinicalWord is a text of few signs, such as a UID or a version, "" where b
// has others.
func clinicalWord(b []byte, signs string) string {
	t := strings.Trim(string(b[:min(len(b), clinicalMostText)]), " \x00")
	for i := range len(t) {
		c := t[i]
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte(signs, c) < 0 {
			return ""
		}
	}
	return t
}

// clinicalApp names the protocol of a stream unless somebody already did.
func clinicalApp(s *Stream, app string) {
	if n := s.Notes(); n.App == "" {
		n.App = app
	}
}
