package capture

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
)

// The ring: blocks that the kernel fills and hands over when full, or after two
// milliseconds, so that what is wrong is seen at once also where little is
// sent.
const (
	liveBlock   = 256 << 10
	liveBlocks  = 256 // 64 MiB for each interface
	liveTimeout = 2   // ms
	// liveRetry is how often an interface that went away is looked for.
	liveRetry = time.Second
)

// Live listens on interfaces with AF_PACKET rings (TPACKETv3). It never sends.
type Live struct {
	cfg   LiveConfig
	rings []*liveRing
}

// liveRing is the ring of one interface.
type liveRing struct {
	name  string
	fd    int // -1 while the interface is away
	mem   []byte
	block int
	tried time.Time
	away  error
}

// OpenLive opens a ring for each interface.
func OpenLive(cfg LiveConfig) (*Live, error) {
	if len(cfg.Interfaces) == 0 {
		return nil, errors.New("no interface to listen on; name one that a mirror port is plugged into")
	}
	l := &Live{cfg: cfg}
	for _, name := range cfg.Interfaces {
		r := &liveRing{name: name, fd: -1}
		if err := r.open(cfg); err != nil {
			l.Close()
			return nil, err
		}
		l.rings = append(l.rings, r)
	}
	return l, nil
}

// Close ends listening; not while Run runs.
func (l *Live) Close() {
	for _, r := range l.rings {
		r.close()
	}
}

// Run feeds an engine until the context ends. An interface that goes away is
// waited for. Between frames, at least every 50 ms, the engine is told the time
// and each is called, which may look at the engine.
func (l *Live) Run(ctx context.Context, e *Engine, now func() time.Time, each func()) error {
	told := now()
	for ctx.Err() == nil {
		busy := false
		for _, r := range l.rings {
			busy = r.drain(e) || busy
		}
		at := now()
		if !busy {
			l.wait()
			at = now()
		}
		if at.Sub(told) >= 20*time.Millisecond || !busy {
			l.look(e, at)
			e.Tick(at.UnixNano())
			told = at
			if each != nil {
				each()
			}
		}
	}
	l.look(e, now())
	return nil
}

// wait returns when a block is ready, or soon.
func (l *Live) wait() {
	fds := make([]unix.PollFd, 0, 8)
	for _, r := range l.rings {
		if r.fd >= 0 {
			fds = append(fds, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN})
		}
	}
	// An interrupted or failed poll is a short wait; what is wrong with a
	// socket, look finds.
	_, _ = unix.Poll(fds, 50)
}

// look counts what the kernel dropped, and finds interfaces that went away or
// came back.
func (l *Live) look(e *Engine, now time.Time) {
	for _, r := range l.rings {
		if r.fd < 0 {
			if now.Sub(r.tried) >= liveRetry {
				r.tried = now
				r.away = r.open(l.cfg)
			}
			continue
		}
		if s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			e.stats.Dropped += int64(s.Drops)
		}
		if code, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
			r.drain(e)
			r.close()
			r.away = fmt.Errorf("interface %s: %w", r.name, unix.Errno(code))
			r.tried = now
		}
	}
}

// Away returns the interfaces that cannot be listened to now, and why.
func (l *Live) Away() map[string]error {
	away := map[string]error{}
	for _, r := range l.rings {
		if r.fd < 0 {
			away[r.name] = r.away
		}
	}
	return away
}

func (r *liveRing) open(cfg LiveConfig) error {
	i, err := net.InterfaceByName(r.name)
	if err != nil {
		return fmt.Errorf("interface %s is not there; ip link lists those that are: %w", r.name, err)
	}
	// Protocol 0: nothing comes before the ring is ready.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("listen on %s; it takes root or CAP_NET_RAW: %w", r.name, err)
	}
	r.fd, r.block = fd, 0
	if err := r.prepare(cfg, i); err != nil {
		r.close()
		return fmt.Errorf("listen on %s: %w", r.name, err)
	}
	return nil
}

