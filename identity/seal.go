package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// sealed begins an authenticator secret that is encrypted; others are from
// before secrets were.
const sealed = "sealed:"

// sealer encrypts authenticator secrets (AES-256-GCM) under a key derived from
// the site's, so that a copied database alone gives no codes.
type sealer struct{ aead cipher.AEAD }

func newSealer(site [32]byte) (sealer, error) {
	mac := hmac.New(sha256.New, site[:])
	mac.Write([]byte("cordon identity authenticator"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// seal binds the secret to the user's name, so that it cannot be moved to
// another row.
func (s sealer) seal(name, secret string) string {
	return sealed + base64.RawStdEncoding.EncodeToString(s.aead.Seal(nil, nil, []byte(secret), []byte(name)))
}

// open reads a secret, sealed or not.
func (s sealer) open(name, text string) (string, error) {
	coded, is := strings.CutPrefix(text, sealed)
	if !is {
		return text, nil
	}
	data, err := base64.RawStdEncoding.DecodeString(coded)
	if err == nil {
		data, err = s.aead.Open(nil, nil, data, []byte(name))
	}
	if err != nil {
		return "", fmt.Errorf("read the authenticator secret; is keys/site.key the one of this database? %w", err)
	}
	return string(data), nil
}
