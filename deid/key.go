package deid

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"crypto/aes"

	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/internal/strict"
)

// Suite is the family of algorithms a key works with.
type Suite string

// The suites. A key keeps its own for ever: another would change every
// pseudonym.
const (
	// Standard is HMAC-SHA256 and AES-256.
	Standard Suite = "standard"
	// SM is HMAC-SM3 and SM4, GB/T 32905 and 32907.
	SM Suite = "sm"
)

// secretBytes is the length of a key's secret.
const secretBytes = 32

// Key decides every pseudonym, token, shift and new identifier. It is safe for
// concurrent use. Whoever has it can compute the pseudonym of a person he
// suspects, and turn encrypted numbers back: it is kept apart from the data.
type Key struct {
	id           string
	suite        Suite
	keepWeekdays bool
	secret       [secretBytes]byte

	// derived by HKDF, one for each use, so that none tells about another
	token, shift, uid, noise [32]byte
	fpe                      cipher.Block
}

// KeyOptions are what a new key keeps for its life.
type KeyOptions struct {
	Suite Suite
	// KeepWeekdays shifts dates by whole weeks only.
	KeepWeekdays bool
}

// NewKey makes a key of fresh randomness.
func NewKey(o KeyOptions) (*Key, error) {
	var secret [secretBytes]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return keyOf(secret, o)
}

func keyOf(secret [secretBytes]byte, o KeyOptions) (*Key, error) {
	k := &Key{suite: o.Suite, keepWeekdays: o.KeepWeekdays, secret: secret}
	if k.suite == "" {
		k.suite = Standard
	}
	if k.suite != Standard && k.suite != SM {
		return nil, fmt.Errorf("%w: there is no suite %q; there are standard and sm", ErrUsage, o.Suite)
	}
	for name, into := range map[string]*[32]byte{
		"token": &k.token, "shift": &k.shift, "uid": &k.uid, "noise": &k.noise,
	} {
		derived, err := k.derive(name, 32)
		if err != nil {
			return nil, err
		}
		copy(into[:], derived)
	}
	id, err := k.derive("id", 5)
	if err != nil {
		return nil, err
	}
	k.id = "K-" + base32.StdEncoding.EncodeToString(id)
	k.fpe, err = k.cipher("fpe")
	return k, err
}

func (k *Key) hash() func() hash.Hash {
	if k.suite == SM {
		return sm3.New
	}
	return sha256.New
}

// derive gives a subkey for one use.
func (k *Key) derive(use string, length int) ([]byte, error) {
	out, err := hkdf.Key(k.hash(), k.secret[:], nil, "cordon deid v1 "+string(k.suite)+" "+use, length)
	if err != nil {
		return nil, fmt.Errorf("derive key for %s: %w", use, err)
	}
	return out, nil
}

// cipher gives the suite's block cipher under a subkey of its own.
func (k *Key) cipher(use string) (cipher.Block, error) {
	if k.suite == SM {
		raw, err := k.derive(use, 16)
		if err != nil {
			return nil, err
		}
		return sm4.NewCipher(raw)
	}
	raw, err := k.derive(use, 32)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(raw)
}

// ID names the key in reports; it says nothing about the secret.
func (k *Key) ID() string { return k.id }

// Suite is the family of algorithms.
func (k *Key) Suite() Suite { return k.suite }

// keyFile is a key on disk, YAML.
type keyFile struct {
	Version      int    `yaml:"version"`
	ID           string `yaml:"id"`
	Suite        Suite  `yaml:"suite"`
	KeepWeekdays bool   `yaml:"keep_weekdays"`
	Secret       string `yaml:"secret"`
}

const keyComment = `# De-identification key of Cordon. Whoever has it can find out who is behind a
# pseudonym. Keep it apart from the data, back it up, give it to nobody.
# 去标识化密钥。持有者可还原假名对应的人：与数据分开保存，做好备份，不得外传。
`

// Save writes a new key file that only its owner can read. A file that is
// there already is never replaced.
func (k *Key) Save(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("save key: %s is there already; a key is never overwritten, choose another name", path)
	}
	text := fmt.Sprintf("%sversion: 1\nid: %s\nsuite: %s\nkeep_weekdays: %t\nsecret: %s\n", keyComment,
		k.id, k.suite, k.keepWeekdays, base64.StdEncoding.EncodeToString(k.secret[:]))
	if err := durable.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	return nil
}

// maxKeyFile bounds what is read as a key.
const maxKeyFile = 16 << 10

// ReadKey reads a key file. It refuses one that others can read.
func ReadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read key: %s does not exist; make one with cordon deidentify --new-key --key %s", path, filepath.Base(path))
	case err != nil:
		return nil, fmt.Errorf("read key: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxKeyFile:
		return nil, fmt.Errorf("read key: %s is not a key file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("read key: others can read %s; run chmod 600 on it, and if others were logged in, make a new key", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	k, err := parseKey(data)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	return k, nil
}

func parseKey(data []byte) (*Key, error) {
	var f keyFile
	if err := strict.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	if f.Version != 1 {
		return nil, fmt.Errorf("version %d is unknown; this program reads version 1", f.Version)
	}
	raw, err := base64.StdEncoding.DecodeString(f.Secret)
	if err != nil || len(raw) != secretBytes {
		return nil, errors.New("the secret is damaged; restore the file from its backup")
	}
	if bytes.Count(raw, raw[:1]) == len(raw) {
		return nil, errors.New("the secret is not random; make a new key")
	}
	k, err := keyOf([secretBytes]byte(raw), KeyOptions{Suite: f.Suite, KeepWeekdays: f.KeepWeekdays})
	if err != nil {
		return nil, err
	}
	if k.id != f.ID {
		return nil, errors.New("its id does not belong to its secret: the file was changed or damaged; restore it from its backup")
	}
	return k, nil
}
