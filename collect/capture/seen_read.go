package capture

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// What the discovery dissectors share: reading bytes, cleaning texts, and
// telling what was found.

const (
	seenMostText  = 256 // bytes of one value
	seenMostFacts = 48  // of one observation
)

var (
	errSeenShort = errors.New("message ends before its fields do")
	errSeenForm  = errors.New("message is not of the form its protocol has")
)

// seenBytes reads a message front to back. Reading past the end gives zeros
// and is remembered, so that a parser asks once.
type seenBytes struct {
	b     []byte
	short bool
}

func (r *seenBytes) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *seenBytes) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *seenBytes) u16() uint16 {
	if b := r.take(2); b != nil {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

func (r *seenBytes) u24() int {
	if b := r.take(3); b != nil {
		return int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	}
	return 0
}

func (r *seenBytes) u32() uint32 {
	return uint32(r.u16())<<16 | uint32(r.u16())
}

func (r *seenBytes) le16() uint16 {
	v := r.u16()
	return v<<8 | v>>8
}

func (r *seenBytes) le32() uint32 {
	return uint32(r.le16()) | uint32(r.le16())<<16
}

func (r *seenBytes) mac() (m packet.MAC) {
	copy(m[:], r.take(6))
	return m
}

func (r *seenBytes) ip4() netip.Addr {
	return seenAddr(r.take(4))
}

func (r *seenBytes) ip6() netip.Addr {
	return seenAddr(r.take(16))
}

// err is what a parser returns at its end.
func (r *seenBytes) err() error {
	if r.short {
		return errSeenShort
	}
	return nil
}

// seenAddr is an address of 4 or 16 bytes that one host can have, else invalid.
func seenAddr(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.Addr{}
	}
	return seenHost(a)
}

// seenHost is a when one host can have it, else invalid.
func seenHost(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}
	}
	return a
}

// seenText is a text that a device said: one line of printable signs, cut to
// what a value may have, without NUL or space around it.
func seenText(b []byte) string {
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	if b = bytes.Trim(b, " \t\r\n"); len(b) > seenMostText {
		b = b[:seenMostText]
		for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.Valid(b); i++ {
			b = b[:len(b)-1]
		}
	}
	if seenPlain(b) {
		return strings.TrimSpace(string(b))
	}
	if !utf8.Valid(b) {
		if text, ok := seenChinese(b); ok {
			b = text
		}
	}
	return strings.Join(strings.Fields(strings.Map(seenSign, string(b))), " ")
}

// seenChinese reads a text as Windows in China writes it where Unicode is not
// used: in NetBIOS names, in DHCP. All that is not ASCII has to be Han, as bytes
// of other meaning hardly ever are.
func seenChinese(b []byte) (text []byte, ok bool) {
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b)
	if err != nil {
		return nil, false
	}
	text = bytes.TrimSuffix(text, []byte(string(utf8.RuneError))) // names are cut to a length, also in a sign
	other := func(r rune) bool { return r < ' ' || r > '~' && !unicode.Is(unicode.Han, r) }
	return text, !bytes.ContainsFunc(text, other)
}

