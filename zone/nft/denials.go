//go:build linux

package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/florianl/go-nflog/v2"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/zone"
)

// Denials reads the kernel's records of what it did not let pass. The first
// packet of a kind is told at once; equal ones of the same second are folded
// into one more denial at its end. The counts add up to the records read, and
// records that the kernel could not deliver are counted too.
type Denials struct {
	kernel *Kernel
	now    func() time.Time
	out    func(zone.Denial)

	records, lost, bad atomic.Int64
	names              sync.Map // interface index -> name

	mu    sync.Mutex // guards what follows
	fold  map[denialKey]*zone.Denial
	heads [2]uint32 // next number expected, by group
	seen  [2]bool
}

// denialKey is what equal packets have in common.
type denialKey struct {
	kind     zone.DenialKind
	staged   bool
	in, out  string
	mac      packet.MAC
	claimed  packet.MAC
	from, to netip.Addr
	proto    uint8
	port     uint16
}

// NewDenials makes a reader; out must be quick, and is called from more than
// one goroutine.
func (k *Kernel) NewDenials(now func() time.Time, out func(zone.Denial)) *Denials {
	return &Denials{kernel: k, now: now, out: out, fold: map[denialKey]*zone.Denial{}}
}

// Stats says how the reader fares.
func (d *Denials) Stats() zone.LogStats {
	return zone.LogStats{Records: d.records.Load(), Lost: d.lost.Load(), Bad: d.bad.Load()}
}

// logBuffer holds what arrives while we are busy: 100,000 records or so.
const logBuffer = 16 << 20

// Run reads until ctx ends. It calls ready when nothing is missed any more.
func (d *Denials) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 2)
	for i := range uint16(2) {
		stop, err := d.listen(ctx, i, failed)
		if err != nil {
			return err
		}
		defer stop()
	}
	defer cancel() // before the sockets close: closing waits for it
	ready()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.flush()
			return nil
		case err := <-failed:
			d.flush()
			return fmt.Errorf("read denials from the kernel: %w", err)
		case <-tick.C:
			d.flush()
		}
	}
}

func (d *Denials) listen(ctx context.Context, i uint16, failed chan<- error) (stop func(), err error) {
	k := d.kernel
	nf, err := nflog.Open(&nflog.Config{NetNS: k.namespace(), Group: k.cfg.Group + i, Copymode: nflog.CopyPacket, Bufsize: snaplen, Flags: nflog.FlagSeq, Timeout: 1})
	if err != nil {
		return nil, fmt.Errorf("open NFLOG: %w", err)
	}
	if err := forceReadBuffer(nf); err != nil {
		return nil, errors.Join(err, nf.Close())
	}
	hook := func(a nflog.Attribute) int { d.record(int(i), a); return 0 }
	trouble := func(err error) int {
		if ctx.Err() != nil {
			return 1
		}
		if errors.Is(err, unix.ENOBUFS) {
			return 0 // records were lost; the gap in their numbers says how many
		}
		failed <- err
		return 1
	}
	if err := nf.RegisterWithErrorFunc(ctx, hook, trouble); err != nil {
		return nil, errors.Join(fmt.Errorf("listen to NFLOG group %d; is another program reading it: %w", k.cfg.Group+i, err), nf.Con.Close())
	}
	return func() {
		if err := nf.Close(); err != nil {
			k.log().Debug("close NFLOG", "error", err)
		}
	}, nil
}

func forceReadBuffer(nf *nflog.Nflog) error {
	raw, err := nf.Con.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, logBuffer)
	})
	return errors.Join(err, inner)
}

// record takes one packet.
func (d *Denials) record(group int, a nflog.Attribute) {
	d.records.Add(1)
	if a.Seq != nil {
		d.number(group, *a.Seq)
	}
	den, ok := d.read(a)
	if !ok {
		d.bad.Add(1)
	}
	d.add(den)
}

// number notices gaps in the kernel's numbers.
func (d *Denials) number(group int, seq uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if gap := seq - d.heads[group]; d.seen[group] && gap != 0 && gap < 1<<31 {
		d.lost.Add(int64(gap))
	}
	d.heads[group], d.seen[group] = seq+1, true
}

// read makes a denial of a record; what cannot be read of it stays empty.
func (d *Denials) read(a nflog.Attribute) (den zone.Denial, ok bool) {
	den = zone.Denial{First: d.now().UnixNano(), Count: 1, In: d.device(a.PhysInDev, a.InDev), Out: d.device(a.PhysOutDev, a.OutDev)}
	den.Last = den.First
	if a.Prefix != nil {
		kind := strings.TrimPrefix(strings.TrimRight(*a.Prefix, "\x00"), logPrefix)
		kind, den.Staged = strings.CutSuffix(kind, stagedSuffix)
		den.Kind = zone.DenialKind(kind)
		den.Staged = den.Staged || den.Kind == zone.DeniedWould || den.Kind == zone.DeniedOpen
	}
	if a.HwHeader != nil && len(*a.HwHeader) >= 14 {
		copy(den.MAC[:], (*a.HwHeader)[6:12])
	} else if a.HwAddr != nil {
		copy(den.MAC[:], *a.HwAddr)
	}
	if a.Payload == nil {
		return den, false
	}
	proto := uint16(0)
	if a.HwProtocol != nil {
		proto = *a.HwProtocol
	}
	return den, readPacket(&den, proto, *a.Payload)
}

