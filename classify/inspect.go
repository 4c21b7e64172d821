package classify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cordon-health/cordon/internal/keyed"
)

// Inspector opens files by their structure and gives findings. Its fields are
// not changed once it is used; then it is safe for concurrent use, and the
// same file gives the same findings in the same order.
type Inspector struct {
	Engine *Engine
	// Levels says how sensitive each kind is; nil means [Usual].
	Levels *Levels
	// Readers are asked in this order. What none claims is read as plain text.
	Readers []Reader
	// Patients is the index of the hospital's own patients; nil where there
	// is none.
	Patients *Patients
	// Key makes the tokens of findings; nil leaves them out.
	Key  *keyed.Key
	Mode Mode
	Caps Caps
	// Temp is the folder for members too large for memory; empty is the
	// system's.
	Temp string
}

// headBytes is what readers are shown to claim a file by.
const headBytes = 4096

// Inspect reads a file with all that lies in it and gives each finding to
// emit. It ends early with an error of emit or the end of ctx; whatever is
// wrong with the file is a finding. A finding is emit's to keep.
func (i *Inspector) Inspect(ctx context.Context, src Source, emit func(*Finding) error) (Summary, error) {
	return i.run(ctx, src.Size(), emit, func(ctx context.Context, s *sink) error {
		err := s.open(ctx, src)
		s.in.sum.Format = s.format
		return err
	})
}

// InspectParts judges parts that come from no file: the columns of a live
// database, the fields of a request. Members are inspected like files.
func (i *Inspector) InspectParts(ctx context.Context, feed func(context.Context, Sink) error, emit func(*Finding) error) (Summary, error) {
	return i.run(ctx, 1<<40, emit, func(ctx context.Context, s *sink) error { return feed(ctx, s) })
}

func (i *Inspector) run(parent context.Context, size int64, emit func(*Finding) error, read func(context.Context, *sink) error) (Summary, error) {
	caps := i.Caps.usual()
	ctx, cancel := parent, context.CancelFunc(func() {})
	if caps.Time > 0 {
		ctx, cancel = context.WithTimeout(parent, caps.Time)
	}
	defer cancel()
	in := &inspection{Inspector: i, caps: caps, emit: emit, left: newAllowance(caps, size), headings: map[string]Kind{}}
	in.levels = i.Levels
	if in.levels == nil {
		in.levels = Usual()
	}
	s := &sink{in: in, ctx: ctx}
	err := read(ctx, s)
	if err != nil && in.stopped == nil && parent.Err() == nil {
		s.Unread("", err)
		err = nil
	}
	if e := s.close(); err == nil {
		err = e
	}
	in.count()
	if parent.Err() != nil {
		err = parent.Err()
	}
	if err != nil {
		return in.sum, fmt.Errorf("inspect: %w", err)
	}
	return in.sum, nil
}

// inspection is the state of one call of Inspect.
type inspection struct {
	*Inspector
	levels *Levels
	caps   Caps
	left   *allowance
	emit   func(*Finding) error
	sum    Summary
	spans  []Span
	people people
	kinds  [256]kindly
	values memo
	shows  shownMemo
	block  []Finding // allocated and not used yet
	blocks int       // how many the last block had
	// headings are what names of fields mean.
	headings map[string]Kind
	given    int64 // findings emitted
	full     bool  // no more members are read

	// stopped is an error of emit: it ends everything.
	stopped error
}

// send gives a finding away and counts it.
func (in *inspection) send(f *Finding) error {
	if in.stopped != nil {
		return in.stopped
	}
	if in.given++; in.given > in.caps.Findings && !f.Honey {
		return nil
	}
	if err := in.emit(f); err != nil {
		in.stopped = err
	}
	return in.stopped
}

// tally counts what is found, sent or not.
func (in *inspection) tally(kind Kind, level int) {
	in.kinds[kind].found++
	if level >= 1 && level < len(in.sum.Levels) {
		in.sum.Levels[level]++
	}
	in.sum.Level = max(in.sum.Level, level)
}

// count fills in what is known at the end.
func (in *inspection) count() {
	in.sum.Kinds = map[string]int64{}
	for k := range in.kinds {
		if n := in.kinds[k].found; n > 0 {
			in.sum.Kinds[in.about(Kind(k)).name] = n
		}
	}
	in.sum.Patients, in.sum.Honey = in.people.ours.count(), in.people.honey.count()
	in.sum.Persons = in.people.persons()
}

