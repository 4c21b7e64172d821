package deid

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/emmansun/gmsm/sm4"

	"github.com/cordon-health/cordon/classify"
)

// VaultWriter remembers what stood behind pseudonyms, in a file whose lines
// are sealed one by one by a subkey of the key: without the key the file tells
// how many pseudonyms there are and nothing else. It is safe for concurrent
// use. Only who asks for it keeps one; it belongs apart from the data, beside
// the key.
type VaultWriter struct {
	key  *Key
	seal cipher.AEAD

	mu    sync.Mutex
	file  *os.File
	known map[[16]byte]struct{}
	err   error
}

// vaultLine is what a line of the vault says once it is opened.
type vaultLine struct {
	Kind      string `json:"kind"`
	Pseudonym string `json:"pseudonym"`
	Value     string `json:"value"`
}

// mostVault bounds how many pseudonyms are kept apart in memory while a vault
// is written; beyond it some lines may be written twice.
const mostVault = 8_000_000

// OpenVault opens or begins a vault. It refuses a file others can read, and one
// of another key.
func OpenVault(path string, k *Key) (*VaultWriter, error) {
	v := &VaultWriter{key: k, known: map[[16]byte]struct{}{}}
	var err error
	if v.seal, err = k.aead("vault"); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("open vault: others can read %s; run chmod 600 on it", path)
	}
	err = readVault(path, k, func(l vaultLine) error {
		v.known[v.mark(l.Kind, []byte(l.Pseudonym))] = struct{}{}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if v.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	return v, nil
}

func (v *VaultWriter) mark(kind string, pseudonym []byte) [16]byte {
	full := v.key.mac(&v.key.token, "vault "+kind, pseudonym)
	return [16]byte(full[:16])
}

func (v *VaultWriter) remember(kind classify.Kind, pseudonym, value []byte) {
	if v == nil || len(pseudonym) == 0 || bytes.Equal(pseudonym, value) {
		return
	}
	mark := v.mark(kind.String(), pseudonym)
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, known := v.known[mark]; known || v.err != nil {
		return
	}
	if len(v.known) < mostVault {
		v.known[mark] = struct{}{}
	}
	v.err = v.write(vaultLine{kind.String(), string(pseudonym), strings.ToValidUTF8(string(value), "\uFFFD")})
}

func (v *VaultWriter) write(l vaultLine) error {
	plain, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	nonce := make([]byte, v.seal.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	line := base64.StdEncoding.AppendEncode(nil, v.seal.Seal(nonce, nonce, plain, []byte(v.key.id)))
	if _, err := v.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write vault: %w", err)
	}
	return nil
}

// Close makes the vault durable, and says what could not be written.
func (v *VaultWriter) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.file.Sync(); err != nil && v.err == nil {
		v.err = fmt.Errorf("sync vault: %w", err)
	}
	if err := v.file.Close(); err != nil && v.err == nil {
		v.err = fmt.Errorf("close vault: %w", err)
	}
	return v.err
}

// readVault opens every line. One cut off at the end by a crash is left out.
func readVault(path string, k *Key, each func(vaultLine) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open vault: %w", err)
	}
	defer f.Close()
	open, err := k.aead("vault")
	if err != nil {
		return err
	}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		l, err := openLine(open, k.id, s.Bytes())
		if err != nil {
			if n == 1 {
				return errors.New("open vault: it was not written with this key")
			}
			continue
		}
		if err := each(l); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("read vault: %w", err)
	}
	return nil
}

func openLine(open cipher.AEAD, id string, line []byte) (l vaultLine, err error) {
	raw, err := base64.StdEncoding.DecodeString(string(line))
	if err != nil || len(raw) < open.NonceSize() {
		return l, errors.New("the line is damaged")
	}
	plain, err := open.Open(nil, raw[:open.NonceSize()], raw[open.NonceSize():], []byte(id))
	if err != nil {
		return l, fmt.Errorf("open line: %w", err)
	}
	return l, json.Unmarshal(plain, &l)
}

// aead gives AES-GCM or SM4-GCM under a subkey of its own.
func (k *Key) aead(use string) (cipher.AEAD, error) {
	size, make := 32, aes.NewCipher
	if k.suite == SM {
		size, make = 16, sm4.NewCipher
	}
	raw, err := k.derive(use, size)
	if err != nil {
		return nil, err
	}
	block, err := make(raw)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return cipher.NewGCM(block)
}

// Reverse finds what stood behind pseudonyms: numbers that were encrypted by
// the key alone, all others in the vault. What is not found is left out.
func Reverse(k *Key, vault string, pseudonyms []string) (map[string]string, error) {
	found := map[string]string{}
	wanted := map[string]bool{}
	for _, p := range pseudonyms {
		if value, ok := k.reverse(p); ok {
			found[p] = value
			continue
		}
		wanted[p] = true
	}
	if len(wanted) == 0 || vault == "" {
		return found, nil
	}
	err := readVault(vault, k, func(l vaultLine) error {
		if wanted[l.Pseudonym] {
			found[l.Pseudonym] = l.Value
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // nobody kept one; what the key alone tells is the answer
	}
	return found, err
}

// reverse turns back what carries its own way back: identity numbers and
// telephones.
func (k *Key) reverse(pseudonym string) (string, bool) {
	if value, ok := k.unresident(pseudonym); ok {
		return value, true
	}
	digits, ok := strings.CutPrefix(pseudonym, "+999")
	if !ok || strings.HasPrefix(digits, "0") && len(digits) == 8 {
		return "", false
	}
	value, err := k.Decrypt("phone", digits)
	if err != nil || string(k.phone([]byte(value))) != pseudonym {
		return "", false
	}
	return value, true
}
