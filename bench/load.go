package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/simulate"
)

// Load is a simulated hospital's AuditEvents, as many as asked for. Each of the
// hospital's own accesses is issued Copies times, as somebody who pages on in
// a chart: the same person and patient, a new event id and request id, some
// seconds later. The hospital is invented once into a file; what is left to do
// per event is to copy it and to write ids and time, so that a sender costs
// little beside the server.
type Load struct {
	Copies   int
	Events   int64    // all that will be issued
	Patients []string // of the accesses, in order of first appearance
	Messages int      // of HL7

	dir string
}

// copyStep is between two copies of an access; after maxStep of them it starts
// over, so that all are within half an hour and have the same explanation.
const (
	copyStep = 23 * time.Second
	maxStep  = 64
)

// recordedForm is the time in simulated AuditEvents.
const recordedForm = "2006-01-02T15:04:05.000Z07:00"

// NewLoad invents a hospital below dir and plans at least events events.
func NewLoad(dir string, seed uint64, staff int, events int64) (*Load, error) {
	h, err := simulate.New(simulate.Config{Seed: seed, Staff: staff, Patients: 10 * staff})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l := &Load{dir: dir}
	for name, write := range map[string]func(io.Writer) error{
		"directory": h.WriteDirectory, "roster": h.WriteRoster, "tickets": h.WriteTickets, "watchlist": h.WriteWatchlist,
	} {
		if err := toFile(l.List(name), write); err != nil {
			return nil, err
		}
	}
	own, err := l.invent(h)
	if err != nil {
		return nil, err
	}
	if own == 0 {
		return nil, errors.New("the simulated hospital has no accesses over FHIR")
	}
	l.Copies = int((events + own - 1) / own)
	l.Events = events
	return l, nil
}

func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(f, 1<<18)
	return errors.Join(write(buf), buf.Flush(), f.Close())
}

// List is the file of one of the lists: directory, roster, tickets, watchlist.
func (l *Load) List(name string) string { return filepath.Join(l.dir, name+".csv") }

// HL7 is the file of all HL7 messages.
func (l *Load) HL7() string { return filepath.Join(l.dir, "all.hl7") }

func (l *Load) templates() string { return filepath.Join(l.dir, "accesses") }

// invent writes HL7 messages and accesses and returns how many accesses.
func (l *Load) invent(h *simulate.Hospital) (int64, error) {
	seen := map[string]bool{}
	var own int64
	err := toFile(l.HL7(), func(messages io.Writer) error {
		return toFile(l.templates(), func(accesses io.Writer) error {
			var failed error
			h.Stream(func(it simulate.Item) bool {
				switch it.Channel {
				case "hl7":
					l.Messages++
					_, failed = messages.Write(append(bytes.ReplaceAll(it.Data, []byte("\r"), []byte("\n")), '\n', '\n'))
				case "fhir":
					own++
					if p := patientOf(it.Data); p != "" && !seen[p] {
						seen[p] = true
						l.Patients = append(l.Patients, p)
					}
					_, failed = accesses.Write(append(it.Data, '\n'))
				}
				return failed == nil
			})
			return failed
		})
	})
	return own, err
}

// patientOf is the id after the first Patient/ reference.
func patientOf(event []byte) string {
	_, rest, _ := bytes.Cut(event, []byte(`"reference":"Patient/`))
	id, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return ""
	}
	return string(id)
}

// Each calls fn with every event in turn, a line of NDJSON that is valid until
// fn returns, and stops at the first error.
func (l *Load) Each(fn func(line []byte) error) error { return l.eachCopy(0, fn) }

// eachCopy is Each with copies numbered from first.
func (l *Load) eachCopy(first int, fn func(line []byte) error) error {
	f, err := os.Open(l.templates())
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<20)
	left := l.Events
	var buf []byte
	for left > 0 {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("read accesses: %w", err)
		}
		t, err := newTemplate(line)
		if err != nil {
			return err
		}
		for i := 0; i < l.Copies && left > 0; i++ {
			buf = t.appendCopy(buf[:0], first+i)
			if err := fn(buf); err != nil {
				return err
			}
			left--
		}
	}
	return nil
}

// firstLine is the first access.
func (l *Load) firstLine() ([]byte, error) {
	f, err := os.Open(l.templates())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bufio.NewReader(f).ReadBytes('\n')
}

// template is one access and the places in it that differ from copy to copy.
type template struct {
	line     []byte
	ids      []int // where the four hex digits are that tell copies apart
	at       int   // where the time is
	recorded time.Time
}

// idDigits is where in a UUID the digits of the copy stand: in its last group.
const idDigits = 24

func newTemplate(line []byte) (template, error) {
	t := template{line: line}
	// The event's own id, and that of its request, which two halves share.
	for _, before := range []string{`"id":"`, `"entity":[`} {
		at := bytes.Index(line, []byte(before))
		if at < 0 {
			return t, errors.New("the simulated access has no " + before)
		}
		if before == `"id":"` {
			t.ids = append(t.ids, at+len(before)+idDigits)
		}
	}
	if end := bytes.Index(line, []byte(`"}},"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"`)); end > 36 {
		t.ids = append(t.ids, end-36+idDigits)
	}
	const mark = `"recorded":"`
	at := bytes.Index(line, []byte(mark))
	if at < 0 {
		return t, errors.New("the simulated access has no time")
	}
	t.at = at + len(mark)
	end := t.at + bytes.IndexByte(line[t.at:], '"')
	var err error
	t.recorded, err = time.Parse(recordedForm, string(line[t.at:end]))
	return t, err
}

// appendCopy appends the i-th copy; the 0th is the access itself.
func (t template) appendCopy(dst []byte, i int) []byte {
	from := len(dst)
	dst = append(dst, t.line...)
	if i == 0 {
		return dst
	}
	line := dst[from:]
	for _, at := range t.ids {
		mixHex(line[at:at+4], i)
	}
	t.recorded.Add(time.Duration(i%maxStep)*copyStep).AppendFormat(line[t.at:t.at], recordedForm)
	return dst
}

// mixHex turns four hex digits into others, by exclusive or with i.
func mixHex(digits []byte, i int) {
	const hex = "0123456789abcdef"
	for k := range digits {
		v := bytes.IndexByte([]byte(hex), digits[k])
		digits[k] = hex[(max(v, 0)^(i>>(4*k)))&15]
	}
}