// sink takes the parts of one file: the outermost, or a member.
type sink struct {
	in     *inspection
	ctx    context.Context //nolint:containedctx // one sink lives as long as one call
	member string
	depth  int
	format string
	parts  int64 // parts and members given so far
	asked  int   // parts since ctx was asked
	broken bool  // something was no good, other than by intent
	group  group
	table  table
}

var _ Sink = (*sink)(nil)

// open finds the reader of a file and lets it read.
func (s *sink) open(ctx context.Context, src Source) error {
	head := make([]byte, min(headBytes, max(src.Size(), 0)))
	n, err := src.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the beginning of a file: %w", err)
	}
	head = head[:n]
	for _, r := range s.in.Readers {
		if r.Claims(src.Name(), head) {
			return s.read(ctx, r, src)
		}
	}
	s.format = "text"
	return s.text(ctx, src)
}

// read lets a reader read. Where it gives nothing but an error the file is not
// what it claimed to be, and is read as text too.
func (s *sink) read(ctx context.Context, r Reader, src Source) error {
	s.format = r.Name()
	err := guarded(ctx, r, src, s)
	if errors.Is(err, errFull) {
		return nil
	}
	if err == nil && !s.broken || s.in.stopped != nil || ctx.Err() != nil {
		return err
	}
	if err != nil {
		s.Unread("", err)
	}
	if s.parts > 0 || !s.broken {
		return nil
	}
	return s.text(ctx, src)
}

// guarded turns a reader's panic into a cause.
func guarded(ctx context.Context, r Reader, src Source, out Sink) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Because("its reader failed, which is a mistake in "+r.Name(), "读取程序出错（"+r.Name()+"）")
		}
	}()
	return r.Read(ctx, src, out)
}

// Part searches one piece of text.
func (s *sink) Part(p Part) error {
	if err := s.alive(); err != nil {
		return err
	}
	s.in.sum.Parts++
	s.in.sum.Bytes += int64(len(p.Text))
	if p.Record != s.group.record {
		if err := s.flush(); err != nil {
			return err
		}
		s.group.record = p.Record
	}
	if err := s.piece(&p); err != nil {
		return err
	}
	return s.encoded(&p)
}

// piece searches a part's text, once more without what is not seen in it.
func (s *sink) piece(p *Part) error {
	if unseenIn(p.Text) {
		if err := s.unveil(p, slices.Clone(s.in.search(s.in.kindOf(p), p.Text, s.in.Mode))); err != nil {
			return err
		}
	}
	if p.Column {
		return s.cell(p)
	}
	for _, sp := range s.in.search(s.in.kindOf(p), p.Text, s.in.Mode) {
		if p.Confidence > 0 && sp.Kind == p.Kind {
			sp.Confidence = p.Confidence
		}
		if err := s.found(p, sp, nil); err != nil {
			return err
		}
	}
	return nil
}

// alive says whether the inspection goes on.
func (s *sink) alive() error {
	s.parts++
	if s.in.stopped != nil {
		return s.in.stopped
	}
	if s.asked++; s.asked < 64 {
		return nil
	}
	s.asked = 0
	return s.ctx.Err()
}

// headingsMost is how many fields are remembered by name.
const headingsMost = 1 << 14

// kindOf is what the format or the field's name says a part is. Names come
// again and again, so what they mean is remembered.
func (in *inspection) kindOf(p *Part) Kind {
	if p.Kind != None || p.Field == "" {
		return p.Kind
	}
	k, known := in.headings[p.Field]
	if known {
		return k
	}
	k = in.Engine.labels.heading(p.Field)
	if len(in.headings) < headingsMost {
		in.headings[p.Field] = k
	}
	return k
}

// Member inspects a file inside this one.
func (s *sink) Member(name string, r io.Reader) error {
	if err := s.alive(); err != nil {
		return err
	}
	path := s.in.shownName(name)
	if s.member != "" {
		path = s.member + "!/" + path
	}
	inner := &sink{in: s.in, ctx: s.ctx, member: path, depth: s.depth + 1}
	if s.in.full {
		return errFull
	}
	if why := s.in.left.enter(inner.depth); why != nil {
		inner.Unread("", why)
		s.in.full = s.in.left.used()
		return s.in.stopped
	}
	err := inner.unpack(name, r)
	if s.in.stopped == nil && s.ctx.Err() == nil {
		if err != nil {
			inner.Unread("", err)
		}
		err = nil
	}
	if e := inner.close(); err == nil {
		err = e
	}
	return err
}

