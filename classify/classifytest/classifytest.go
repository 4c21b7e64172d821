// Package classifytest is the suite of the readers of formats: what each has
// to do with good files and with hostile ones. It gives [Read], which reads a
// file and keeps all that comes, and [Hostile], which cuts a good file short
// and changes its bytes and expects the reader to end without a panic, within
// bounds.
//
// It owns no files. Tests alone call it.
package classifytest

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/cordon-health/cordon/classify"
)

// Recording is what a reader gave.
type Recording struct {
	Parts   []classify.Part
	Members []Member
	Gaps    []Gap
	// Err is what Read returned.
	Err error
}

// Member is a file inside the file, as far as it could be read.
type Member struct {
	Name string
	Data []byte
	Err  error
}

// Gap is what could not be read.
type Gap struct {
	Path string
	Why  error
}

// recorder keeps everything up to a bound.
type recorder struct {
	Recording
	bytes int
}

// recordedMost bounds what is kept.
const recordedMost = 64 << 20

func (r *recorder) Part(p classify.Part) error {
	if r.bytes += len(p.Text) + len(p.Path) + len(p.Field); r.bytes < recordedMost {
		p.Text = bytes.Clone(p.Text)
		r.Parts = append(r.Parts, p)
	}
	return nil
}

func (r *recorder) Member(name string, in io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(in, recordedMost/4))
	if r.bytes += len(data); r.bytes < recordedMost {
		r.Members = append(r.Members, Member{name, data, err})
	}
	return nil
}

func (r *recorder) Unread(path string, why error) { r.Gaps = append(r.Gaps, Gap{path, why}) }

// Read reads a file in memory.
func Read(reader classify.Reader, name string, data []byte) Recording {
	var r recorder
	r.Err = reader.Read(context.Background(), classify.BytesSource(name, data), &r)
	return r.Recording
}

// Part finds the first part of a path; the zero value where there is none.
func (r Recording) Part(path string) classify.Part {
	for _, p := range r.Parts {
		if p.Path == path {
			return p
		}
	}
	return classify.Part{}
}

// Field finds the texts of a field, in order.
func (r Recording) Field(field string) []string {
	var all []string
	for _, p := range r.Parts {
		if p.Field == field {
			all = append(all, string(p.Text))
		}
	}
	return all
}

// Text is all parts, one a line.
func (r Recording) Text() string {
	var b bytes.Buffer
	for _, p := range r.Parts {
		b.Write(p.Text)
		b.WriteByte('\n')
	}
	return b.String()
}

// Hostile reads a good file cut short at many places and with bytes changed.
// A panic fails the test by itself; so does a file that grows what is read
// beyond all bounds.
func Hostile(t *testing.T, reader classify.Reader, name string, good []byte) {
	t.Helper()
	step := max(len(good)/48, 1)
	for cut := 0; cut < len(good); cut += step {
		Read(reader, name, good[:cut])
	}
	for at := 0; at < len(good); at += max(len(good)/96, 1) {
		for _, b := range []byte{0, 0xFF, good[at] ^ 0x20} {
			bad := bytes.Clone(good)
			bad[at] = b
			Read(reader, name, bad)
		}
	}
}

// Fuzz lets a fuzzer look for a panic or an endless reading.
func Fuzz(f *testing.F, reader classify.Reader, name string, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if reader.Claims(name, data[:min(len(data), 4096)]) {
			Read(reader, name, data)
		}
	})
}
