package node

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/collect/mllp"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/simulate"
)

// Demo plays a simulated hospital's day into a node through its real
// collectors: HL7 over MLLP, ATNA over TCP syslog, a HIS's audit table (a SQLite
// file) that is polled, and over HTTP AuditEvents, statements of the database,
// access logs and what workstations tell of.
type Demo struct {
	Seed uint64
	// Length is how long the day takes.
	Length time.Duration
	// HIS is the file of the audit table.
	HIS string
	// Network is what a sensor tells of; nil for none.
	Network *DemoNetwork
	// Say tells people how far it is.
	Say func(text string)

	mllp, syslog string
}

// Configure sets the node up to be played to: collectors on free ports of the
// loopback interface.
func (d *Demo) Configure(cfg *config.Config) error {
	err := d.makeTable()
	if err != nil {
		return err
	}
	if d.mllp, err = freeAddress(); err != nil {
		return err
	}
	if d.syslog, err = freeAddress(); err != nil {
		return err
	}
	text := fmt.Sprintf(`
mllp: [{address: %q, source: "HL7 (MLLP)"}]
syslog: [{udp: "", tcp: %q, source: "ATNA (syslog)"}]
sqlpoll: [{driver: sqlite, dsn: %q, table: audit_log, cursor: id, mapping: his-audit, source: "HIS audit table (SQL)", interval: 500ms}]
`, d.mllp, d.syslog, "file:"+d.HIS)
	return yaml.Unmarshal([]byte(text), &cfg.Collect)
}

