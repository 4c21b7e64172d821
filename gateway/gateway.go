// Package gateway decides what may leave: a mail, an upload, a prompt typed
// into somebody's chat robot. A door (gateway/icap beside a web proxy,
// gateway/milter beside a mail server, the HTTP API for everything else) hands
// over what waits, [Guard.Judge] has it inspected by classify, and the first
// rule of the first route that fits says what happens: allow, coach, redact,
// hold or block.
//
// What it gives. [Config]: routes as data. [Guard]: the verdict, the passes,
// the redaction of text. A pass is how coach and hold end well: whoever was
// coached gives a reason, whoever was held is approved by somebody else, and
// then the same data goes from the same person to the same place for a while.
// A pass is bound to the keyed tokens of the data, not to the bytes, so a mail
// written again passes and a mail with one patient more does not.
//
// It owns the tables gateway_passes and gateway_held. What it guarantees: what
// no route fits does not pass; where the inspection fails, takes too long or
// meets more than it may read, the route's fail setting decides, and that too
// is told; a redacted text was inspected again before it passed; every outcome
// but a plain allow is on record before the door answers, and where it cannot
// be recorded nothing passes that a rule had stopped. No value of a patient is
// in a page, a log, an error or an address. What it does not do: it reads no
// protocol (doors do) and it does not look into encrypted content, which rules
// can treat as what it is.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Door is a way out.
type Door string

// The doors.
const (
	Web  Door = "web"  // ICAP beside a proxy
	Mail Door = "mail" // milter beside a mail server
	HTTP Door = "http" // other gateways, by the API
)

// Action is what happens to an item.
type Action string

// The actions, from the mildest.
const (
	Allow  Action = "allow"
	Coach  Action = "coach"  // stopped until the sender has said why
	Redact Action = "redact" // passes without what was found
	Hold   Action = "hold"   // waits until somebody else approves
	Block  Action = "block"
)

// Item is what wants to pass.
type Item struct {
	Door Door
	// From is who sends: a mail address, a proxy's user, or the client's
	// address where nobody signed in.
	From string
	// To are mail addresses or the host of the web server.
	To []string
	// Incoming is true for answers of web servers (RESPMOD).
	Incoming bool
	// Source is the content; its name decides nothing but helps to read it.
	Source classify.Source
}

// Outcome is the verdict on an item.
type Outcome struct {
	Action Action `json:"action"`
	Route  string `json:"route"`
	// Rule is the number of the rule that fitted, from 1; 0 where none did.
	Rule    int              `json:"rule"`
	Summary classify.Summary `json:"summary"`
	// Findings are the worst ones, masked, at most [mostShown].
	Findings []classify.Finding `json:"findings,omitempty"`
	// Failed says why it could not be inspected; the route's fail setting has
	// decided then.
	Failed *ocsf.Text `json:"failed,omitempty"`
	// Passing says that the same content may fare better later.
	Passing bool `json:"passing,omitempty"`
	// Pass names the pass that coach and hold wait for, or that let it go.
	Pass string `json:"pass,omitempty"`
	// Took is the time of the inspection.
	Took time.Duration `json:"took_ns"`

	// Otherwise replaces Redact where the door cannot redact.
	Otherwise Action `json:"-"`
	// RedactAt is the least level that is redacted.
	RedactAt int `json:"-"`
}

// Stops says whether the item does not pass as it is.
func (o Outcome) Stops() bool { return o.Action != Allow }

// Decision is an outcome as it goes on record.
type Decision struct {
	Item    Item
	Outcome Outcome
	Time    time.Time
}

// Guard judges. Its fields are set before first use and not changed after.
type Guard struct {
	// Inspector gives what reads contents, as it is now: levels and the index
	// of patients change while doors are open.
	Inspector func() *classify.Inspector
	// Record puts a decision into evidence and tells detection. Judge waits
	// for it.
	Record func(context.Context, Decision) error
	// Settled puts an answered pass into evidence.
	Settled func(context.Context, Pass) error
	// Files keeps held mail, sealed.
	Files  blob.Store
	Config Config

	db    *store.DB
	key   keyed.Key
	now   func() time.Time
	log   *slog.Logger
	slots chan struct{}
}

// mostShown is how many findings an outcome carries.
const mostShown = 50

// New opens the passes. The caller sets Inspector and Record.
func New(ctx context.Context, cfg Config, db *store.DB, key keyed.Key, now func() time.Time, log *slog.Logger) (*Guard, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if err := migrate(ctx, db); err != nil {
		return nil, err
	}
	return &Guard{Config: cfg, db: db, key: key, now: now, log: log, slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}, nil
}

