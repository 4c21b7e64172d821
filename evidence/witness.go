package evidence

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/tessera"
	"golang.org/x/mod/sumdb/note"
)

const witnessTimeout = 5 * time.Second

// witness is the party that cosigns our checkpoints (C2SP tlog-witness).
type witness struct {
	group    tessera.WitnessGroup
	verifier note.Verifier
	url      string
	timeout  time.Duration
}

// newWitness reads the two settings; nil without them.
func newWitness(cfg Config) (*witness, error) {
	if cfg.WitnessURL == "" && cfg.WitnessKey == "" {
		return nil, nil
	}
	if cfg.WitnessURL == "" || cfg.WitnessKey == "" {
		return nil, fmt.Errorf("evidence: a witness needs both witness_url and witness_key")
	}
	at, err := url.Parse(cfg.WitnessURL)
	if err != nil || at.Host == "" {
		return nil, fmt.Errorf("evidence: witness_url is not a URL")
	}
	verifier, err := witnessVerifier(cfg.WitnessKey)
	if err != nil {
		return nil, err
	}
	w, err := tessera.NewWitness(cfg.WitnessKey, at)
	if err != nil {
		return nil, fmt.Errorf("evidence: witness_key: %w", err)
	}
	return &witness{group: tessera.NewWitnessGroup(1, w), verifier: verifier, url: w.URL, timeout: witnessTimeout}, nil
}

func witnessVerifier(key string) (note.Verifier, error) {
	v, err := f_note.NewVerifierForCosignatureV1(key)
	if err != nil {
		return nil, fmt.Errorf("evidence: the witness's key is not a cosignature/v1 verifier key: %w", err)
	}
	return v, nil
}

// cosigned reports whether the checkpoint bears the witness's signature.
func cosigned(text string, v note.Verifier) bool {
	n, err := note.Open([]byte(text), note.VerifierList(v))
	return err == nil && len(n.Sigs) > 0
}

// lastSeen asks the witness for the size of the newest checkpoint it cosigned:
// a submission that claims to start from nothing is answered by a conflict
// that names the size. Known is false when it has seen none, or is not there.
func (w *witness) lastSeen(ctx context.Context, checkpoint string) (size uint64, known bool) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, strings.NewReader("old 0\n\n"+checkpoint))
	if err != nil {
		return 0, false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64))
	if err != nil || resp.StatusCode != http.StatusConflict || resp.Header.Get("Content-Type") != "text/x.tlog.size" {
		return 0, false
	}
	size, err = strconv.ParseUint(strings.TrimSpace(string(body)), 10, 64)
	return size, err == nil
}