// makeTable makes the HIS's audit table before anything polls it.
func (d *Demo) makeTable() error {
	db, err := d.openHIS()
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS audit_log (id TEXT PRIMARY KEY, op_time TEXT, user_code TEXT,
		patient_no TEXT, action TEXT, module TEXT, client_ip TEXT, reason TEXT)`)
	return err
}

func (d *Demo) openHIS() (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+d.HIS+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// before is how many days the hospital has worked when the demo begins, so
// that there are admissions, habits and a past.
const before = 10

// Play feeds people and past at full speed, then the day.
func (d *Demo) Play(ctx context.Context, n *Node) error {
	now := n.now()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	h, err := simulate.New(simulate.Config{Seed: d.Seed, Days: before + 1, Staff: 120, Patients: 1200, Start: today.AddDate(0, 0, -before)})
	if err != nil {
		return err
	}
	if d.Network != nil {
		d.Say("a sensor tells of the network ...")
		if err := d.Network.Play(ctx, n); err != nil {
			return err
		}
	}
	s, err := d.connect(ctx, n)
	if err != nil {
		return err
	}
	defer s.close()
	if err := d.tables(ctx, n, h); err != nil {
		return err
	}
	d.Say("ten days of the hospital's past flow in ...")
	return d.flow(ctx, s, h, today, now)
}

func (d *Demo) tables(ctx context.Context, n *Node, h *simulate.Hospital) error {
	for _, t := range []struct {
		kind  string
		write func(*bytes.Buffer) error
	}{
		{"directory", func(b *bytes.Buffer) error { return h.WriteDirectory(b) }},
		{"roster", func(b *bytes.Buffer) error { return h.WriteRoster(b) }},
		{"tickets", func(b *bytes.Buffer) error { return h.WriteTickets(b) }},
		{"watchlist", func(b *bytes.Buffer) error { return h.WriteWatchlist(b) }},
	} {
		var b bytes.Buffer
		if err := t.write(&b); err != nil {
			return err
		}
		if _, err := n.Import(ctx, t.kind, &b, nil); err != nil {
			return fmt.Errorf("import %s: %w", t.kind, err)
		}
	}
	return nil
}

// flow sends everything in the order it arrives. The past goes at full speed;
// what would have arrived since midnight too, so that the day on the screen is
// today; the rest of the day is spread over Length.
func (d *Demo) flow(ctx context.Context, s *senders, h *simulate.Hospital, today, now time.Time) error {
	live := false
	var begun time.Time
	var failed error
	sent := 0
	h.Stream(func(it simulate.Item) bool {
		if it.At.After(now) && !live {
			live, begun = true, now
			d.Say(fmt.Sprintf("the past is in (%d messages); the rest of today now passes in %s", sent, d.Length))
		}
		if live {
			left := today.AddDate(0, 0, 1).Sub(begun)
			share := float64(it.At.Sub(begun)) / float64(left)
			if failed = s.wait(ctx, time.Duration(share*float64(d.Length))); failed != nil {
				return false
			}
		}
		failed = s.send(ctx, it)
		sent++
		return failed == nil
	})
	if failed == nil {
		failed = s.flush(ctx)
	}
	if failed != nil {
		return failed
	}
	d.Say("the simulated day is over; the console stays open until you press Ctrl-C")
	return nil
}

// senders are the hospital's systems.
type senders struct {
	n     *Node
	begun time.Time
	hl7   *mllp.Client
	atna  net.Conn
	his   *sql.DB
	url   string
	token string
	posts map[string]*bytes.Buffer // by format: what is gathered into one request
	count int                      // records gathered
	hurry bool
}

func (d *Demo) connect(ctx context.Context, n *Node) (*senders, error) {
	s := &senders{n: n, begun: n.now(), url: n.url(), hurry: true, posts: map[string]*bytes.Buffer{}}
	var err error
	for range 200 { // the collectors are just starting
		if s.hl7, err = mllp.Dial(ctx, d.mllp); err == nil {
			break
		}
		if !pause(ctx, 50*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	for range 200 {
		if s.atna, err = new(net.Dialer).DialContext(ctx, "tcp", d.syslog); err == nil {
			break
		}
		if !pause(ctx, 50*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	if s.token, err = n.users.CreateToken(ctx, "demo systems", identity.Sender, 24*time.Hour, "demo"); err != nil {
		return nil, err
	}
	s.his, err = d.openHIS()
	return s, err
}

func (s *senders) close() {
	_ = s.hl7.Close()
	_ = s.atna.Close()
	_ = s.his.Close()
}

// wait waits until so much time has passed since the live part began.
func (s *senders) wait(ctx context.Context, until time.Duration) error {
	if s.hurry {
		if err := s.flush(ctx); err != nil {
			return err
		}
		s.hurry, s.begun = false, s.n.now()
	}
	left := until - s.n.now().Sub(s.begun)
	if left <= 0 {
		return nil
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	if !pause(ctx, left) {
		return ctx.Err()
	}
	return nil
}

func (s *senders) send(ctx context.Context, it simulate.Item) error {
	switch it.Channel {
	case "hl7":
		ack, err := s.hl7.Send(it.Data)
		if err == nil && !accepted(ack) {
			err = fmt.Errorf("hl7 message not accepted: %.300q", ack)
		}
		return err
	case "atna":
		_, err := fmt.Fprintf(s.atna, "%d %s", len(it.Data), it.Data)
		return err
	case "sql":
		r := it.Row
		_, err := s.his.ExecContext(ctx, `INSERT OR IGNORE INTO audit_log VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID, r.OpTime.Format(time.RFC3339), r.UserCode, r.PatientNo, r.Action, r.Module, r.ClientIP, r.Reason)
		return err
	}
	format := posted()[it.Channel].format
	if format == "" { // what Cordon tells of itself it tells itself
		return nil
	}
	b := s.posts[it.Channel]
	if b == nil {
		b = &bytes.Buffer{}
		s.posts[it.Channel] = b
	}
	b.Write(bytes.TrimSpace(it.Data))
	b.WriteByte('\n')
	if s.count++; s.count >= 200 {
		return s.flush(ctx)
	}
	return nil
}

// way is how a channel of the hospital is posted.
type way struct{ format, source string }

// posted are the channels that come by HTTP.
func posted() map[string]way {
	return map[string]way{
		"fhir": {"fhir-auditevent", "FHIR-server"}, "db": {"mysql-audit", "HIS-database"},
		"device": {"syslog", "endpoints-and-proxy"}, "http": {"http-access", "FHIR-access-log"},
	}
}

// accepted reads MSA-1 of an acknowledgement (HL7 table 0008).
func accepted(ack []byte) bool {
	return bytes.Contains(ack, []byte("MSA|AA")) || bytes.Contains(ack, []byte("MSA|CA"))
}

// flush posts what was gathered.
func (s *senders) flush(ctx context.Context) error {
	s.count = 0
	for _, channel := range sortedKeys(s.posts) {
		if b := s.posts[channel]; b.Len() > 0 {
			if err := s.post(ctx, posted()[channel], b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	return nil
}

func (s *senders) post(ctx context.Context, to way, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/events?format="+to.format+"&source="+to.source, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return fmt.Errorf("events not accepted: %s", res.Status)
	}
	return nil
}
