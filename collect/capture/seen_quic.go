package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"slices"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// QUIC: the first packets of a client, which hold its ClientHello under a key
// that everybody can derive. Source: RFC 9000, RFC 9001, RFC 9369.
const (
	quicV1 = 1
	quicV2 = 0x6b3343cf

	quicMostHello = 8 << 10 // of a ClientHello
	quicMostParts = 64      // pieces it may come in
	quicMostOpen  = 64      // clients whose hello is not whole yet
)

// quicKeys are those of a client's first packets.
type quicKeys struct {
	block cipher.Block // header protection
	aead  cipher.AEAD
	iv    []byte
}

// quicSalt and quicLabel differ between versions, so that nobody relies on one.
func quicSalt(version uint32) (salt []byte, prefix string) {
	if version == quicV2 {
		return []byte("\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"), "quicv2 "
	}
	return []byte("\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"), "quic "
}

func quicExpand(h func() hash.Hash, secret []byte, label string, n int) ([]byte, error) {
	info := make([]byte, 0, 32)
	info = binary.BigEndian.AppendUint16(info, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "...), label...)
	return hkdf.Expand(h, secret, string(append(info, 0)), n)
}

// quicSecrets derives the key, the nonce and the key of header protection of a
// client's first packets.
func quicSecrets(version uint32, dcid []byte) (parts [3][]byte, err error) {
	salt, prefix := quicSalt(version)
	initial, err := hkdf.Extract(sha256.New, dcid, salt)
	if err != nil {
		return parts, err
	}
	client, err := quicExpand(sha256.New, initial, "client in", 32)
	if err != nil {
		return parts, err
	}
	for i, part := range []struct {
		label string
		n     int
	}{{"key", 16}, {"iv", 12}, {"hp", 16}} {
		if parts[i], err = quicExpand(sha256.New, client, prefix+part.label, part.n); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

func newQUICKeys(version uint32, dcid []byte) (k quicKeys, err error) {
	parts, err := quicSecrets(version, dcid)
	if err != nil {
		return k, err
	}
	block, err := aes.NewCipher(parts[0])
	if err != nil {
		return k, err
	}
	k.iv = parts[1]
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return k, err
	}
	k.block, err = aes.NewCipher(parts[2])
	return k, err
}

// quicInitial is a client's first packet before its protection is taken off.
type quicInitial struct {
	version uint32
	dcid    []byte
	head    []byte // up to the packet number
	rest    []byte // packet number and payload
}

// parseQUIC finds an Initial packet; ok is false for other packets.
func parseQUIC(b []byte) (q quicInitial, ok bool, err error) {
	r := seenBytes{b: b}
	first := r.u8()
	q.version = r.u32()
	if first&0xc0 != 0xc0 || r.short || (q.version != quicV1 && q.version != quicV2) {
		return q, false, nil
	}
	kind := first >> 4 & 3
	if (q.version == quicV1 && kind != 0) || (q.version == quicV2 && kind != 1) {
		return q, false, nil
	}
	q.dcid = r.take(int(r.u8()))
	r.take(int(r.u8()))
	r.take(int(r.quicNumber())) // token
	length := r.quicNumber()
	if r.short || len(q.dcid) > 20 || length > uint64(len(r.b)) || length < 20 {
		return q, false, errSeenShort
	}
	q.head = b[:len(b)-len(r.b)]
	q.rest = r.b[:length]
	return q, true, nil
}

// quicNumber reads a number of 1 to 8 bytes; of what does not fit, the rest of
// the message falls short anyway.
func (r *seenBytes) quicNumber() uint64 {
	first := r.u8()
	v := uint64(first & 0x3f)
	for range 1<<(first>>6) - 1 {
		v = v<<8 | uint64(r.u8())
	}
	if v > 1<<30 {
		r.short = true
		return 0
	}
	return v
}

// open takes the protection off; nil where the keys do not fit, as with what
// servers send.
func (q *quicInitial) open() []byte {
	keys, err := newQUICKeys(q.version, q.dcid)
	if err != nil {
		return nil
	}
	var mask [16]byte
	keys.block.Encrypt(mask[:], q.rest[4:20])
	head := slices.Clone(q.head)
	head[0] ^= mask[0] & 0x0f
	n := int(head[0]&3) + 1
	nonce := slices.Clone(keys.iv)
	for i := range n {
		c := q.rest[i] ^ mask[1+i]
		head = append(head, c)
		nonce[len(nonce)-n+i] ^= c
	}
	plain, err := keys.aead.Open(nil, nonce, q.rest[n:], head)
	if err != nil {
		return nil
	}
	return plain
}

// quicHello gathers the pieces of one ClientHello, in any order.
type quicHello struct {
	parts []quicPart
	size  int
}

type quicPart struct {
	at int
	b  []byte
}

// frames takes the pieces out of a packet.
func (h *quicHello) frames(b []byte) {
	r := seenBytes{b: b}
	for len(r.b) > 0 && !r.short {
		switch kind := r.quicNumber(); kind {
		case 0, 1: // padding, ping
		case 2, 3:
			quicAck(&r, kind == 3)
		case 6:
			at := r.quicNumber()
			part := r.take(int(r.quicNumber()))
			if r.short || at > quicMostHello || len(h.parts) >= quicMostParts || h.size+len(part) > quicMostHello {
				return
			}
			h.parts = append(h.parts, quicPart{int(at), part})
			h.size += len(part)
		default:
			return
		}
	}
}

// quicAck reads over an acknowledgement.
func quicAck(r *seenBytes, counts bool) {
	r.quicNumber()
	r.quicNumber()
	ranges := r.quicNumber()
	r.quicNumber()
	for ; ranges > 0 && !r.short; ranges-- {
		r.quicNumber()
		r.quicNumber()
	}
	if counts {
		r.quicNumber()
		r.quicNumber()
		r.quicNumber()
	}
}

// whole is the body of the ClientHello once all of it is there.
func (h *quicHello) whole() []byte {
	slices.SortStableFunc(h.parts, func(a, b quicPart) int { return a.at - b.at })
	var all []byte
	for _, p := range h.parts {
		if p.at > len(all) {
			return nil
		}
		if end := p.at + len(p.b); end > len(all) {
			all = append(all, p.b[len(all)-p.at:]...)
		}
	}
	if len(all) < 4 || all[0] != tlsClientHello {
		return nil
	}
	n := int(all[1])<<16 | int(all[2])<<8 | int(all[3])
	if len(all)-4 < n {
		return nil
	}
	return all[4 : 4+n]
}

// quicID names a client's connection.
type quicID struct {
	from netip.AddrPort
	dcid string
}

type quicDissector struct {
	open   map[quicID]*quicHello
	order  []quicID
	memory *tlsMemory
}

func newQUIC() PacketDissector {
	return &quicDissector{open: map[quicID]*quicHello{}, memory: newTLSMemory()}
}

func (*quicDissector) Name() string { return "quic" }
func (*quicDissector) Match() Match { return Match{UDP: []uint16{443, 80, 853, 8443, 4433}} }

func (d *quicDissector) Packet(f *packet.Frame, out Out) error {
	if len(f.Payload) == 0 || f.Payload[0]&0x40 == 0 { // a bit that all of QUIC has
		return ErrOther
	}
	q, ok, err := parseQUIC(f.Payload)
	if !ok {
		return err
	}
	id := quicID{netip.AddrPortFrom(f.From, f.FromPort), string(q.dcid)}
	plain := q.open()
	if plain == nil {
		return nil // a server's, or after a retry: the keys are others
	}
	h := d.hello(id)
	h.frames(plain)
	body := h.whole()
	if body == nil {
		return nil
	}
	*h = quicHello{} // a repeated packet begins anew, and finds no more than the same
	return d.tell(f, body, out)
}

// hello finds what is there of a connection's; the oldest gives way.
func (d *quicDissector) hello(id quicID) *quicHello {
	if h := d.open[id]; h != nil {
		return h
	}
	if len(d.order) >= quicMostOpen {
		delete(d.open, d.order[0])
		d.order = d.order[1:]
	}
	h := &quicHello{}
	d.open[id] = h
	d.order = append(d.order, id)
	return h
}

func (d *quicDissector) tell(f *packet.Frame, body []byte, out Out) error {
	h, err := parseTLSHello(body, false)
	if err != nil {
		return err
	}
	o := seenFrom(f, "quic")
	seenAdd(&o, asset.FactJA4, h.ja4('q'))
	d.memory.asks(&o, h.sni)
	seenTell(out, o)
	return nil
}

// dtlsDissector reads what a client says first in TLS over datagrams. Source:
// RFC 6347, RFC 9147.
type dtlsDissector struct{ memory *tlsMemory }

func newDTLS() PacketDissector { return &dtlsDissector{newTLSMemory()} }

func (*dtlsDissector) Name() string { return "dtls" }
func (*dtlsDissector) Match() Match {
	return Match{UDP: []uint16{443, 3391, 4433, 5349, 5684, 8443}}
}

// parseDTLS finds a ClientHello; ok is false for other messages and for pieces
// of one.
func parseDTLS(b []byte) (h tlsHello, ok bool, err error) {
	r := seenBytes{b: b}
	kind, major := r.u8(), r.u8()
	if kind < 20 || kind > 26 || major != 0xfe {
		return h, false, ErrOther
	}
	r.take(9) // minor version, epoch, number
	r = seenBytes{b: r.take(int(r.u16()))}
	if kind != tlsRecordHandshake || r.u8() != tlsClientHello {
		return h, false, r.err()
	}
	whole := r.u24()
	r.u16()
	if at, part := r.u24(), r.u24(); at != 0 || part != whole {
		return h, false, r.err()
	}
	h, err = parseTLSHello(r.take(whole), true)
	return h, err == nil, err
}

func (d *dtlsDissector) Packet(f *packet.Frame, out Out) error {
	h, ok, err := parseDTLS(f.Payload)
	if !ok {
		return err
	}
	o := seenFrom(f, "dtls")
	seenAdd(&o, asset.FactJA4, h.ja4('d'))
	d.memory.asks(&o, h.sni)
	seenTell(out, o)
	return nil
}
