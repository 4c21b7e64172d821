package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/internal/listen"
)

// webDoor is the HTTP collector, as a sender with a token finds it.
func (n *Node) webDoor() canary.Door {
	w := &webSender{node: n}
	return canary.Door{Name: "http", Send: w.send}
}

// webSender sends canaries over HTTP, with a token of its own that lasts two
// days at most.
type webSender struct {
	node *Node

	mu    sync.Mutex
	token string    // guarded by mu
	until time.Time // guarded by mu
}

const (
	canaryLabel = "canary (Cordon itself)"
	canaryLife  = 48 * time.Hour
)

func (w *webSender) send(ctx context.Context, mark string, at time.Time) error {
	token, err := w.bearer(ctx)
	if err != nil {
		return err
	}
	client, base, err := w.client()
	if err != nil {
		return err
	}
	data, _ := canary.Message("fhir-auditevent", mark, at)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/v1/events?format=fhir-auditevent&source=canary", bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("http: %w", hideAddress(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		w.forget(res.StatusCode)
		return fmt.Errorf("http: the event was answered %s", res.Status)
	}
	return nil
}

// client reaches the console's own listener.
func (w *webSender) client() (*http.Client, string, error) {
	c := w.node.cfg.Console
	var secure *tls.Config
	scheme := "http://"
	if c.Cert != "" {
		var err error
		if secure, err = (listen.TLS{Cert: c.Cert, Key: c.Key}).Pinned(); err != nil {
			return nil, "", err
		}
		scheme = "https://"
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return listen.Knock(ctx, network, c.Listen, listen.TLS{}, nil)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial, TLSClientConfig: secure, DisableKeepAlives: true}}, scheme + "cordon", nil
}

// bearer is the token, a new one every day.
func (w *webSender) bearer(ctx context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.token != "" && w.node.now().Before(w.until) {
		return w.token, nil
	}
	if err := w.revoke(ctx); err != nil {
		return "", err
	}
	token, err := w.node.users.CreateToken(ctx, canaryLabel, identity.Sender, canaryLife, "cordon")
	if err != nil {
		return "", err
	}
	w.token, w.until = token, w.node.now().Add(canaryLife/2)
	return token, nil
}

// revoke ends tokens of earlier days and runs.
func (w *webSender) revoke(ctx context.Context) error {
	list, err := w.node.users.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.Label == canaryLabel && t.By == "cordon" {
			if err := w.node.users.RevokeToken(ctx, t.ID, "cordon"); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget drops a token that is refused.
func (w *webSender) forget(status int) {
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.token = ""
	}
}

// hideAddress keeps addresses, which may carry keys, out of errors.
func hideAddress(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
