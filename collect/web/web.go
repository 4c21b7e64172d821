// Package web receives events over HTTP: POST /api/v1/events?format=NAME for
// anything normalize reads (one record, an array, a Bundle, NDJSON), and POST
// /fhir/AuditEvent and /fhir for senders that speak the FHIR Feed of IHE ATX
// (ITI-20, RESTful ATNA).
//
// It answers 202 (201 on the FHIR paths) only when every record of the body is
// durable: as an event, or in quarantine with its reason, which the answer
// repeats per record. 503 with Retry-After means nothing was kept and the body
// should be sent again. A repeated body gives the same events.
//
// Who may send is decided before it: the api package puts a token check in
// front. It keeps no state.
package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/collect"
)

// Config of the HTTP collector.
type Config struct {
	// MaxBody is the largest body taken, in bytes after decompression.
	MaxBody int64 `yaml:"max_body"`
}

// Default takes bodies of up to 32 MiB.
func Default() Config { return Config{MaxBody: 32 << 20} }

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	if c.MaxBody < 1<<10 {
		return errors.New("web: max_body is below 1024 bytes")
	}
	return nil
}

// Handler takes bodies for a sink.
type Handler struct {
	cfg  Config
	sink collect.Sink
	now  func() time.Time
	log  *slog.Logger
}

// New checks the configuration.
func New(cfg Config, sink collect.Sink, now func() time.Time, log *slog.Logger) (*Handler, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Handler{cfg: cfg, sink: sink, now: now, log: log}, nil
}

// Answer is the body of a 202: how many events became durable, and which
// records went to quarantine.
type Answer struct {
	Accepted int         `json:"accepted"`
	Rejected int         `json:"rejected"`
	Errors   []ItemError `json:"errors,omitempty"`
}

// ItemError is one record that went to quarantine; Index counts from 0.
type ItemError struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// Problem is an error answer (RFC 9457).
type Problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Status int    `json:"status"`
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// Events serves POST /api/v1/events. Query: format (default fhir-auditevent),
// source (default "http"), mapping (for json and csv).
func (h *Handler) Events(w http.ResponseWriter, r *http.Request) {
	it := collect.Item{Format: "fhir-auditevent", Source: "http", Received: h.now()}
	q := r.URL.Query()
	for name, field := range map[string]*string{"format": &it.Format, "source": &it.Source, "mapping": &it.Mapping} {
		v := q.Get(name)
		if v == "" {
			continue
		}
		if !plainName.MatchString(v) {
			problem(w, http.StatusBadRequest, "bad parameter", name+" may hold letters, digits and . _ : - only, 64 at most")
			return
		}
		*field = v
	}
	rec, ok := h.take(w, r, it)
	if !ok {
		return
	}
	writeJSON(w, http.StatusAccepted, "application/json", answer(rec))
}

// FHIR serves POST /fhir/AuditEvent and POST /fhir (a Bundle): 201 when all
// was usable, 422 with an OperationOutcome when some went to quarantine.
func (h *Handler) FHIR(w http.ResponseWriter, r *http.Request) {
	rec, ok := h.take(w, r, collect.Item{Format: "fhir-auditevent", Source: "fhir", Received: h.now()})
	if !ok {
		return
	}
	status := http.StatusCreated
	if len(rec.Rejects) > 0 {
		status = http.StatusUnprocessableEntity
	}
	writeJSON(w, status, "application/fhir+json", outcome(rec))
}

// take reads the body and delivers it; on failure it has answered.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, it collect.Item) (collect.Receipt, bool) {
	body, err := h.body(w, r)
	if err != nil {
		status := http.StatusBadRequest
		var large *http.MaxBytesError
		if errors.As(err, &large) || errors.Is(err, errLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		problem(w, status, "body not read", err.Error())
		return collect.Receipt{}, false
	}
	it.Data = body
	receipts, err := h.sink.Deliver(r.Context(), it)
	var unknown collect.UnknownFormat
	switch {
	case errors.As(err, &unknown):
		problem(w, http.StatusBadRequest, "unknown format", unknown.Error())
		return collect.Receipt{}, false
	case err != nil:
		h.log.Error("events not stored", "source", it.Source, "error", err)
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusServiceUnavailable, "not stored", "nothing of this body was kept; send it again later")
		return collect.Receipt{}, false
	}
	return receipts[0], true
}

var errLarge = errors.New("the body is larger than max_body after decompression; send it in parts")

func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var src io.Reader = http.MaxBytesReader(w, r.Body, h.cfg.MaxBody)
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		src = z
	case "zstd":
		z, err := zstd.NewReader(src, zstd.WithDecoderMaxMemory(uint64(h.cfg.MaxBody)))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		defer z.Close()
		src = z
	default:
		return nil, errors.New("content encoding is not known; use gzip, zstd or none")
	}
	data, err := io.ReadAll(io.LimitReader(src, h.cfg.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if int64(len(data)) > h.cfg.MaxBody {
		return nil, errLarge
	}
	return data, nil
}

func answer(rec collect.Receipt) Answer {
	a := Answer{Accepted: rec.Accepted, Rejected: len(rec.Rejects)}
	for _, rj := range rec.Rejects {
		a.Errors = append(a.Errors, ItemError{rj.Index, rj.Reason})
	}
	return a
}

// outcome is a FHIR OperationOutcome (R4 and R5 alike).
func outcome(rec collect.Receipt) any {
	type issue struct {
		Severity    string `json:"severity"`
		Code        string `json:"code"`
		Diagnostics string `json:"diagnostics"`
	}
	issues := []issue{{"information", "informational", fmt.Sprintf("%d events taken", rec.Accepted)}}
	for _, rj := range rec.Rejects {
		issues = append(issues, issue{"error", "invalid", fmt.Sprintf("record %d kept in quarantine: %s", rj.Index, rj.Reason)})
	}
	return struct {
		ResourceType string  `json:"resourceType"`
		Issue        []issue `json:"issue"`
	}{"OperationOutcome", issues}
}

func problem(w http.ResponseWriter, status int, title, detail string) {
	writeJSON(w, status, "application/problem+json", Problem{title, detail, status})
}

func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the peer may be gone; nothing to do about it
}
