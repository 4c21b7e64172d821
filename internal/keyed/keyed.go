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
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
)

// Key is a site's secret. Losing it makes all tokens unlinkable.
type Key [32]byte

// The kinds of values with a normal form of their own. Any other kind is
// treated like [ID].
const (
	Phone      = "phone"
	Address    = "address"
	Name       = "name"
	Surname    = "surname"
	NationalID = "national_id"
	ID         = "id"
)

// tokenLen is the length of a token in characters of base32: 80 bits, so that
// a hospital with ten million tokens has a chance of 4e-11 of one collision.
const tokenLen = 16

// Token is the keyed token of a value, 16 characters of base32, or "" where
// the value has an empty normal form.
func (k Key) Token(kind, value string) string {
	normal := Normal(kind, value)
	if normal == "" {
		return ""
	}
	mac := hmac.New(sha256.New, k[:])
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write([]byte(normal))
	var sum [sha256.Size]byte
	mac.Sum(sum[:0])
	return base32.StdEncoding.EncodeToString(sum[:10])[:tokenLen]
}
