package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cordon-health/cordon/internal/evtx"
	"github.com/cordon-health/cordon/internal/jsonlines"
)

// eventLines are events as NDJSON, with where each line is from.
type eventLines struct {
	io.Reader
	unit  string
	seen  func(int64)
	lines int64

	log *logLines // of a Windows event log
}

// source tells what the events are written in.
func (t Trial) source() (*eventLines, error) {
	in := bufio.NewReaderSize(t.Events, 1<<16)
	head, err := in.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if evtx.Is(head) {
		l := readLog(in)
		return &eventLines{Reader: l.pipe, unit: "record", seen: t.Seen, log: l}, nil
	}
	r, err := jsonlines.NewReader(in)
	if err != nil {
		return nil, err
	}
	unit := "line"
	if !r.Lines() {
		unit = "event"
	}
	return &eventLines{Reader: r, unit: unit, seen: t.Seen}, nil
}

// Read implements [io.Reader].
func (e *eventLines) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	for _, c := range p[:n] {
		if c == '\n' {
			e.lines++
		}
	}
	if e.seen != nil {
		e.seen(e.lines)
	}
	return n, err
}

// line is where a line of NDJSON is from.
func (e *eventLines) line(n int) uint64 {
	if e.log != nil {
		return e.log.record(n)
	}
	return uint64(n)
}

// report adds what could not be read of a Windows event log.
func (e *eventLines) report(out *TriedRules) {
	if e.log == nil {
		return
	}
	r := e.log.done()
	out.Bad += r.Bad
	for _, f := range r.First {
		if f.Record != 0 {
			out.First = append(out.First, fmt.Sprintf("record %d at byte %d: %s", f.Record, f.Offset, f.Reason))
		} else {
			out.First = append(out.First, fmt.Sprintf("at byte %d: %s", f.Offset, f.Reason))
		}
	}
}

// Close ends reading early.
func (e *eventLines) Close() error {
	if e.log != nil {
		return e.log.pipe.Close()
	}
	return nil
}

// logLines is a Windows event log being read in a goroutine of its own, which
// ends with the file or with its reader.
type logLines struct {
	pipe  *io.PipeReader
	ended chan struct{}
	// report belongs to the goroutine until ended.
	result evtx.Report

	mu   sync.Mutex
	runs []run // of records whose numbers follow each other
	n    int
}

// run begins with the n-th line.
type run struct {
	n  int
	id uint64
}

func readLog(in io.Reader) *logLines {
	pr, pw := io.Pipe()
	l := &logLines{pipe: pr, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		out := bufio.NewWriterSize(pw, 1<<18)
		report, err := evtx.Scan(in, func(r evtx.Record) error {
			l.note(r.ID)
			if _, err := out.Write(r.JSON); err != nil {
				return err
			}
			return out.WriteByte('\n')
		})
		if flushed := out.Flush(); err == nil {
			err = flushed
		}
		l.result = report
		pw.CloseWithError(err)
	}()
	return l
}

func (l *logLines) note(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	if k := len(l.runs); k == 0 || l.runs[k-1].id+uint64(l.n-l.runs[k-1].n) != id {
		l.runs = append(l.runs, run{l.n, id})
	}
}

// record is the number of the record that became a line.
func (l *logLines) record(line int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := slices.BinarySearchFunc(l.runs, line, func(r run, n int) int { return r.n - n })
	if !found {
		i--
	}
	if i < 0 {
		return 0
	}
	return l.runs[i].id + uint64(line-l.runs[i].n)
}

// done ends reading and says how it went.
func (l *logLines) done() evtx.Report {
	_ = l.pipe.Close() // a pipe closes without an error
	<-l.ended
	return l.result
}
