package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/collect"
)

type sinkFunc func(it collect.Item) (collect.Receipt, error)

func (f sinkFunc) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	r, err := f(items[0])
	return []collect.Receipt{r}, err
}

func post(t *testing.T, sink collect.Sink, target, encoding string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	h, err := New(Config{MaxBody: 4096}, sink, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	if strings.HasPrefix(target, "/fhir") {
		h.FHIR(w, r)
	} else {
		h.Events(w, r)
	}
	return w
}

func TestEventsAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		rec          collect.Receipt
		err          error
		status       int
		want         string
	}{
		{"durable", "/api/v1/events", collect.Receipt{Accepted: 2}, nil, 202, `"accepted":2`},
		{"per record errors", "/api/v1/events?format=ocsf", collect.Receipt{Accepted: 1, Rejects: []collect.Reject{{Index: 1, Reason: "time is missing"}}}, nil, 202, `{"index":1,"reason":"time is missing"}`},
		{"not stored", "/api/v1/events", collect.Receipt{}, errors.New("no space left on device"), 503, "send it again"},
		{"unknown format", "/api/v1/events?format=nix", collect.Receipt{}, collect.UnknownFormat{Name: "nix"}, 400, "nix"},
		{"bad parameter", "/api/v1/events?source=a%20b", collect.Receipt{}, nil, 400, "source may hold"},
		{"fhir", "/fhir/AuditEvent", collect.Receipt{Accepted: 1}, nil, 201, "OperationOutcome"},
		{"fhir reject", "/fhir", collect.Receipt{Rejects: []collect.Reject{{Reason: "recorded is missing"}}}, nil, 422, "recorded is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := post(t, sinkFunc(func(collect.Item) (collect.Receipt, error) { return tt.rec, tt.err }), tt.target, "", []byte("{}"))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Fatalf("%d %s; want %d with %s", w.Code, w.Body, tt.status, tt.want)
			}
			if strings.Contains(w.Body.String(), "no space left") {
				t.Fatal("inner error text reached the sender")
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Fatal("answer is not JSON")
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	_, _ = z.Write([]byte("payload"))
	_ = z.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for encoding, body := range map[string][]byte{"": []byte("payload"), "gzip": gz.Bytes(), "zstd": enc.EncodeAll([]byte("payload"), nil)} {
		var got string
		sink := sinkFunc(func(it collect.Item) (collect.Receipt, error) { got = string(it.Data); return collect.Receipt{}, nil })
		if w := post(t, sink, "/api/v1/events", encoding, body); w.Code != 202 || got != "payload" {
			t.Errorf("%s: %d, body %q", encoding, w.Code, got)
		}
	}
}

func TestTooLarge(t *testing.T) {
	never := sinkFunc(func(collect.Item) (collect.Receipt, error) { t.Error("delivered"); return collect.Receipt{}, nil })
	if w := post(t, never, "/api/v1/events", "", make([]byte, 5000)); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("plain: %d", w.Code)
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	if w := post(t, never, "/api/v1/events", "gzip", bomb.Bytes()); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("compressed: %d", w.Code)
	}
}