// Judge inspects an item and says what happens to it. It never fails: what
// goes wrong is decided by the route.
func (g *Guard) Judge(ctx context.Context, it Item) Outcome {
	route := g.Config.route(it)
	if route == nil {
		o := Outcome{Action: Block, Failed: &ocsf.Text{EN: "no route of the gateway fits", ZH: "没有匹配的网关路由"}}
		return g.recorded(ctx, it, o)
	}
	begun := g.now()
	seen, err := g.inspect(ctx, route, it)
	o := Outcome{Route: route.Name, Summary: seen.summary, Findings: seen.worst, Took: g.now().Sub(begun)}
	if err != nil {
		g.log.Warn("gateway could not inspect", "route", route.Name, "door", string(it.Door), "error", err)
		o.Failed, o.Action, o.Passing = failure(err), Block, !errors.Is(err, errLarge)
		if route.Fail == Open {
			o.Action = Allow
		}
		return g.recorded(ctx, it, o)
	}
	g.rule(route, seen, &o)
	if o.Action == Coach || o.Action == Hold {
		g.askPass(ctx, it, seen, &o)
	}
	return g.recorded(ctx, it, o)
}

// recorded puts what is not a plain allow on record. What a rule stopped and
// cannot be recorded stays stopped; what failed open without a record passes,
// as the route wants it.
func (g *Guard) recorded(ctx context.Context, it Item, o Outcome) Outcome {
	if o.Action == Allow && o.Failed == nil && o.Pass == "" && o.Summary.Honey == 0 {
		return o
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordFor)
	defer cancel()
	if err := g.Record(ctx, Decision{Item: it, Outcome: o, Time: g.now()}); err != nil {
		g.log.Error("decision of the gateway not recorded", "route", o.Route, "error", err)
		if o.Pass != "" && o.Action == Allow {
			o.Action = Block
		}
	}
	return o
}

// recordFor is how long a decision may take to become durable.
const recordFor = 5 * time.Second

// rule applies the first rule that fits.
func (g *Guard) rule(route *Route, seen *sight, o *Outcome) {
	o.Action = Allow
	for i, r := range route.Rules {
		if r.fits(seen) {
			o.Action, o.Rule = r.Do, i+1
			o.Otherwise, o.RedactAt = r.Otherwise, max(r.Level, 1)
			return
		}
	}
	if seen.summary.Unread > 0 && route.Fail != Open { // no rule says what to do with it
		o.Action, o.Failed = Block, &ocsf.Text{EN: "part of it cannot be looked into", ZH: "部分内容无法检查"}
	}
}

// failure turns what went wrong into words for people; the error itself stays
// in the log.
func failure(err error) *ocsf.Text {
	switch {
	case errors.Is(err, errLarge):
		return &ocsf.Text{EN: "larger than the route inspects", ZH: "内容超过该路由可检查的大小"}
	case errors.Is(err, context.DeadlineExceeded):
		return &ocsf.Text{EN: "the inspection took too long", ZH: "检查超时"}
	}
	return &ocsf.Text{EN: "the content could not be inspected", ZH: "内容无法检查"}
}

var errLarge = errors.New("larger than the route's most; raise it, or split the content")

// sight is what an inspection saw.
type sight struct {
	summary classify.Summary
	// at counts findings sure enough by level; tokens are theirs, by level.
	at     [6]int
	kinds  map[string]int
	tokens map[seenToken]struct{}
	worst  []classify.Finding
	mild   int // the place of the mildest of the worst, once there are enough
}

// inspect reads the content within the route's bounds.
func (g *Guard) inspect(ctx context.Context, route *Route, it Item) (*sight, error) {
	if most := route.most(); it.Source.Size() > most {
		return &sight{}, fmt.Errorf("%d bytes: %w", it.Source.Size(), errLarge)
	}
	ctx, cancel := context.WithTimeout(ctx, route.timeout())
	defer cancel()
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		return &sight{}, ctx.Err()
	}
	type answer struct {
		seen *sight
		err  error
	}
	done := make(chan answer, 1)
	go func() { // ends with the inspection, even when nobody waits any more
		defer func() { <-g.slots }()
		seen, err := g.look(ctx, route, it.Source)
		done <- answer{seen, err}
	}()
	select {
	case a := <-done:
		return a.seen, a.err
	case <-ctx.Done():
		return &sight{}, ctx.Err()
	}
}

