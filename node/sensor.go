package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/collect/capture"
	"github.com/cordon-health/cordon/collect/wireless"
	"github.com/cordon-health/cordon/zone"
	"github.com/cordon-health/cordon/zone/nft"
)

// RemoteSensor watches a part of the network on a machine of its own, tells a
// server what it sees, and does what the server orders about zones. While the
// server cannot be reached it keeps what it sees on disk and goes on judging.
type RemoteSensor struct {
	// Server is the server's address, Token that of a user of role sensor.
	Server, Token string
	// CA is a PEM file of the authority of the server's certificate; empty is
	// the system's.
	CA      string
	Version string
	// Name of the sensor, the Interfaces it listens on, and how: see
	// capture.SensorConfig.
	Name            string
	Interfaces      []string
	Interval, Learn time.Duration
	Inside          []string
	// Air is an interface in monitor mode, "" where nothing listens to the air.
	Air string
	// Enforce takes orders about this machine's kernel, in NetNS.
	Enforce bool
	NetNS   string
	// Dir keeps what is not sent yet and what was learnt; Most bounds what is
	// not sent yet, in bytes.
	Dir  string
	Most int64
	Now  func() time.Time
	Log  *slog.Logger

	client  *http.Client
	spool   *spool
	kernel  *nft.Kernel // nil where it does not enforce
	denials *nft.Denials
	waiting denialQueue
	rules   atomic.Pointer[zone.Ruleset]
	started time.Time
	mu      sync.Mutex
	problem string // guarded by mu
}

// Run works until ctx ends.
func (s *RemoteSensor) Run(ctx context.Context) (err error) {
	if err := s.prepare(); err != nil {
		return err
	}
	var watch *capture.Sensor
	if len(s.Interfaces) > 0 {
		cfg := capture.DefaultSensor()
		cfg.Name, cfg.Interfaces, cfg.Interval, cfg.Learn, cfg.Inside = s.Name, s.Interfaces, s.Interval, s.Learn, s.Inside
		if watch, err = capture.NewSensor(cfg, fileCursors(s.Dir), s.Now, s.Log); err != nil {
			return err
		}
	}
	g := newGroup(ctx)
	if watch != nil {
		g.run("capture", func(ctx context.Context) error { return watch.Run(ctx, s.spool) })
	}
	if s.Air != "" {
		cfg := wireless.Default()
		cfg.Interface, cfg.Sensor = s.Air, s.Name+"-air"
		air, err := wireless.New(cfg, s.Now, s.Log)
		if err != nil {
			return errors.Join(err, g.stop())
		}
		g.run("wireless", func(ctx context.Context) error { return air.Run(ctx, s.spool) })
	}
	if s.kernel != nil {
		defer s.kernel.Close()
		g.run("denials", s.tellDenials)
		g.run("denials kept", s.keepDenials)
		g.run("beats", s.beat)
	}
	g.run("sender", s.send)
	g.run("orders", func(ctx context.Context) error { return s.sync(ctx, watch) })
	<-g.ctx.Done()
	return g.stop()
}

func (s *RemoteSensor) prepare() (err error) {
	s.started = s.Now()
	if u, err := url.Parse(s.Server); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("the server's address must be like https://cordon.hospital.example:8443")
	}
	if s.Token == "" {
		return errors.New("no token; make one with 'cordon token create --role sensor' and give it in CORDON_TOKEN")
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return fmt.Errorf("read the authority's certificate: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate in PEM", s.CA)
		}
	}
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: t, Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if s.spool, err = openSpool(filepath.Join(s.Dir, "spool"), s.Most); err != nil {
		return err
	}
	if err := s.spool.sealWith(s.Token); err != nil {
		return err
	}
	if !s.Enforce {
		return nil
	}
	if s.kernel, err = nft.Open(nft.Options{NetNS: s.NetNS, Log: s.Log}); err != nil {
		return err
	}
	if data, err := os.ReadFile(s.ruleFile()); err == nil {
		var r zone.Ruleset
		if json.Unmarshal(data, &r) == nil {
			s.rules.Store(&r)
		}
	}
	s.denials = s.kernel.NewDenials(s.Now, s.denied)
	return nil
}

func (s *RemoteSensor) ruleFile() string { return filepath.Join(s.Dir, "ruleset.json") }

// send hands on what waits, the oldest first, until ctx ends.
func (s *RemoteSensor) send(ctx context.Context) error {
	for ctx.Err() == nil {
		data, done, err := s.spool.next(ctx)
		if errors.Is(err, errSpoolKey) {
			s.Log.Error("something the sensor saw is not sent", "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if data == nil {
			continue
		}
		if err := s.post(ctx, "/api/v1/sensor/events?sensor="+url.QueryEscape(s.Name), "application/x-ndjson", data, nil); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			s.trouble(err)
			pause(ctx, 2*time.Second)
			continue
		}
		s.trouble(nil)
		if err := done(); err != nil {
			return err
		}
	}
	return nil
}

