package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/collect/capture"
	"github.com/cordon-health/cordon/collect/wireless"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

// CaptureKind is what a line of cordon capture --json is.
type CaptureKind string

// The kinds, in the order in which they come.
const (
	CapturedEvent   CaptureKind = "event"   // an OCSF event of a protocol: a statement
	CapturedFinding CaptureKind = "finding" // what detectors say
	CapturedFlow    CaptureKind = "flow"    // a conversation
	CapturedDevice  CaptureKind = "device"
	CapturedStats   CaptureKind = "stats" // the last line
)

// CaptureStats is what was read, and what was wrong with it.
type CaptureStats = capture.Stats

// ErrNotCapture says that a file is none.
var ErrNotCapture = capture.ErrNotCapture

// CaptureRead reads capture files offline: nothing is kept, nothing is sent.
type CaptureRead struct {
	Paths []string
	// Out takes each thing found; an error ends the reading.
	Out func(kind CaptureKind, v any) error
	// Progress is told the file and how far it is, in bytes; may be nil.
	Progress func(path string, read, size int64)
	Zone     *time.Location
	Now      func() time.Time
	Log      *slog.Logger
}

// captureReader is the pipeline of one reading.
type captureReader struct {
	CaptureRead
	norm   *normalize.Normalizer
	assets *asset.Book
	detect *detect.Engine
	watch  *binding.Watch
	air    *wireless.Watch
	key    keyed.Key
	flows  map[flow.Key]*flow.Conversation
	order  []flow.Key
	err    error
	latest int64
}

