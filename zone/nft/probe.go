//go:build linux

package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// Prober sends probes from this machine.
type Prober struct {
	// Wait is how long an answer may take. Default: 2s.
	Wait time.Duration
}

var _ zone.Prober = Prober{}

// Probe sends one and says what came back.
func (p Prober) Probe(ctx context.Context, x zone.Probe) (res zone.ProbeResult) {
	wait := p.Wait
	if wait == 0 {
		wait = 2 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	begun := monotonic()
	res, err := p.send(ctx, x, wait)
	res.Took = monotonic() - begun
	if err != nil {
		res.Passed, res.Said = false, "not sent: "+err.Error()
		res.Unsure = true
	}
	return res
}

func (p Prober) send(ctx context.Context, x zone.Probe, wait time.Duration) (res zone.ProbeResult, err error) {
	c, err := p.dial(ctx, x, wait)
	if err != nil {
		return said(err)
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // wakes whoever reads
	defer stop()
	switch x.Kind {
	case "tcp", "hl7":
		res.Passed, res.Said = true, "open"
		return res, nil
	case "dicom":
		return dicomEcho(c, x.AETitles)
	case "dns":
		// What name servers are asked at their start: the name servers of the root.
		return ask(c, []byte{0x43, 0x44, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1})
	case "udp":
		return ask(c, []byte{0})
	case "icmp":
		return ask(c, echoRequest(x.To))
	}
	return res, fmt.Errorf("there is no probe of kind %q", x.Kind)
}

// dial opens the probe's socket, in its namespace, by its interface.
func (p Prober) dial(ctx context.Context, x zone.Probe, wait time.Duration) (c net.Conn, err error) {
	k := &Kernel{ns: -1}
	if x.NetNS != "" {
		if k, err = Open(Options{NetNS: x.NetNS}); err != nil {
			return nil, &notSent{err}
		}
		defer func() { err = errors.Join(err, k.Close()) }()
	}
	d := net.Dialer{Timeout: wait, Control: func(_, _ string, raw syscall.RawConn) error {
		if x.Device == "" {
			return nil
		}
		var inner error
		err := raw.Control(func(fd uintptr) { inner = unix.BindToDevice(int(fd), x.Device) })
		return errors.Join(err, inner)
	}}
	network, address := "tcp", netip.AddrPortFrom(x.To, x.Port).String()
	switch x.Kind {
	case "udp", "dns":
		network = "udp"
	case "icmp":
		network, address = "ip4:icmp", x.To.String()
		if x.To.Is6() {
			network = "ip6:ipv6-icmp"
		}
	}
	if x.From.IsValid() {
		switch network[:2] {
		case "tc":
			d.LocalAddr = &net.TCPAddr{IP: x.From.AsSlice()}
		case "ud":
			d.LocalAddr = &net.UDPAddr{IP: x.From.AsSlice()}
		default:
			d.LocalAddr = &net.IPAddr{IP: x.From.AsSlice()}
		}
	}
	err = k.inside(func() (err error) {
		c, err = d.DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// notSent is a probe that could not be tried.
type notSent struct{ error }

// said turns the fate of a connection into a result. A refusal comes from the
// far end, so the packet came there and back.
func said(err error) (res zone.ProbeResult, _ error) {
	var not *notSent
	var timeout net.Error
	switch {
	case errors.As(err, &not):
		return res, not.error
	case errors.Is(err, unix.ECONNREFUSED):
		res.Passed, res.Said = true, "refused by the far end"
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENETUNREACH):
		res.Said = "unreachable"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		res.Said = "dropped by this machine"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		res.Said = "no answer"
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		res.Passed, res.Said = true, "closed by the far end"
	default:
		return res, err
	}
	return res, nil
}

// ask sends a datagram and waits for one.
func ask(c net.Conn, b []byte) (res zone.ProbeResult, err error) {
	if _, err := c.Write(b); err != nil {
		return said(err)
	}
	if _, err := c.Read(make([]byte, 1500)); err != nil {
		res, err = said(err)
		res.Unsure = !res.Passed // silence may also be the far end's
		return res, err
	}
	res.Passed, res.Said = true, "answered"
	return res, nil
}

func echoRequest(to netip.Addr) []byte {
	b := []byte{8, 0, 0, 0, 0x43, 0x44, 0, 1}
	if to.Is6() {
		b[0] = echoType(packet.ICMPv6) // the kernel sums ICMPv6 itself
		return b
	}
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum+sum>>16))
	return b
}

// The parts of DICOM that a C-ECHO needs. Source: PS3.8 9.3, PS3.7 9.3.5.
const (
	uidContext        = "1.2.840.10008.3.1.1.1"
	uidVerification   = "1.2.840.10008.1.1"
	uidImplicitLittle = "1.2.840.10008.1.2"
	uidCordon         = "2.25.104297845391672190815264389112063870213"
)

// dicomEcho opens an association and asks for an echo. A rejection also shows
// that the way is free.
func dicomEcho(c net.Conn, titles string) (res zone.ProbeResult, err error) {
	calling, called, _ := strings.Cut(titles, "/")
	if calling == "" {
		calling, called = "CORDON", "ANY-SCP"
	}
	if _, err := c.Write(associate(calling, called)); err != nil {
		return said(err)
	}
	kind, _, err := readPDU(c)
	if err != nil {
		return said(err)
	}
	res.Passed = true
	if kind != 2 {
		res.Said = "connected; the association was rejected"
		return res, nil
	}
	if _, err := c.Write(echoCommand()); err != nil {
		return said(err)
	}
	kind, body, err := readPDU(c)
	if err != nil {
		return said(err)
	}
	res.Said = "association accepted, echo not answered"
	if kind == 4 && echoDone(body) {
		res.Said = "echo answered"
	}
	_, _ = c.Write([]byte{5, 0, 0, 0, 0, 4, 0, 0, 0, 0}) // A-RELEASE, out of politeness
	_, _, _ = readPDU(c)
	return res, nil
}

func associate(calling, called string) []byte {
	item := func(kind byte, body ...byte) []byte {
		return append([]byte{kind, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	}
	title := func(s string) []byte { return []byte(fmt.Sprintf("%-16.16s", s)) }
	body := append([]byte{0, 1, 0, 0}, append(title(called), title(calling)...)...)
	body = append(body, make([]byte, 32)...)
	body = append(body, item(0x10, []byte(uidContext)...)...)
	context := append([]byte{1, 0, 0, 0}, item(0x30, []byte(uidVerification)...)...)
	body = append(body, item(0x20, append(context, item(0x40, []byte(uidImplicitLittle)...)...)...)...)
	user := append(item(0x51, 0, 0, 0x40, 0), item(0x52, []byte(uidCordon)...)...)
	body = append(body, item(0x50, user...)...)
	return append(binary.BigEndian.AppendUint32([]byte{1, 0}, uint32(len(body))), body...)
}

// echoCommand is a P-DATA with C-ECHO-RQ.
func echoCommand() []byte {
	element := func(tag uint16, value ...byte) []byte {
		b := binary.LittleEndian.AppendUint16([]byte{0, 0}, tag)
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(value))), value...)
	}
	set := element(0x0002, append([]byte(uidVerification), 0)...)
	set = append(set, element(0x0100, 0x30, 0)...)
	set = append(set, element(0x0110, 1, 0)...)
	set = append(set, element(0x0800, 1, 1)...)
	set = append(element(0x0000, binary.LittleEndian.AppendUint32(nil, uint32(len(set)))...), set...)
	pdv := append(binary.BigEndian.AppendUint32(nil, uint32(len(set)+2)), 1, 3)
	pdv = append(pdv, set...)
	return append(binary.BigEndian.AppendUint32([]byte{4, 0}, uint32(len(pdv))), pdv...)
}

// mostPDU bounds what a far end may answer.
const mostPDU = 64 << 10

func readPDU(c net.Conn) (kind byte, body []byte, err error) {
	var head [6]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[2:])
	if n > mostPDU {
		return 0, nil, errors.New("the far end does not speak DICOM")
	}
	body = make([]byte, n)
	_, err = io.ReadFull(c, body)
	return head[0], body, err
}

// echoDone finds status 0000 in a C-ECHO-RSP.
func echoDone(body []byte) bool {
	for i := 6; i+10 <= len(body); {
		n := binary.LittleEndian.Uint32(body[i+4:])
		if n > uint32(len(body)-i-8) {
			return false
		}
		if body[i+2] == 0 && body[i+3] == 9 {
			return n == 2 && body[i+8] == 0 && body[i+9] == 0
		}
		i += 8 + int(n)
	}
	return false
}