// shownName is a member's name with what is found in it masked: files are
// called by their patients.
func (in *inspection) shownName(name string) string {
	text := []byte(name[:min(len(name), 1024)])
	var out []byte
	at := 0
	for _, sp := range in.Engine.Scan(nil, text, Discover) {
		if in.level(sp.Kind) < 3 {
			continue
		}
		out = append(append(out, text[at:sp.Start]...), Mask(sp.Kind, text[sp.Start:sp.End])...)
		at = sp.End
	}
	return string(append(out, text[at:]...))
}

// errFull ends a reader whose members are not read any more. That was said.
var errFull = errors.New("a cap on what lies in a file was reached")

// unpack brings a member to where it can be read at any offset, and reads it.
// What was unpacked before an error is read as well.
func (s *sink) unpack(name string, r io.Reader) error {
	src, err := spool(s.in.Temp, name, &meter{r, s.in.left})
	defer func() { src.Close() }() // there is one in any case: what was unpacked before an error
	if err != nil {
		s.Unread("", err)
		s.in.full = s.in.left.used()
		if src.size == 0 {
			return nil
		}
	}
	return s.open(s.ctx, src)
}

// Unread makes a finding of what could not be read.
func (s *sink) Unread(path string, why error) {
	if s.in.stopped != nil {
		return
	}
	s.in.sum.Unread++
	s.in.kinds[Unread].found++
	cause := causeOf(why)
	s.broken = s.broken || cause != Encrypted && cause != NoOCR && cause != Unsupported
	text := cause.Text
	_ = s.in.send(&Finding{Member: s.member, Part: path, Kind: Unread.String(), Offset: -1, Why: &text})
}

// found makes a finding of a span and puts it with those of its record.
// Offsets of where, if not nil, lead from the text to the file.
func (s *sink) found(p *Part, sp Span, where func(int) int64) error {
	in := s.in
	value := p.Text[sp.Start:sp.End]
	about := in.about(sp.Kind)
	f := in.finding()
	f.Member, f.Part, f.Field, f.Offset, f.Length = s.member, placeOf(p), p.Field, int64(sp.Start), len(value)
	f.Kind, f.Level, f.Confidence, f.Reason = about.name, about.level, int(sp.Confidence), sp.Reason.String()
	f.kind, f.record = sp.Kind, p.Record
	f.Masked, f.Token = in.show(sp.Kind, value)
	switch {
	case where != nil:
		f.Offset = where(sp.Start)
		f.Length = int(where(sp.End) - f.Offset)
	case p.Offset >= 0 && !p.Wide:
		f.Offset += p.Offset
	case p.Offset >= 0:
		f.Offset, f.Decoded = p.Offset, true
	default:
		f.Decoded = true
	}
	f.who, f.Patient, f.Honey = s.know(sp.Kind, value)
	return s.keep(f, sp.Kind)
}

// level is a kind's own, by the hospital's rule or by the levels.
func (in *inspection) level(k Kind) int { return in.about(k).level }

// know asks whether the value is one of the hospital's own patients, and
// counts people.
func (s *sink) know(kind Kind, value []byte) (who uint32, ours, honey bool) {
	in := s.in
	if in.Patients != nil {
		if who, honey, ours = in.Patients.Match(kind, value); ours {
			in.people.own(who, honey)
		}
	}
	in.people.see(kind, value)
	s.group.remember(kind, value)
	return who, ours, honey
}

// sheetColumn says whether a path is a column of a spreadsheet: "Sheet1!AB".
func sheetColumn(path string) bool {
	i := len(path)
	for i > 0 && path[i-1] >= 'A' && path[i-1] <= 'Z' {
		i--
	}
	return i < len(path) && i > 0 && path[i-1] == '!'
}

// tokenKind is the kind of keyed's normal form.
func tokenKind(k Kind, name string) string {
	switch k {
	case ResidentID, ResidentID15, ResidencePermit:
		return keyed.NationalID
	case Mobile, Phone, Fax:
		return keyed.Phone
	case Name:
		return keyed.Name
	case Address:
		return keyed.Address
	}
	return name
}