func seenPlain(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// seenSign maps a sign to what may be shown of it.
func seenSign(r rune) rune {
	switch {
	case r == utf8.RuneError:
		return '?'
	case unicode.IsPrint(r):
		return r
	}
	return ' '
}

// seenUTF16 is a little-endian text of Windows.
func seenUTF16(b []byte) string {
	out := make([]rune, 0, min(len(b)/2, seenMostText))
	for ; len(b) >= 2 && len(out) < seenMostText; b = b[2:] {
		c := rune(b[0]) | rune(b[1])<<8
		if c == 0 {
			break
		}
		out = append(out, c) // half a surrogate pair becomes a question mark
	}
	return seenText([]byte(string(out)))
}

// seenFrom begins an observation of who sent f.
func seenFrom(f *packet.Frame, protocol string) asset.Observation {
	return asset.Observation{At: f.At, MAC: seenMAC(f), IP: seenHost(f.From), VLAN: f.VLAN, Protocol: protocol}
}

// seenMAC is the sender's own address in the link layer: not that of a router
// between, as a time to live below what systems begin with shows.
func seenMAC(f *packet.Frame) packet.MAC {
	if f.Src[0]&1 != 0 {
		return packet.MAC{}
	}
	if !f.From.IsValid() || f.Dst[0]&1 != 0 {
		return f.Src
	}
	switch f.TTL {
	case 32, 60, 64, 128, 255:
		return f.Src
	}
	return packet.MAC{}
}

// seenAdd adds a fact that is not empty and not there yet.
func seenAdd(o *asset.Observation, name asset.FactName, value string) {
	if value == "" || len(o.Facts) >= seenMostFacts {
		return
	}
	if fact := (asset.Fact{Name: name, Value: value}); !slices.Contains(o.Facts, fact) {
		o.Facts = append(o.Facts, fact)
	}
}

// seenTell tells what is known of somebody.
func seenTell(out Out, o asset.Observation) {
	if len(o.Facts) > 0 {
		seenThere(out, o)
	}
}

// seenThere tells that somebody is there, if it is known who: an address of a
// group is nobody's.
func seenThere(out Out, o asset.Observation) {
	if o.MAC[0]&1 != 0 {
		o.MAC = packet.MAC{}
	}
	if o.IP.IsValid() || o.MAC != (packet.MAC{}) {
		out.Seen(o)
	}
}

func seenService(transport string, port uint16, name string) string {
	return transport + "/" + strconv.Itoa(int(port)) + " " + name
}

// seenClient and seenServer begin observations of the ends of a stream.
func seenClient(s *Stream, at int64, protocol string) asset.Observation {
	return asset.Observation{At: at, MAC: s.ClientMAC, IP: seenHost(s.Client.Addr()), VLAN: s.VLAN, Protocol: protocol}
}

func seenServer(s *Stream, at int64, protocol string) asset.Observation {
	return asset.Observation{At: at, MAC: s.ServerMAC, IP: seenHost(s.Server.Addr()), VLAN: s.VLAN, Protocol: protocol}
}

// seenServes begins an observation of a server with the service it offers.
func seenServes(s *Stream, at int64, protocol string) asset.Observation {
	o := seenServer(s, at, protocol)
	seenAdd(&o, asset.FactService, seenService("tcp", s.Server.Port(), protocol))
	return o
}

// seenApp names the protocol of a stream unless somebody already did.
func seenApp(s *Stream, app string) {
	if n := s.Notes(); n.App == "" {
		n.App = app
	}
}

// seenLately remembers what passed within a span of time, in fixed memory:
// what is older or fell to a collision passes again.
type seenLately struct {
	span  int64 // ns
	slots [512]struct {
		sum uint64
		at  int64
	}
}

func newSeenLately(seconds int64) *seenLately {
	return &seenLately{span: seconds * 1e9}
}

// repeated reports whether sum passed lately, and remembers it if not.
func (l *seenLately) repeated(sum uint64, at int64) bool {
	slot := &l.slots[sum%uint64(len(l.slots))]
	if slot.sum == sum && at >= slot.at && at-slot.at < l.span {
		return true
	}
	slot.sum, slot.at = sum, at
	return false
}

// same reports whether the same sender said the very same lately.
func (l *seenLately) same(f *packet.Frame, payload []byte) bool {
	from := f.From.As16()
	var who [25]byte
	copy(who[:], f.Src[:])
	copy(who[6:], from[:])
	who[22], who[23], who[24] = byte(f.VLAN>>8), byte(f.VLAN), byte(f.FromPort)
	return l.repeated(xxh3.Hash(payload)^xxh3.HashSeed(who[:], 1), f.At)
}

// about reports whether something was told of an address lately.
func (l *seenLately) about(a netip.AddrPort, what string, at int64) bool {
	ip := a.Addr().As16()
	var who [18]byte
	copy(who[:], ip[:])
	who[16], who[17] = byte(a.Port()>>8), byte(a.Port())
	return l.repeated(xxh3.Hash(who[:])^xxh3.HashString(what), at)
}
