//go:build linux

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
)

// wire sends and receives whole frames on an interface of a namespace.
type wire struct {
	fd  int
	mac packet.MAC
}

func (l *lab) wire(ns, dev string) *wire {
	l.t.Helper()
	w := &wire{}
	err := l.in(ns, func() error {
		i, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		copy(w.mac[:], i.HardwareAddr)
		all := uint16(unix.ETH_P_ALL)
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, int(all<<8|all>>8)); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 128<<20); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: i.Index})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = unix.Close(w.fd) })
	return w
}

func (w *wire) send(t testing.TB, frame []byte) {
	t.Helper()
	for {
		_, err := unix.Write(w.fd, frame)
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) {
			time.Sleep(50 * time.Microsecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
}

// collect calls f with what comes in until nothing came for quiet.
func (w *wire) collect(quiet time.Duration, f func(frame []byte)) {
	tv := unix.NsecToTimeval(quiet.Nanoseconds())
	_ = unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	b := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(w.fd, b, 0)
		if err != nil {
			return
		}
		if ll, ok := from.(*unix.SockaddrLinklayer); ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		f(b[:n])
	}
}

// probeFrame is a packet that opens a conversation: TCP SYN, UDP, ICMP echo
// request, or an empty packet of another protocol. id travels inside.
func probeFrame(dst, src packet.MAC, from, to netip.Addr, proto uint8, port uint16, id uint32) []byte {
	sport := uint16(20000 + id%40000)
	var l4 []byte
	switch proto {
	case packet.TCP:
		l4 = make([]byte, 24) // with an option of 4 bytes to hold nothing
		binary.BigEndian.PutUint16(l4, sport)
		binary.BigEndian.PutUint16(l4[2:], port)
		binary.BigEndian.PutUint32(l4[4:], id)
		l4[12], l4[13] = 6<<4, 2
		binary.BigEndian.PutUint16(l4[14:], 1024)
		l4[20], l4[21] = 2, 4
		binary.BigEndian.PutUint16(l4[22:], 1000)
	case packet.UDP:
		l4 = make([]byte, 12)
		binary.BigEndian.PutUint16(l4, sport)
		binary.BigEndian.PutUint16(l4[2:], port)
		binary.BigEndian.PutUint16(l4[4:], 12)
		binary.BigEndian.PutUint32(l4[8:], id)
	case packet.ICMP, packet.ICMPv6:
		l4 = make([]byte, 12)
		l4[0] = echoType(proto)
		binary.BigEndian.PutUint16(l4[4:], uint16(id))
		binary.BigEndian.PutUint16(l4[6:], uint16(id>>16))
		binary.BigEndian.PutUint32(l4[8:], id)
	default:
		l4 = make([]byte, 8)
		binary.BigEndian.PutUint32(l4[4:], id)
	}
	l4sum(l4, from, to, proto)
	head := ipHead(from, to, proto, len(l4), id)
	frame := append(append(append([]byte{}, dst[:]...), src[:]...), 0x08, 0)
	if from.Is6() {
		frame[12], frame[13] = 0x86, 0xdd
	}
	return append(append(frame, head...), l4...)
}

func ipHead(from, to netip.Addr, proto uint8, n int, id uint32) []byte {
	if from.Is6() {
		h := make([]byte, 40)
		h[0], h[6], h[7] = 6<<4, proto, 64
		binary.BigEndian.PutUint16(h[4:], uint16(n))
		copy(h[8:], from.AsSlice())
		copy(h[24:], to.AsSlice())
		return h
	}
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+n))
	binary.BigEndian.PutUint16(h[4:], uint16(id))
	copy(h[12:], from.AsSlice())
	copy(h[16:], to.AsSlice())
	binary.BigEndian.PutUint16(h[10:], ^sum16(0, h))
	return h
}

func sum16(s uint32, b []byte) uint16 {
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// l4sum fills in the checksum, without which connection tracking calls a
// packet invalid.
func l4sum(b []byte, from, to netip.Addr, proto uint8) {
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	pseudo = append(pseudo, 0, proto, byte(len(b)>>8), byte(len(b)))
	switch proto {
	case packet.TCP:
		binary.BigEndian.PutUint16(b[16:], ^sum16(uint32(sum16(0, pseudo)), b))
	case packet.UDP:
		binary.BigEndian.PutUint16(b[6:], ^sum16(uint32(sum16(0, pseudo)), b))
	case packet.ICMP:
		binary.BigEndian.PutUint16(b[2:], ^sum16(0, b))
	case packet.ICMPv6:
		binary.BigEndian.PutUint16(b[2:], ^sum16(uint32(sum16(0, pseudo)), b))
	}
}

// probeID reads the id back.
func probeID(frame []byte) (id uint32, ok bool) {
	if len(frame) < 14+20+8 {
		return 0, false
	}
	l3 := frame[14:]
	proto, l4 := l3[9], l3[20:]
	if l3[0]>>4 == 6 {
		if len(l3) < 48 {
			return 0, false
		}
		proto, l4 = l3[6], l3[40:]
	} else if l3[0] != 0x45 {
		return 0, false
	}
	off := 4
	switch {
	case proto == packet.UDP || (proto == packet.ICMP || proto == packet.ICMPv6) && (l4[0] == 8 || l4[0] == 128):
		off = 8
	case proto != packet.TCP && proto != packet.GRE:
		return 0, false
	}
	if len(l4) < off+4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(l4[off:]), true
}

func (l *lab) mac(ns, dev string) (m packet.MAC) {
	l.t.Helper()
	err := l.in(ns, func() error {
		i, err := net.InterfaceByName(dev)
		if err == nil {
			copy(m[:], i.HardwareAddr)
		}
		return err
	})
	if err != nil {
		l.t.Fatal(fmt.Errorf("%s: %w", dev, err))
	}
	return m
}
