package evidence

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// testWitness is a witness for one log as C2SP tlog-witness describes it.
type testWitness struct {
	url, key string
	away     atomic.Bool

	mu     sync.Mutex
	signer note.Signer
	log    note.Verifier
	size   uint64
	root   []byte
}

func newTestWitness(t *testing.T, logKey string) *testWitness {
	t.Helper()
	secret, public, err := note.GenerateKey(nil, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	w := &testWitness{}
	if w.signer, err = f_note.NewSignerForCosignatureV1(secret); err != nil {
		t.Fatal(err)
	}
	if w.key, err = f_note.VKeyToCosignatureV1(public); err != nil {
		t.Fatal(err)
	}
	if w.log, err = note.NewVerifier(logKey); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *testWitness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || w.away.Load() || r.URL.Path != "/add-checkpoint" {
		http.Error(rw, "", http.StatusServiceUnavailable)
		return
	}
	head, text, _ := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	var old uint64
	if _, err := fmt.Sscanf(lines[0], "old %d", &old); err != nil {
		http.Error(rw, "", http.StatusBadRequest)
		return
	}
	cp, _, n, err := log.ParseCheckpoint(text, w.log.Name(), w.log)
	if err != nil {
		http.Error(rw, "", http.StatusForbidden)
		return
	}
	if old != w.size {
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintf(rw, "%d\n", w.size)
		return
	}
	var path [][]byte
	for _, l := range lines[1:] {
		h, err := base64.StdEncoding.DecodeString(l)
		if err != nil {
			http.Error(rw, "", http.StatusBadRequest)
			return
		}
		path = append(path, h)
	}
	if w.size > 0 && proof.VerifyConsistency(rfc6962.DefaultHasher, w.size, cp.Size, path, w.root, cp.Hash) != nil {
		http.Error(rw, "", http.StatusUnprocessableEntity)
		return
	}
	signed, err := note.Sign(&note.Note{Text: n.Text}, w.signer)
	if err != nil {
		http.Error(rw, "", http.StatusInternalServerError)
		return
	}
	w.size, w.root = cp.Size, cp.Hash
	_, sig, _ := bytes.Cut(signed, []byte("\n\n"))
	_, _ = rw.Write(sig)
}

func (s *site) withWitness(w *testWitness) Config {
	cfg := s.config()
	cfg.WitnessURL, cfg.WitnessKey = w.url, w.key
	return cfg
}

func TestWitness(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := newTestWitness(t, s.PublicKey())
	s.close()
	s.openWith(s.withWitness(w))
	s.events(1, batchOf(1, 3)...)
	s.sync()
	if !cosigned(s.Head().Note, mustVerifier(t, w.key)) || len(s.Problems()) != 0 {
		t.Errorf("not cosigned: %q, %v", s.Head().Note, s.Problems())
	}
	w.away.Store(true)
	s.events(2, batchOf(2, 3)...)
	s.sync() // goes on without it
	if p := s.Problems(); len(p) != 1 || p[0].Code != problemWitness {
		t.Errorf("problems %v, want that the witness is away", p)
	}
	w.away.Store(false)
	s.events(3, batchOf(3, 3)...)
	s.sync()
	if p := s.Problems(); len(p) != 0 {
		t.Errorf("problems %v although the witness is back", p)
	}
	s.close()
	if r := s.verify(func(src *Source) { src.WitnessKey = w.key; src.File = nil }); !r.OK || !r.Witnessed {
		t.Errorf("report %+v", r)
	}
	_, other, err := note.GenerateKey(nil, "other.example")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, s.verify(func(src *Source) { src.WitnessKey = other; src.File = nil }), "not cosigned by the witness other.example")
}

func TestWitnessRequired(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := newTestWitness(t, s.PublicKey())
	s.close()
	cfg := s.withWitness(w)
	cfg.WitnessRequired = true
	w.away.Store(true)
	s.openWith(cfg)
	s.events(1, batchOf(1, 3)...)
	ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
	defer cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("signed without the witness: %v", err)
	}
	w.away.Store(false)
	s.sync()
}

// Everything on the disk goes back to an older state; the witness remembers.
func TestWitnessSeesRollback(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := newTestWitness(t, s.PublicKey())
	s.close()
	s.openWith(s.withWitness(w))
	s.events(1, batchOf(1, 3)...)
	s.sync()
	s.close()
	old := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(old, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	s.openWith(s.withWitness(w))
	s.events(2, batchOf(2, 3)...)
	s.sync()
	s.close()
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(s.dir, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	s.openWith(s.withWitness(w))
	if err := s.Err(); !errors.Is(err, ErrStake) || !strings.Contains(err.Error(), "the witness has seen 3") {
		t.Errorf("Err is %v", err)
	}
}

func mustVerifier(t *testing.T, key string) note.Verifier {
	t.Helper()
	v, err := witnessVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