// trouble notes why the server cannot be reached, and says so once.
func (s *RemoteSensor) trouble(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if text != s.problem && text != "" {
		s.Log.Error("the server does not take what the sensor sees; it is kept and sent later", "error", err)
	}
	if text == "" && s.problem != "" {
		s.Log.Info("the server takes what the sensor sees again")
	}
	s.problem = text
}

// post sends a body and decodes the answer.
func (s *RemoteSensor) post(ctx context.Context, path, kind string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.Server, "/")+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Header.Set("Content-Type", kind)
	res, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("reach the server: %w", hideAddress(err))
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	switch {
	case err != nil:
		return fmt.Errorf("read the server's answer: %w", err)
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return errors.New("the server refuses the token; it must be one of role sensor")
	case res.StatusCode >= 300:
		return fmt.Errorf("the server answered %s: %.200s", res.Status, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}

// sync reports and takes orders until ctx ends.
func (s *RemoteSensor) sync(ctx context.Context, watch *capture.Sensor) error {
	var results []api.SensorResult
	mark := ""
	for ctx.Err() == nil {
		body, err := json.Marshal(s.report(watch, mark, results))
		if err != nil {
			return err
		}
		var todo api.SensorOrders
		if err := s.post(ctx, "/api/v1/sensor/sync", "application/json", body, &todo); err != nil {
			if ctx.Err() == nil {
				s.trouble(err)
			}
			pause(ctx, 5*time.Second)
			continue
		}
		results = nil
		if todo.Table != nil {
			mark = todo.Table.Mark
			s.waiting.use(s.Name, *todo.Table)
			if watch != nil {
				watch.Use(*todo.Table)
			}
		}
		came := s.Now()
		for _, o := range todo.Orders {
			if late := s.Now().Sub(came); late < 0 || late > time.Duration(o.Within)*time.Millisecond {
				results = append(results, api.SensorResult{ID: o.ID, Error: "it came too late and was not done"})
				continue
			}
			results = append(results, s.obey(ctx, o))
		}
	}
	return nil
}

func (s *RemoteSensor) report(watch *capture.Sensor, mark string, results []api.SensorResult) api.SensorReport {
	r := api.SensorReport{Name: s.Name, Version: s.Version, Where: s.Interfaces, Started: s.started.UnixMilli(), Enforces: s.kernel != nil,
		Table: mark, Results: results, Waiting: s.spool.size()}
	s.mu.Lock()
	r.Problem = s.problem
	s.mu.Unlock()
	if watch == nil {
		return r
	}
	if st := watch.State(); st != nil {
		r.Packets, r.Bytes, r.Drops, r.Bad = st.Stats.Packets, st.Stats.Bytes, st.Stats.Dropped, st.Stats.Bad
		for name, why := range st.Away {
			r.Problem = name + ": " + why
		}
	}
	return r
}

// obey does one order, if this sensor enforces.
func (s *RemoteSensor) obey(ctx context.Context, o api.SensorOrder) api.SensorResult {
	if s.kernel == nil {
		return api.SensorResult{ID: o.ID, Error: "this sensor takes no orders; start it with --enforce"}
	}
	x := obey(ctx, nearKernel{s.kernel, nft.Prober{}}, o)
	if o.Method == "apply" && x.Error == "" {
		var a applyArgs
		if json.Unmarshal(o.Args, &a) == nil && a.Ruleset != nil {
			s.rules.Store(a.Ruleset)
			if data, err := json.Marshal(a.Ruleset); err == nil {
				if err := os.WriteFile(s.ruleFile(), data, 0o600); err != nil {
					s.Log.Warn("the policy's zones are not kept; denials name interfaces after a restart", "error", err)
				}
			}
		}
	}
	return x
}

// beat keeps fail-open zones enforced while the sensor lives.
func (s *RemoteSensor) beat(ctx context.Context) error {
	for {
		if s.rules.Load() != nil {
			if err := s.kernel.Beat(ctx, 30*time.Second); err != nil && ctx.Err() == nil {
				s.Log.Warn("fail-open zones may open: the kernel took no beat", "error", err)
			}
		}
		if !pause(ctx, 10*time.Second) {
			return nil
		}
	}
}

// tellDenials reads what the kernel dropped.
func (s *RemoteSensor) tellDenials(ctx context.Context) error {
	for {
		if err := s.denials.Run(ctx, func() {}); err != nil && ctx.Err() == nil {
			s.Log.Error("the kernel's records of what was dropped are not read, trying again", "error", err)
		}
		if !pause(ctx, 5*time.Second) {
			return nil
		}
	}
}

func (s *RemoteSensor) denied(d zone.Denial) {
	if a, ok := d.Denied(s.Name, s.zoneOf); ok {
		s.waiting.add(a)
		return
	}
	if c, ok := d.Claim(); ok {
		s.waiting.claim(s.Name, c)
	}
}

func (s *RemoteSensor) zoneOf(a netip.Addr, leg string) string {
	if r := s.rules.Load(); r != nil {
		if z := r.Place(a); z != nil {
			return z.Name
		}
	}
	return leg
}
