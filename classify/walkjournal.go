package classify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/zeebo/xxh3"
)

// Journal is one file in which a scan without a server writes down what it
// did, so that one that was interrupted goes on behind the last object, and
// one that is repeated reads only what changed.
//
// Each line carries its own hash. Whatever kill -9 or a power cut left at the
// end is cut off when the journal is opened; an object counts as done when the
// line with its result is whole. It holds findings as they are reported:
// masked, without values. One process uses it at a time.
type Journal struct {
	f      *os.File
	w      *bufio.Writer
	end    int64 // where the next line goes
	serial int64
	open   map[int64]int64   // serial of an object under way: where its lines begin
	done   map[string]stored // by origin and path
	now    map[string]int64  // serial of an object under way, by origin and path
	err    error
}

// stored says where the lines of a finished object are.
type stored struct {
	serial, begin, end int64
	mark               string
}

// line is one line of a journal; one of its last three members is set.
type line struct {
	N       int64    `json:"n"`
	Engine  string   `json:"engine,omitempty"`
	Finding *Finding `json:"f,omitempty"`
	Result  *Result  `json:"r,omitempty"`
	People  []uint32 `json:"p,omitempty"`
}

// OpenJournal opens or begins a journal. What an engine of another version, or
// with other rules, wrote is dropped: its results may be different now.
func OpenJournal(path, engine string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the scan's journal: %w; give another file with --journal", err)
	}
	j := &Journal{f: f, open: map[int64]int64{}, done: map[string]stored{}, now: map[string]int64{}}
	if err := j.load(engine); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j.w = bufio.NewWriterSize(io.NewOffsetWriter(f, j.end), 64<<10)
	if j.end == 0 {
		j.put(line{Engine: engine})
	}
	return j, j.err
}

// load reads all whole lines and cuts the rest off.
func (j *Journal) load(engine string) error {
	r := bufio.NewReaderSize(j.f, 1<<20)
	for first := true; ; first = false {
		l, size, ok := readLine(r)
		if !ok {
			break
		}
		if first && l.Engine != engine {
			break
		}
		j.recall(l, size)
	}
	clear(j.open)
	if err := j.f.Truncate(j.end); err != nil {
		return fmt.Errorf("mend the scan's journal: %w", err)
	}
	return nil
}

func (j *Journal) recall(l line, size int64) {
	j.serial = max(j.serial, l.N)
	if _, known := j.open[l.N]; !known {
		j.open[l.N] = j.end
	}
	j.end += size
	if l.Result != nil {
		j.done[l.Result.Origin+"\x00"+l.Result.Path] = stored{l.N, j.open[l.N], j.end, l.Result.Mark}
		delete(j.open, l.N)
	}
}

// readLine reads one line whose hash is right.
func readLine(r *bufio.Reader) (l line, size int64, ok bool) {
	text, err := r.ReadBytes('\n')
	if err != nil {
		return l, 0, false
	}
	sum, body, found := bytes.Cut(text[:len(text)-1], []byte(" "))
	if want := strconv.FormatUint(xxh3.Hash(body), 16); !found || string(sum) != want {
		return l, 0, false
	}
	return l, int64(len(text)), json.Unmarshal(body, &l) == nil
}

func (j *Journal) put(l line) {
	body, err := json.Marshal(l)
	if err != nil {
		j.err = errors.Join(j.err, err)
		return
	}
	n, err := fmt.Fprintf(j.w, "%x %s\n", xxh3.Hash(body), body)
	j.end += int64(n)
	if err != nil && j.err == nil {
		j.err = fmt.Errorf("write the scan's journal: %w", err)
	}
}

// Found writes a finding of an object under way down.
func (j *Journal) Found(origin string, o Object, f *Finding) error {
	j.put(line{N: j.under(origin + "\x00" + o.Path), Finding: f})
	return j.err
}

// under is the serial number of an object under way.
func (j *Journal) under(key string) int64 {
	n, ok := j.now[key]
	if !ok {
		j.serial++
		n = j.serial
		j.now[key], j.open[n] = n, j.end
	}
	return n
}

// Done writes a result down. From then on the object counts as done.
func (j *Journal) Done(r Result) error {
	if r.Unchanged {
		return nil
	}
	key := r.Origin + "\x00" + r.Path
	n := j.under(key)
	begin := j.open[n]
	j.put(line{N: n, Result: &r, People: r.people})
	if j.err == nil {
		j.err = j.w.Flush()
	}
	delete(j.open, n)
	delete(j.now, key)
	j.done[key] = stored{n, begin, j.end, r.Mark}
	return j.err
}

// Known gives the earlier result of an object that did not change, after
// handing over its findings.
func (j *Journal) Known(origin string, o Object, each func(*Finding) error) (Result, bool) {
	s, ok := j.done[origin+"\x00"+o.Path]
	if !ok || s.mark != o.Mark || j.w.Flush() != nil {
		return Result{}, false
	}
	r := bufio.NewReaderSize(io.NewSectionReader(j.f, s.begin, s.end-s.begin), 64<<10)
	for {
		l, _, ok := readLine(r)
		if !ok {
			return Result{}, false
		}
		switch {
		case l.N != s.serial:
		case l.Result != nil:
			l.Result.people = l.People
			return *l.Result, true
		case l.Finding != nil && each != nil:
			if each(l.Finding) != nil {
				return Result{}, false
			}
		}
	}
}

// Close ends the journal; it can be opened again.
func (j *Journal) Close() error {
	return errors.Join(j.err, j.w.Flush(), j.f.Close())
}
