package evidence

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-health/cordon/internal/durable"
)

const (
	privateKeyFile = "evidence.key"
	// PublicKeyFile holds the verifier key, in the folder of the log.
	PublicKeyFile = "evidence.pub"
)

// siteKey is the pair of keys of a log.
type siteKey struct {
	signer   note.Signer
	verifier note.Verifier
	public   string
}

// loadKey reads the pair, or makes one for a log that has nothing signed yet.
func loadKey(cfg Config, begun bool) (siteKey, error) {
	secret, err := os.ReadFile(filepath.Join(cfg.KeyDir, privateKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		if begun {
			return siteKey{}, fmt.Errorf("%w: the log in %s is signed but its private key %s is missing; restore it from your backup of the keys",
				ErrStake, cfg.Dir, filepath.Join(cfg.KeyDir, privateKeyFile))
		}
		return makeKey(cfg)
	}
	if err != nil {
		return siteKey{}, fmt.Errorf("read evidence key: %w", err)
	}
	public, err := os.ReadFile(filepath.Join(cfg.Dir, PublicKeyFile))
	if err != nil {
		return siteKey{}, fmt.Errorf("read public evidence key: %w", err)
	}
	return parseKey(strings.TrimSpace(string(secret)), strings.TrimSpace(string(public)), cfg.Origin)
}

// makeKey writes the public half first: a private key without it would look
// like a finished pair.
func makeKey(cfg Config) (siteKey, error) {
	origin := cfg.Origin
	if origin == "" {
		var id [8]byte
		rand.Read(id[:])
		origin = "cordon.local/" + hex.EncodeToString(id[:])
	}
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return siteKey{}, fmt.Errorf("make evidence key for origin %q: %w", origin, err)
	}
	if err := durable.WriteFile(filepath.Join(cfg.Dir, PublicKeyFile), []byte(public+"\n"), 0o644); err != nil {
		return siteKey{}, fmt.Errorf("write public evidence key: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(cfg.KeyDir, privateKeyFile), []byte(secret+"\n"), 0o600); err != nil {
		return siteKey{}, fmt.Errorf("write evidence key: %w", err)
	}
	return parseKey(secret, public, cfg.Origin)
}

func parseKey(secret, public, origin string) (siteKey, error) {
	signer, err := note.NewSigner(secret)
	if err != nil {
		return siteKey{}, fmt.Errorf("read evidence key: %w", err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return siteKey{}, fmt.Errorf("read public evidence key: %w", err)
	}
	if signer.KeyHash() != verifier.KeyHash() || signer.Name() != verifier.Name() {
		return siteKey{}, fmt.Errorf("%w: private and public evidence key are no pair; restore both from the same backup", ErrStake)
	}
	if origin != "" && origin != signer.Name() {
		return siteKey{}, fmt.Errorf("the log was begun as %q and cannot be renamed to %q; set evidence.origin back or begin a new log in another folder",
			signer.Name(), origin)
	}
	return siteKey{signer: signer, verifier: verifier, public: public}, nil
}

// month names the salt key of a time.
func month(at time.Time) string { return at.UTC().Format("2006-01") }

// saltKey returns the key of a month, made when make is set and there is
// none. An erased key is an error.
func (l *Log) saltKey(ctx context.Context, id string, make bool) (key []byte, err error) {
	if key, ok := l.salts.get(id); ok {
		return key, nil
	}
	load := func(tx *sql.Tx) error {
		key, err = readSaltKey(tx, id)
		if errors.Is(err, fs.ErrNotExist) && make {
			key, err = l.makeSaltKey(tx, id)
		}
		return err
	}
	if make {
		err = l.db.Update(ctx, load)
	} else {
		err = l.db.View(ctx, load)
	}
	if err != nil {
		return nil, fmt.Errorf("salt key %s: %w", id, err)
	}
	l.salts.put(id, key)
	return key, nil
}

// keySum lets a verifier tell a changed key from changed events.
func keySum(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

var errErased = errors.New("the key was erased")

func readSaltKey(tx *sql.Tx, id string) ([]byte, error) {
	var text string
	var erased int64
	err := tx.QueryRow("SELECT key, erased FROM evidence_keys WHERE id = $1", id).Scan(&text, &erased)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	case text == "":
		return nil, errErased
	}
	return base64.StdEncoding.DecodeString(text)
}

func (l *Log) makeSaltKey(tx *sql.Tx, id string) ([]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	_, err := tx.Exec("INSERT INTO evidence_keys (id, key, made, erased) VALUES ($1, $2, $3, 0)",
		id, base64.StdEncoding.EncodeToString(key), l.now().UnixMilli())
	return key, err
}
