package deid

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math/big"
	"strings"

	"github.com/emmansun/gmsm/sm3"

	"github.com/cordon-health/cordon/classify"
)

// sum is the size of both suites' hashes.
const sum = 32

// blockSize is that of both hashes.
const blockSize = 64

// mac is the HMAC of domain, a zero byte and text under a subkey, as RFC 2104
// defines it. crypto/hmac does the same with two hashes on the heap each time;
// here all stands on the stack unless the text is long.
func (k *Key) mac(key *[32]byte, domain string, text []byte) [sum]byte {
	var room [blockSize + 192]byte
	msg := pad(room[:0], key, 0x36)
	msg = append(msg, domain...)
	msg = append(msg, 0)
	msg = append(msg, text...)
	inner := k.digest(msg)
	msg = pad(room[:0], key, 0x5c)
	return k.digest(append(msg, inner[:]...))
}

func (k *Key) digest(msg []byte) [sum]byte {
	if k.suite == SM {
		return sm3.Sum(msg)
	}
	return sha256.Sum256(msg)
}

func pad(dst []byte, key *[32]byte, with byte) []byte {
	for _, b := range key {
		dst = append(dst, b^with)
	}
	for range blockSize - len(key) {
		dst = append(dst, with)
	}
	return dst
}

// tokenLen is the length of a token: one letter and 75 bits in base32, the
// longest that fits DICOM's short strings. Among ten million values the chance
// that two share a token is 1.3e-9.
const tokenLen = 16

// Token is the keyed token of a value of a kind: 16 capital letters and digits
// 2 to 7, equal for equal normal forms; "" for a value without content.
func (k *Key) Token(kind classify.Kind, value string) string {
	normal := normal(kind, []byte(value))
	if len(normal) == 0 {
		return ""
	}
	return string(k.appendToken(nil, domain(kind), normal))
}

// appendToken appends the token of a normal form. It begins with a letter that
// says "token", so that no token is ever a number.
func (k *Key) appendToken(dst []byte, domain string, normal []byte) []byte {
	sum := k.mac(&k.token, domain, normal)
	var text [tokenLen]byte
	base32.StdEncoding.Encode(text[:], sum[:10])
	text[0] = 'T'
	return append(dst, text[:]...)
}

// UID is the new DICOM UID of a UID: 2.25 and a keyed number of 122 bits that
// has the form of a UUID version 8 (PS3.5 B.2, RFC 9562).
func (k *Key) UID(uid string) string {
	if uid == "" {
		return ""
	}
	u := k.uuid([]byte(uid))
	return "2.25." + new(big.Int).SetBytes(u[:]).String()
}

func (k *Key) uuid(of []byte) [16]byte {
	full := k.mac(&k.uid, "uid", of)
	u := [16]byte(full[:16])
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return u
}

// Identifier is the new technical identifier of one: of an OID or DICOM UID a
// UID, of a UUID a UUID (with its "urn:uuid:"), of any other, such as the id of
// a FHIR resource, a UUID.
func (k *Key) Identifier(id string) string {
	if id == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(id, "urn:oid:"); ok {
		return "urn:oid:" + k.UID(rest)
	}
	if strings.Trim(id, "0123456789.") == "" && strings.Contains(id, ".") {
		return k.UID(id)
	}
	rest, urn := strings.CutPrefix(id, "urn:uuid:")
	u := k.uuid([]byte(strings.ToLower(rest)))
	text := fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
	if urn {
		return "urn:uuid:" + text
	}
	return text
}
