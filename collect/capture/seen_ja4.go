package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
)

// The fields of a ClientHello that matter here. Source: RFC 8446, RFC 6066, RFC
// 7301.
const (
	tlsExtSNI        = 0
	tlsExtSignatures = 13
	tlsExtALPN       = 16
	tlsExtVersions   = 43

	tlsMostList = 256 // ciphers, extensions, signature algorithms that are kept
)

// tlsHello is a ClientHello, in the order of the wire.
type tlsHello struct {
	version    uint16 // the highest offered
	ciphers    []uint16
	extensions []uint16
	signatures []uint16
	alpn       []byte // the first
	sni        string
	hasSNI     bool
}

// tlsGrease are values without a meaning that clients mix in. Source: RFC 8701.
func tlsGrease(v uint16) bool {
	return v&0x0f0f == 0x0a0a && v>>8 == v&0xff
}

// parseTLSHello reads the body of a ClientHello; datagrams have a cookie more.
func parseTLSHello(b []byte, datagram bool) (h tlsHello, err error) {
	r := seenBytes{b: b}
	h.version = r.u16()
	r.take(32)
	r.take(int(r.u8())) // session
	if datagram {
		r.take(int(r.u8()))
	}
	h.ciphers = tlsList(r.take(int(r.u16())))
	r.take(int(r.u8())) // compression
	if r.short {
		return h, errSeenShort
	}
	if len(r.b) == 0 {
		return h, nil
	}
	x := seenBytes{b: r.take(int(r.u16()))}
	for len(x.b) > 0 {
		kind := x.u16()
		v := x.take(int(x.u16()))
		if x.short {
			return h, errSeenShort
		}
		if tlsGrease(kind) || len(h.extensions) >= tlsMostList {
			continue
		}
		h.extensions = append(h.extensions, kind)
		h.extension(kind, v)
	}
	return h, r.err()
}

// tlsList reads numbers of two bytes without those that mean nothing.
func tlsList(b []byte) []uint16 {
	out := make([]uint16, 0, min(len(b)/2, tlsMostList))
	for ; len(b) >= 2 && len(out) < tlsMostList; b = b[2:] {
		if v := uint16(b[0])<<8 | uint16(b[1]); !tlsGrease(v) {
			out = append(out, v)
		}
	}
	return out
}

func (h *tlsHello) extension(kind uint16, v []byte) {
	r := seenBytes{b: v}
	switch kind {
	case tlsExtSNI:
		h.hasSNI = true
		r.u16()
		if r.u8() == 0 {
			h.sni = seenText(r.take(int(r.u16())))
		}
	case tlsExtSignatures:
		h.signatures = tlsList(r.take(int(r.u16())))
	case tlsExtALPN:
		r.u16()
		h.alpn = bytes.Clone(r.take(int(r.u8())))
	case tlsExtVersions:
		h.versions(r.take(int(r.u8())))
	}
}

func (h *tlsHello) versions(b []byte) {
	if list := tlsList(b); len(list) > 0 {
		h.version = list[0]
		for _, v := range list {
			if tlsNewer(v, h.version) {
				h.version = v
			}
		}
	}
}

// tlsNewer compares versions; those of datagrams count downwards.
func tlsNewer(a, b uint16) bool {
	if a>>8 == 0xfe && b>>8 == 0xfe {
		return a < b
	}
	return a > b
}

// ja4 is the fingerprint of a client. transport is t for TCP, q for QUIC, d for
// datagrams. Source: JA4 technical details of FoxIO (BSD 3-clause); of their
// family only this one is free, so only this one is here.
func (h *tlsHello) ja4(transport byte) string {
	ciphers, extensions := slices.Clone(h.ciphers), make([]uint16, 0, len(h.extensions))
	for _, e := range h.extensions {
		if e != tlsExtSNI && e != tlsExtALPN {
			extensions = append(extensions, e)
		}
	}
	slices.Sort(ciphers)
	slices.Sort(extensions)

	out := make([]byte, 0, 36)
	out = append(out, transport)
	out = append(out, ja4Version(h.version)...)
	if h.hasSNI {
		out = append(out, 'd')
	} else {
		out = append(out, 'i')
	}
	out = ja4Count(out, len(h.ciphers))
	out = ja4Count(out, len(h.extensions))
	out = append(out, ja4ALPN(h.alpn)...)
	out = append(out, '_')
	out = ja4Hash(out, ja4List(nil, ciphers))
	out = append(out, '_')
	list := ja4List(nil, extensions)
	if len(list) > 0 && len(h.signatures) > 0 {
		list = ja4List(append(list, '_'), h.signatures)
	}
	return string(ja4Hash(out, list))
}

func ja4Version(v uint16) string {
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	case 0xfeff:
		return "d1"
	case 0xfefd:
		return "d2"
	case 0xfefc:
		return "d3"
	}
	return "00"
}

func ja4Count(out []byte, n int) []byte {
	n = min(n, 99)
	return append(out, byte('0'+n/10), byte('0'+n%10))
}

// ja4ALPN is the first and last sign of the first protocol, or those of its
// hexadecimal form where one of them is no letter or digit.
func ja4ALPN(alpn []byte) string {
	if len(alpn) == 0 {
		return "00"
	}
	first, last := alpn[0], alpn[len(alpn)-1]
	if ja4Sign(first) && ja4Sign(last) {
		return string([]byte{first, last})
	}
	written := hex.EncodeToString(alpn)
	return string([]byte{written[0], written[len(written)-1]})
}

func ja4Sign(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// ja4List writes numbers as four hexadecimal digits with commas between.
func ja4List(out []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, "0000"[:4-len(strconv.FormatUint(uint64(v), 16))]...)
		out = strconv.AppendUint(out, uint64(v), 16)
	}
	return out
}

func ja4Hash(out, list []byte) []byte {
	if len(list) == 0 {
		return append(out, "000000000000"...)
	}
	sum := sha256.Sum256(list)
	return hex.AppendEncode(out, sum[:6])
}
