// Package keyed turns a person's demographics into tokens that can be compared
// but not read: equal phones, addresses, names or identity numbers give equal
// tokens under one site's [Key], and without the key a token says nothing.
//
// What it gives: [Key.Token], which first brings a value to its normal form
// (so that "+86 138-0013-8000" and "13800138000" are one phone) and then takes
// its HMAC-SHA256, and [Normal], the normal form alone, for tests and for
// those who compare without a key. It owns no tables and no files; whoever
// starts Cordon makes the key and keeps it.
//
// What it guarantees: the same kind and value give the same token on every
// machine and in every release; two kinds never share a token for the same
// text; a value without content has no token. What it does not do: it does
// not guess. A normal form joins spellings that are surely the same and leaves
// the rest apart, so a token is a key for "same", never for "similar".
package keyed

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
)

// Key is a site's secret. Losing it makes all tokens unlinkable.
type Key [32]byte

// The kinds of values with a normal form of their own. Any other kind is
// treated like [ID].
const (
	Phone      = "phone"
	Address    = "address"
	Building   = "building" // an address cut after the building
	Name       = "name"
	Surname    = "surname"
	NationalID = "national_id"
	ID         = "id"
)

// tokenBytes is how much of the HMAC a token keeps: 80 bits, so that a hospital
// with ten million tokens has a chance of 4e-11 of one collision; tokenLen is
// its length in characters of base32.
const (
	tokenBytes = 10
	tokenLen   = tokenBytes * 8 / 5
)

// Token is the keyed token of a value, 16 characters of base32, or "" where
// the value has an empty normal form.
func (k Key) Token(kind, value string) string {
	normal := Normal(kind, value)
	if normal == "" {
		return ""
	}
	sum := k.mac(kind, normal)
	var text [tokenLen]byte
	base32.StdEncoding.Encode(text[:], sum[:tokenBytes])
	return string(text[:])
}

// mac is the HMAC-SHA256 of kind, a zero byte and text by its definition in
// RFC 2104. crypto/hmac does the same with two hashes on the heap each time;
// here all stands on the stack unless the text is longer than anyone's address.
func (k *Key) mac(kind, text string) [sha256.Size]byte {
	var room [sha256.BlockSize + 192]byte
	msg := k.pad(room[:0], 0x36)
	msg = append(msg, kind...)
	msg = append(msg, 0)
	msg = append(msg, text...)
	inner := sha256.Sum256(msg)
	msg = k.pad(room[:0], 0x5c)
	return sha256.Sum256(append(msg, inner[:]...))
}

// pad writes the block a hash of HMAC begins with over dst, which has room: the
// key, zeros, all of it combined with a byte.
func (k *Key) pad(dst []byte, with byte) []byte {
	dst = dst[:sha256.BlockSize]
	eight := uint64(with) * 0x0101010101010101
	le := binary.LittleEndian
	for i := 0; i < len(k); i += 8 {
		le.PutUint64(dst[i:], le.Uint64(k[i:])^eight)
	}
	for i := len(k); i < sha256.BlockSize; i += 8 {
		le.PutUint64(dst[i:], eight)
	}
	return dst
}