// Run reads all files as one capture.
func (c CaptureRead) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "cordon-capture-")
	if err != nil {
		return fmt.Errorf("make a folder for what is in between: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &captureReader{CaptureRead: c, flows: map[flow.Key]*flow.Conversation{}}
	rand.Read(r.key[:]) // tokens of this reading match no others
	done, err := r.open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	packets, streams := capture.Dissectors(capture.ClinicalOptions{Sensor: "file"}, everywhereInside()...)
	engine, err := capture.New(capture.Config{
		Sensor: "file", Packets: packets, Streams: streams, Out: r, Interval: time.Hour,
		Flow: r.flow, WiFi: func(link int, at int64, size int, data []byte) { r.air.Frame(link, at, size, data) },
	})
	if err != nil {
		return err
	}
	for _, path := range c.Paths {
		if err := engine.File(ctx, path, func(read, size int64) {
			if c.Progress != nil {
				c.Progress(path, read, size)
			}
		}); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	engine.Flush()
	r.watch.Tick(r.latest, r.Alarm)
	return r.finish(engine.Stats())
}

// everywhereInside takes all addresses of a capture for devices: whoever looks
// into a file wants to see what is in it.
func everywhereInside() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
}

func (r *captureReader) open(ctx context.Context, dir string) (done func() error, err error) {
	db, err := sqlite.Open(ctx, filepath.Join(dir, "capture.db"))
	if err != nil {
		return nil, err
	}
	files := content.Files()
	kinds, err := fs.Sub(files, "devices")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	r.assets, err = asset.Open(ctx, db, asset.Options{Now: r.Now, Log: r.Log, Fingerprints: kinds, Learning: 100 * 365 * 24 * time.Hour})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if r.detect, err = r.detectors(ctx, db, files); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	r.norm = normalize.New(normalize.Options{Key: r.key, Zone: r.Zone})
	r.watch = binding.NewWatch(binding.WatchConfig{Sensor: "file"}, binding.Table{})
	r.air = wireless.NewWatch(wireless.Default(), r)
	return db.Close, nil
}

// detectors are the behaviours, with nobody known.
func (r *captureReader) detectors(ctx context.Context, db *store.DB, files fs.FS) (*detect.Engine, error) {
	people, err := directory.Open(ctx, db, r.key, r.Now, r.Log)
	if err != nil {
		return nil, err
	}
	explanations, err := fs.Sub(files, "explanations")
	if err != nil {
		return nil, err
	}
	graph, err := care.Open(ctx, db, people, r.key, explanations, r.Now, r.Log)
	if err != nil {
		return nil, err
	}
	own, err := fs.Sub(files, "tables")
	if err != nil {
		return nil, err
	}
	tables, err := statement.LoadCatalog(own)
	if err != nil {
		return nil, err
	}
	return detect.New(detect.Config{}, detect.World{People: people, Care: graph, Tables: tables, Zone: r.Zone}, behavior.All())
}

// Seen, Claim, Alarm and Event implement capture.Out and wireless.Out.
func (r *captureReader) Seen(o asset.Observation) {
	r.latest = max(r.latest, o.At)
	for _, a := range r.assets.Apply(o) {
		r.Alarm(a)
	}
}

// Claim has the watch judge it.
func (r *captureReader) Claim(c binding.Claim) { r.watch.Claim(c, r.Alarm) }

// Alarm becomes a finding.
func (r *captureReader) Alarm(a asset.Alarm) { r.judge(a.Event(), false) }

// Event is told without the values of its statement, and judged.
func (r *captureReader) Event(e *ocsf.Event) { r.judge(e, true) }

func (r *captureReader) judge(e *ocsf.Event, tell bool) {
	evs, rejects := r.norm.Normalize(normalize.Input{Format: normalize.FormatSensor, Source: "sensor:" + fileSensor, Received: e.Time, Data: e.AppendJSON(nil)})
	for _, x := range rejects {
		r.fail(fmt.Errorf("an event of the capture could not be used: %s", x.Reason))
	}
	for _, ev := range evs {
		if tell {
			r.out(CapturedEvent, json.RawMessage(withoutValues(*ev).AppendJSON(nil)))
		}
		for _, f := range r.detect.Process(ev) {
			r.out(CapturedFinding, f)
		}
	}
}

// withoutValues leaves out what may name a patient: numbers of patients, too.
func withoutValues(ev ocsf.Event) *ocsf.Event {
	ev.Patient = nil
	if q := ev.QueryInfo; q != nil {
		ev.QueryInfo = &ocsf.QueryInfo{}
		*ev.QueryInfo = *q
		ev.QueryInfo.Text = statement.Normal(q.Text, statement.DialectOf(ev.DstEndpoint.Name))
	}
	return &ev
}

// flow sums what was told of a conversation.
func (r *captureReader) flow(c flow.Conversation) {
	if old := r.flows[c.Key]; old != nil {
		old.Add(c)
		return
	}
	r.flows[c.Key], r.order = &c, append(r.order, c.Key)
}

func (r *captureReader) out(kind CaptureKind, v any) {
	if r.err == nil {
		r.err = r.Out(kind, v)
	}
}

func (r *captureReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// finish tells what is known at the end.
func (r *captureReader) finish(stats capture.Stats) error {
	for _, k := range r.order {
		r.out(CapturedFlow, flowLine(r.flows[k]))
	}
	list, _ := r.assets.Devices(asset.Filter{})
	for _, d := range list {
		if full, ok := r.assets.Device(d.ID); ok {
			r.out(CapturedDevice, full)
		}
	}
	r.out(CapturedStats, stats)
	return r.err
}

// CapturedTalk is a conversation as a line of cordon capture. Times are ms,
// Out is from client to server.
type CapturedTalk struct {
	Client     string           `json:"client"`
	Server     string           `json:"server"`
	Protocol   uint8            `json:"protocol"`
	Port       uint16           `json:"port"`
	App        string           `json:"app,omitempty"`
	VLAN       uint16           `json:"vlan,omitempty"`
	ClientName string           `json:"client_name,omitempty"`
	ServerName string           `json:"server_name,omitempty"`
	From       int64            `json:"from"`
	Until      int64            `json:"until"`
	Sessions   int64            `json:"sessions"`
	Refused    int64            `json:"refused,omitempty"`
	PacketsOut int64            `json:"packets_out"`
	PacketsIn  int64            `json:"packets_in"`
	BytesOut   int64            `json:"bytes_out"`
	BytesIn    int64            `json:"bytes_in"`
	Calls      map[string]int64 `json:"calls,omitempty"`
	Clear      []string         `json:"clear,omitempty"`
	TLS        string           `json:"tls,omitempty"`
	SNI        string           `json:"sni,omitempty"`
}

func flowLine(c *flow.Conversation) CapturedTalk {
	return CapturedTalk{
		Client: asset.AddrText(c.Client), Server: asset.AddrText(c.Server), Protocol: c.Proto, Port: c.Port, App: c.App, VLAN: c.VLAN,
		ClientName: c.ClientName, ServerName: c.ServerName, From: c.From, Until: c.Until, Sessions: c.Sessions, Refused: c.Refused,
		PacketsOut: c.PacketsOut, PacketsIn: c.PacketsIn, BytesOut: c.BytesOut, BytesIn: c.BytesIn, Calls: c.Calls, Clear: c.Clear, TLS: c.TLS, SNI: c.SNI,
	}
}
