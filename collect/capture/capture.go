// Package capture watches a network: it reads frames from an interface or a
// file, keeps count of conversations, and has what is interesting dissected.
// It only listens.
//
// What it gives. An [Engine], made of a [Config]: Frame reads one frame, File a
// capture file (pcap, pcapng, packed or not), [Live] feeds it from interfaces.
// What frames say comes out in two ways: conversations ([flow.Conversation])
// through Config.Flow, everything else through [Out].
//
// The way of a frame. Package packet reads layers 2 to 4, through tags and
// tunnels. Fragments are put together first. The packet is counted into its
// connection (flows.go), then given to the [PacketDissector]s that asked for its
// type, protocol or port; TCP payload goes, in order, to the [StreamDissector]s
// that may still want it (reassemble.go). Nothing is allocated for a frame of a
// known connection that no dissector reads.
//
// Conversations. A connection is both directions of two ends, apart by VLAN and
// VXLAN; connections of one client with one port of a server are one
// conversation. The client is who sent the SYN; where that was not seen, the
// server is who was seen to accept before, or the end with the lower or better
// known port. Sessions counts all attempts, Refused those among them that were
// answered by a reset or an ICMP error, or not at all for ten seconds. A new
// conversation is told within a second, then what was added at the end of each
// interval; intervals end on the hour. The table is bounded: where it is full,
// the connection silent longest is told and forgotten, so that counts are late
// or early but never lost.
//
// Streams. Every dissector probes the first kilobytes of both sides, on any
// port; all that say yes read the stream from its beginning, side by side.
// Segments that come early wait, at most 256 kB and one second for a side, and
// Config.Memory for all; of bytes that are sent twice the first count. What is
// missing is announced as a gap once the other side has acknowledged it, the
// second is over or room runs out. A connection whose beginning was missed, such
// as an HL7 link that stays open for weeks, is looked at anew when the side that
// speaks changes. Without a dissector that wants it, nothing of a stream is
// kept. At most 8,192 streams are read at once; for another, the one silent
// longest makes room.
//
// What was told. Observations are told again after an hour, or when new; the
// same alarm at once, and then once a minute with a count. Of a pair of MAC and
// IP that sends, a claim is made when it was not seen for a minute, and at once
// when another MAC used the address before. Claims from dissectors all pass:
// each may be the forged one.
//
// Bad input. Frames and records that are cut off, absurd or nonsense are counted
// by reason, the first places of each kept ([Stats]), and never end a file. A
// dissector that panics loses the stream or packet at hand and is counted as a
// defect; the engine goes on. Reasons, fragments, streams, connections and what
// is remembered as told are all bounded, and tables are hashed with a secret key.
//
// An engine belongs to one goroutine. Its clock is that of the frames; Tick moves
// it while none come. Dissectors of one engine must not be given to another.
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
	clear [2]clearTold // what was told to pass in clear
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