// device is an interface's name; a bridge's port goes before the bridge.
func (d *Denials) device(index ...*uint32) string {
	for _, i := range index {
		if i == nil || *i == 0 {
			continue
		}
		if name, ok := d.names.Load(*i); ok {
			return name.(string)
		}
		name := ""
		err := d.kernel.inside(func() error {
			dev, err := net.InterfaceByIndex(int(*i))
			if err == nil {
				name = dev.Name
			}
			return err
		})
		if err != nil {
			return ""
		}
		d.names.Store(*i, name)
		return name
	}
	return ""
}

// readPacket reads what begins at the network layer.
func readPacket(den *zone.Denial, proto uint16, b []byte) bool {
	switch {
	case proto == packet.TypeARP:
		return readARP(den, b)
	case len(b) >= 20 && b[0]>>4 == 4:
		return readIPv4(den, b)
	case len(b) >= 40 && b[0]>>4 == 6:
		return readIPv6(den, b)
	}
	return proto == packet.TypeVLAN || proto == packet.TypeQinQ // nothing more is wanted of them
}

func readARP(den *zone.Denial, b []byte) bool {
	if len(b) < 28 {
		return false
	}
	copy(den.Claimed[:], b[arpSenderMAC:])
	den.From, _ = netip.AddrFromSlice(b[arpSenderIP : arpSenderIP+4])
	den.To, _ = netip.AddrFromSlice(b[24:28])
	return true
}

func readIPv4(den *zone.Denial, b []byte) bool {
	den.From, _ = netip.AddrFromSlice(b[12:16])
	den.To, _ = netip.AddrFromSlice(b[16:20])
	den.Proto = b[9]
	head := int(b[0]&15) * 4
	if head < 20 || len(b) < head {
		return false
	}
	if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return true // a later fragment
	}
	readPorts(den, b[head:])
	return true
}

// mostHeaders bounds the extension headers that are walked.
const mostHeaders = 8

func readIPv6(den *zone.Denial, b []byte) bool {
	den.From, _ = netip.AddrFromSlice(b[8:24])
	den.To, _ = netip.AddrFromSlice(b[24:40])
	next, rest := b[6], b[40:]
	for range mostHeaders {
		switch next {
		case 0, 43, 60: // hop by hop, routing, destination options
			if len(rest) < 8 || len(rest) < int(rest[1])*8+8 {
				den.Proto = next
				return false
			}
			next, rest = rest[0], rest[int(rest[1])*8+8:]
		case 44: // fragment
			if len(rest) < 8 {
				den.Proto = next
				return false
			}
			later := binary.BigEndian.Uint16(rest[2:])&0xfff8 != 0
			next, rest = rest[0], rest[8:]
			if later {
				den.Proto = next
				return true
			}
		default:
			den.Proto = next
			readPorts(den, rest)
			if den.Kind == zone.DeniedNA && len(rest) >= 24 {
				den.To, _ = netip.AddrFromSlice(rest[8:24])
			}
			return true
		}
	}
	den.Proto = next
	return true
}

func readPorts(den *zone.Denial, b []byte) {
	if (den.Proto == packet.TCP || den.Proto == packet.UDP) && len(b) >= 4 {
		den.FromPort, den.Port = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
}

// How many kinds of denials are kept apart in one second. What is beyond is
// folded by sender, then into one per rule.
const (
	mostTuples  = 2000
	mostSenders = 4000
)

// add counts a denial, and tells it when it is the first of its kind.
func (d *Denials) add(den zone.Denial) {
	key := denialKey{den.Kind, den.Staged, den.In, den.Out, den.MAC, den.Claimed, den.From, den.To, den.Proto, den.Port}
	d.mu.Lock()
	e := d.fold[key]
	if e == nil && len(d.fold) >= mostTuples {
		key.to, key.port, key.proto = netip.Addr{}, 0, 0
		den.To, den.Port, den.Proto, den.FromPort, den.Folded = key.to, 0, 0, 0, true
		if e = d.fold[key]; e == nil && len(d.fold) >= mostSenders {
			key = denialKey{kind: den.Kind, staged: den.Staged}
			den = zone.Denial{Kind: den.Kind, Staged: den.Staged, First: den.First, Last: den.Last, Count: den.Count, Folded: true}
			e = d.fold[key]
		}
	}
	if e != nil {
		e.Count += den.Count
		e.Last = den.Last
		if e.First == 0 {
			e.First = den.First
		}
		d.mu.Unlock()
		return
	}
	rest := den
	rest.Count, rest.First = 0, 0
	d.fold[key] = &rest
	d.mu.Unlock()
	d.out(den)
}

// flush tells what was folded since the last second.
func (d *Denials) flush() {
	d.mu.Lock()
	done := d.fold
	d.fold = make(map[denialKey]*zone.Denial, len(done))
	d.mu.Unlock()
	for _, e := range done {
		if e.Count > 0 {
			d.out(*e)
		}
	}
}
