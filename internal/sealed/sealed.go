// Package sealed turns an identifier into an opaque word that may stand in a
// URL: patient and staff numbers must never appear there, because URLs end up
// in histories, proxies and logs.
//
// What it gives: [Key.Seal] and [Key.Open]. Sealing is deterministic (one
// patient has one address, so that links can be kept and compared) and
// authenticated: AES-CTR under a synthetic IV that is the HMAC-SHA256 of kind
// and value, the construction of RFC 5297 with another MAC. A word of one kind
// does not open as another kind. It keeps no state. What it does not hide is
// the length of the value, and that two words are equal.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// Key seals. It is derived from the site's secret.
type Key struct {
	mac, cipher [32]byte
}

// NewKey derives the two keys from a secret of at least 32 random bytes.
func NewKey(secret []byte) Key {
	return Key{mac: derive(secret, "cordon sealed mac"), cipher: derive(secret, "cordon sealed cipher")}
}

func derive(secret []byte, purpose string) (key [32]byte) {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(purpose))
	h.Sum(key[:0])
	return key
}

// ErrNotOurs means that a word was not sealed with this key and kind.
var ErrNotOurs = errors.New("this address is not one of ours; open the page from a list or look it up again")

// Seal gives the word for a value of a kind.
func (k Key) Seal(kind, value string) string {
	iv := k.iv(kind, value)
	out := make([]byte, aes.BlockSize+len(value))
	copy(out, iv[:])
	k.stream(iv).XORKeyStream(out[aes.BlockSize:], []byte(value))
	return base64.RawURLEncoding.EncodeToString(out)
}

// Open gives the value of a word, or ErrNotOurs.
func (k Key) Open(kind, word string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(word)
	if err != nil || len(raw) < aes.BlockSize {
		return "", ErrNotOurs
	}
	iv := [aes.BlockSize]byte(raw[:aes.BlockSize])
	value := make([]byte, len(raw)-aes.BlockSize)
	k.stream(iv).XORKeyStream(value, raw[aes.BlockSize:])
	want := k.iv(kind, string(value))
	if !hmac.Equal(want[:], iv[:]) {
		return "", ErrNotOurs
	}
	return string(value), nil
}

func (k Key) iv(kind, value string) [aes.BlockSize]byte {
	h := hmac.New(sha256.New, k.mac[:])
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write([]byte(value))
	return [aes.BlockSize]byte(h.Sum(nil))
}

func (k Key) stream(iv [aes.BlockSize]byte) cipher.Stream {
	block, err := aes.NewCipher(k.cipher[:])
	if err != nil {
		panic("sealed: " + err.Error()) // 32 bytes are always a key
	}
	return cipher.NewCTR(block, iv[:])
}