// look runs the inspector; a panic of it is an error of this item alone.
func (g *Guard) look(ctx context.Context, route *Route, src classify.Source) (seen *sight, err error) {
	seen = &sight{kinds: map[string]int{}, tokens: map[seenToken]struct{}{}}
	defer func() {
		if p := recover(); p != nil {
			seen, err = &sight{}, fmt.Errorf("the inspector has a fault: %T", p)
		}
	}()
	seen.summary, err = g.Inspector().Inspect(ctx, src, func(f *classify.Finding) error {
		if !envelope(f) {
			seen.add(f, route.confidence())
		}
		return nil
	})
	seen.summary.Level = 0
	for level, n := range seen.at {
		if n > 0 {
			seen.summary.Level = level
		}
	}
	slices.SortStableFunc(seen.worst, func(a, b classify.Finding) int { return b.Level - a.Level })
	if err == nil {
		err = ctx.Err()
	}
	return seen, err
}

// envelope says that a finding is of a mail's own transport: every mail has
// addresses, times and names of servers. What people write stands in the
// subject and below; a number of a patient counts in any field.
func envelope(f *classify.Finding) bool {
	name, ok := strings.CutPrefix(f.Part, "header ")
	if !ok || f.Member != "" || strings.EqualFold(name, "Subject") || strings.EqualFold(name, "Comments") || strings.EqualFold(name, "Keywords") {
		return false
	}
	k, ok := classify.KindOf(f.Kind)
	return !ok || !slices.Contains([]classify.Kind{classify.ResidentID, classify.SocialSecurity, classify.Passport, classify.MRN, classify.Admission,
		classify.Visit, classify.SSN, classify.MBI, classify.NHS, classify.HealthPlan, classify.Ours}, k)
}

// mostTokens bounds what a pass is bound to.
const mostTokens = 100_000

func (s *sight) add(f *classify.Finding, least int) {
	if f.Confidence < least || f.Level < 1 || f.Level > 5 {
		return
	}
	s.at[f.Level]++
	s.kinds[f.Kind]++
	if f.Token != "" && len(s.tokens) < mostTokens {
		s.tokens[seenToken{f.Kind, f.Token}] = struct{}{}
	}
	place := s.mild
	if len(s.worst) < mostShown {
		place = len(s.worst)
		s.worst = append(s.worst, placed(*f))
	} else if s.worst[s.mild].Level < f.Level {
		s.worst[s.mild] = placed(*f)
	} else {
		return
	}
	s.worst[place].Member = nameless(f.Member)
	s.mild = 0
	for i := range s.worst {
		if s.worst[i].Level < s.worst[s.mild].Level {
			s.mild = i
		}
	}
}

// nameless keeps of a path into archives and attachments what kind of file
// each is: people name files after patients.
func nameless(member string) string {
	if member == "" {
		return ""
	}
	steps := strings.Split(member, "!/")
	for i, step := range steps {
		steps[i] = "*"
		if ext := path.Ext(step); slices.Contains(plainEndings(), strings.ToLower(ext)) {
			steps[i] += strings.ToLower(ext)
		}
	}
	return strings.Join(steps, "!/")
}

// plainEndings are endings of file names that tell nothing of anybody.
func plainEndings() []string {
	return strings.Fields(`.7z .bmp .bz2 .csv .dcm .doc .docx .eml .gz .hl7 .htm .html .jpeg .jpg .json .md .msg .ndjson .ods .odt .parquet .pdf .png .ppt .pptx
		.rar .rtf .sqlite .tar .tgz .tif .tiff .tsv .txt .wps .xls .xlsx .xml .xz .zip .zst`)
}

// seenToken is a value that was found.
type seenToken struct{ kind, token string }

// found are the tokens in order.
func (s *sight) found() []string {
	all := make([]string, 0, len(s.tokens))
	for t := range s.tokens {
		all = append(all, t.kind+" "+t.token)
	}
	slices.Sort(all)
	return all
}

// placed leaves out of a finding's place what its sender may have named: keys,
// sheets, fields of forms. What formats name themselves stays: PID-5,
// (0010,0010), a page, a header.
func placed(f classify.Finding) classify.Finding {
	f.Field = ""
	for _, known := range []string{"page ", "body", "header ", "line "} {
		if strings.HasPrefix(f.Part, known) && len(f.Part) < 40 {
			return f
		}
	}
	if strings.Trim(f.Part, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.,()[]") != "" || len(f.Part) > 24 {
		f.Part = ""
	}
	return f
}
