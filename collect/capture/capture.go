// Package capture watches a network: it reads frames from an interface or a
// file, keeps count of conversations, and has what is interesting dissected.
// It only listens.
package capture

import (
	"errors"
	"net/netip"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// Out takes what dissectors learn. Calls come from one goroutine.
type Out interface {
	// Seen takes what a device said of itself. Repeating it is cheap: what was
	// told lately is not told again.
	Seen(o asset.Observation)
	Claim(c binding.Claim)
	Alarm(a asset.Alarm)
	// Event takes what is an event of its own: a statement on a database.
	Event(e *ocsf.Event)
}

// PacketDissector reads packets that stand for themselves: ARP, DHCP, mDNS.
type PacketDissector interface {
	// Name is the protocol's, lower-case.
	Name() string
	// Match says which packets it wants.
	Match() Match
	// Packet reads one; f lives until it returns. What it cannot read is an
	// error without values in it, which is counted and kept with the frame's
	// place; ErrOther is not.
	Packet(f *packet.Frame, out Out) error
}

// ErrOther says that a packet at a known port is of another protocol, which is
// nothing wrong.
var ErrOther = errors.New("packet of another protocol")

// Match selects packets; one condition that holds is enough.
type Match struct {
	Types  []uint16 // EtherTypes, packet.TypeLLC among them
	Protos []uint8  // IP protocols
	UDP    []uint16 // ports, on either side
}

// StreamDissector reads a protocol over TCP, which it recognises by content on
// any port.
type StreamDissector interface {
	Name() string
	// Probe looks at what both sides said so far, at most some kB each.
	Probe(s *Stream, client, server []byte) Verdict
	// Open begins to read a stream that Probe said yes to; the parser gets all
	// of it from the beginning.
	Open(s *Stream, out Out) Parser
}

// Verdict is what a probe says.
type Verdict uint8

// The verdicts.
const (
	No    Verdict = iota // never
	Maybe                // more bytes are needed
	Yes
)

// Parser reads one stream. Its memory is bounded.
type Parser interface {
	// Data takes the next bytes of one side, in order; they live until it
	// returns. False ends the parser: it has seen enough.
	Data(fromClient bool, at int64, b []byte) bool
	// Gap says that n bytes of a side were lost; false ends the parser.
	Gap(fromClient bool, n int) bool
	// Close says that the stream is over.
	Close(at int64)
}

// Stream is a TCP connection. The client is who opened it, as far as was seen.
type Stream struct {
	Client, Server       netip.AddrPort
	ClientMAC, ServerMAC packet.MAC
	VLAN                 uint16
	// Opened is when it was first seen, in ns since 1970 UTC.
	Opened int64
	// Whole says that its beginning was seen.
	Whole bool

	notes Notes
}

// Notes is what parsers add to the conversation of a stream.
type Notes struct {
	// App is the protocol by content: dicom, hl7, tls, http, mysql, ...
	App string
	// Inner is what runs inside App, e.g. dicom in tls by ALPN or port.
	ClientName, ServerName string // AE titles, MSH-3 and MSH-5, accounts
	TLS                    string // version negotiated
	SNI                    string
	// Clear names what was seen unencrypted: patient, password.
	Clear []string
	// Calls counts what was done: C-STORE, C-FIND, ADT^A01, SELECT, GET.
	Calls map[string]int64
}

// Notes is where parsers write what they learn of the whole conversation.
func (s *Stream) Notes() *Notes { return &s.notes }

// Call counts something done.
func (n *Notes) Call(name string, times int64) {
	const most = 64 // names a conversation may have
	if n.Calls == nil {
		n.Calls = map[string]int64{}
	}
	if _, ok := n.Calls[name]; ok || len(n.Calls) < most {
		n.Calls[name] += times
	}
}