func (r *liveRing) prepare(cfg LiveConfig, i *net.Interface) (err error) {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return err
	}
	if i.Flags&net.FlagLoopback != 0 { // or everything is seen twice
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return err
		}
	}
	req := unix.TpacketReq3{Block_size: liveBlock, Block_nr: liveBlocks, Frame_size: liveBlock,
		Frame_nr: liveBlocks, Retire_blk_tov: liveTimeout}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return err
	}
	if r.mem, err = unix.Mmap(r.fd, 0, liveBlock*liveBlocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return err
	}
	if cfg.Promiscuous {
		m := unix.PacketMreq{Ifindex: int32(i.Index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return err
		}
	}
	all := uint16(unix.ETH_P_ALL)
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: i.Index}); err != nil {
		return err
	}
	if cfg.Fanout != 0 {
		how := unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_DEFRAG
		return unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, int(cfg.Fanout)|how<<16)
	}
	return nil
}

func (r *liveRing) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
		r.mem = nil
	}
	if r.fd >= 0 {
		_ = unix.Close(r.fd)
		r.fd = -1
	}
}

// drain reads the blocks that are ready, at most one round of the ring.
func (r *liveRing) drain(e *Engine) (any bool) {
	for n := 0; r.mem != nil && n < liveBlocks; n++ {
		b := r.mem[r.block*liveBlock : (r.block+1)*liveBlock]
		status := (*uint32)(unsafe.Pointer(&b[8]))
		if atomic.LoadUint32(status)&unix.TP_STATUS_USER == 0 {
			return any
		}
		if e.name != r.name {
			e.From(r.name)
		}
		readBlock(e, b)
		atomic.StoreUint32(status, unix.TP_STATUS_KERNEL)
		r.block, any = (r.block+1)%liveBlocks, true
	}
	return any
}

// readBlock reads the frames of a block: struct tpacket_block_desc, then
// struct tpacket3_hdr and struct sockaddr_ll before each frame.
func readBlock(e *Engine, b []byte) {
	le := binary.NativeEndian
	at := int(le.Uint32(b[16:]))
	for n := le.Uint32(b[12:]); n > 0; n-- {
		h := b[at:]
		kept, size, status := int(le.Uint32(h[12:])), int(le.Uint32(h[16:])), le.Uint32(h[20:])
		mac := int(le.Uint16(h[24:]))
		hardware := le.Uint16(h[56:])
		link := liveLink(hardware)
		if status&unix.TP_STATUS_VLAN_VALID != 0 && link == packet.LinkEthernet && kept >= 14 {
			tag(h, mac, status)
			mac, kept, size = mac-4, kept+4, size+4
		}
		when := int64(le.Uint32(h[4:]))*1e9 + int64(le.Uint32(h[8:]))
		e.leaving = h[58] == unix.PACKET_OUTGOING
		e.Frame(when, link, size, h[mac:mac+kept])
		at += int(le.Uint32(h))
	}
}

// tag puts back what the kernel took out of a frame: the 802.1Q tag. There is
// room before the frame, in the place of an address that is not read.
func tag(h []byte, mac int, status uint32) {
	le := binary.NativeEndian
	tci, kind := uint16(le.Uint32(h[32:])), uint16(packet.TypeVLAN)
	if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		kind = le.Uint16(h[36:])
	}
	copy(h[mac-4:], h[mac:mac+12])
	binary.BigEndian.PutUint16(h[mac+8:], kind)
	binary.BigEndian.PutUint16(h[mac+10:], tci)
}

// liveLink is the link type of a kind of interface.
func liveLink(hardware uint16) int {
	switch hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return packet.LinkEthernet
	case unix.ARPHRD_IEEE80211:
		return packet.LinkWiFi
	case unix.ARPHRD_IEEE80211_RADIOTAP:
		return packet.LinkRadiotap
	case unix.ARPHRD_NONE, unix.ARPHRD_PPP, unix.ARPHRD_TUNNEL, unix.ARPHRD_SIT, unix.ARPHRD_IPGRE, unix.ARPHRD_TUNNEL6, unix.ARPHRD_RAWIP:
		return packet.LinkRaw
	}
	return int(hardware) | 1<<16 // not one of the link types: counted as unread
}
