package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/node"
	"github.com/cordon-health/cordon/normalize"
)

type importCmd struct {
	target
	Format  string   `help:"One of: ${formats}." required:"" placeholder:"NAME"`
	Mapping string   `help:"Mapping for json and csv: a file, or the name of one that the server knows (such as his-audit)." placeholder:"FILE"`
	Source  string   `help:"Name on the Sources page." placeholder:"NAME"`
	JSON    bool     `help:"Print the counts as JSON." name:"json"`
	Files   []string `arg:"" help:"Files; - is standard input; .gz and .zst are opened; a folder stands for its files." name:"file"`
}

// formatNames are all formats of import.
func formatNames() []string {
	var names []string
	for _, f := range normalize.Formats() {
		names = append(names, f.Name)
	}
	return append(names, api.ImportKinds()...)
}

// mapped says whether a format needs a mapping.
func mapped(format string) bool {
	return slices.ContainsFunc(normalize.Formats(), func(f normalize.Format) bool { return f.Name == format && f.Mapped })
}

// counts is how an import went.
type counts struct {
	Read        int64 `json:"read"`
	Accepted    int64 `json:"accepted"`
	Duplicate   int64 `json:"duplicate"`
	Quarantined int64 `json:"quarantined"`
}

func (c *counts) add(o counts) {
	c.Read, c.Accepted = c.Read+o.Read, c.Accepted+o.Accepted
	c.Duplicate, c.Quarantined = c.Duplicate+o.Duplicate, c.Quarantined+o.Quarantined
}

// Run imports the files one after another.
func (c *importCmd) Run(w *world) error {
	if !slices.Contains(formatNames(), c.Format) {
		return usage{fmt.Errorf("no format %q; there are %s", c.Format, strings.Join(formatNames(), ", "))}
	}
	if c.Mapping == "" && mapped(c.Format) {
		return usage{fmt.Errorf("format %s needs --mapping: a file, or the name of one that comes along, such as his-audit", c.Format)}
	}
	files, err := expand(c.Files)
	if err != nil {
		return err
	}
	if c.Source == "" {
		c.Source = "import-" + c.Format
	}
	var total counts
	if err := c.make(); err != nil {
		return err
	}
	err = c.with(w, func(s *session) error {
		if err := c.sendMapping(w.ctx, s); err != nil {
			return err
		}
		if c.Format == "sigma" {
			total, err = c.rules(w, s, files)
			return err
		}
		for _, name := range files {
			n, err := c.file(w, s, name)
			total.add(n)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	if c.JSON {
		return errors.Join(err, json.NewEncoder(w.out).Encode(total))
	}
	fmt.Fprintf(w.out, "read %d, accepted %d, duplicate %d, quarantined %d\n", total.Read, total.Accepted, total.Duplicate, total.Quarantined)
	if total.Quarantined > 0 {
		fmt.Fprintln(w.err, "see what was set aside, and why: cordon quarantine list")
	}
	return err
}

// rules sends rule files together, so that they keep their names.
func (c *importCmd) rules(w *world, s *session, files []string) (counts, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, name := range files {
		data, err := readFile(w, name)
		if err != nil {
			return counts{}, err
		}
		base := filepath.Base(name)
		if name == "-" {
			base = "rule.yml"
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: base, Mode: 0o600, Size: int64(len(data))}
		if err := errors.Join(t.WriteHeader(h), writeAll(t, data)); err != nil {
			return counts{}, err
		}
	}
	if err := t.Close(); err != nil {
		return counts{}, err
	}
	return c.list(w, s, &b)
}

func writeAll(w io.Writer, data []byte) error {
	_, err := w.Write(data)
	return err
}

// sendMapping hands a mapping file to the server; from then on it has a name.
func (c *importCmd) sendMapping(ctx context.Context, s *session) error {
	data, err := os.ReadFile(c.Mapping)
	if c.Mapping == "" || errors.Is(err, fs.ErrNotExist) && filepath.Base(c.Mapping) == c.Mapping {
		return nil // a name
	}
	if err != nil {
		return usage{err}
	}
	c.Mapping = node.MappingName(data)
	return s.pour(ctx, io.Discard, "POST", "/api/v1/import/mapping", bytes.NewReader(data))
}

// expand replaces folders by the files in them, in order of their names.
func expand(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || err == nil && !info.IsDir() {
			all = append(all, name)
			continue
		}
		if err != nil {
			return nil, usage{err}
		}
		err = filepath.WalkDir(name, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, usage{errors.New("no files there")}
	}
	return all, nil
}

func (c *importCmd) file(w *world, s *session, name string) (counts, error) {
	r, bar, err := openInput(w, name)
	if err != nil {
		return counts{}, err
	}
	defer bar.end()
	defer r.Close()
	if slices.Contains(api.ImportKinds(), c.Format) {
		return c.list(w, s, r)
	}
	return c.events(w, s, r, bar)
}

// list sends a list of people, shifts, tickets, watched patients or rules.
func (c *importCmd) list(w *world, s *session, r io.Reader) (counts, error) {
	type answer struct {
		Read, Accepted, Duplicate, Quarantined int64
		Warnings                               []string
	}
	a, err := get[answer](s, w.ctx, "POST", "/api/v1/import/"+c.Format, r)
	for _, text := range a.Warnings {
		fmt.Fprintln(w.err, "warning:", text)
	}
	return counts{a.Read, a.Accepted, a.Duplicate, a.Quarantined}, err
}

const (
	sendBytes   = 1 << 20
	sendRecords = 1000
)

// events sends records in parts, and at the end asks how many were repeats.
func (c *importCmd) events(w *world, s *session, r io.Reader, bar *progress) (counts, error) {
	var n counts
	before, err := c.tally(w.ctx, s)
	var d denied
	blind := errors.As(err, &d) // a sender may not see the list of sources
	if err != nil && !blind {
		return n, err
	}
	part := newPart(c.Format)
	send := func() error {
		if part.records == 0 {
			return nil
		}
		got, err := c.post(w.ctx, s, part.body())
		n.Read += int64(part.records)
		n.Accepted += got.Accepted
		n.Quarantined += got.Rejected
		part = newPart(c.Format)
		bar.note(n.Read)
		return err
	}
	for rec, err := range normalize.New(normalize.Options{}).Records(c.Format, r) {
		if err != nil {
			return n, errors.Join(err, send())
		}
		part.add(rec.Data)
		if part.records >= sendRecords || part.size >= sendBytes {
			if err := send(); err != nil {
				return n, err
			}
		}
	}
	if err := send(); err != nil {
		return n, err
	}
	if blind {
		fmt.Fprintln(w.err, "duplicates are counted as accepted: this token's role may not see what became of them")
	} else {
		n.Duplicate, err = c.settled(w.ctx, s, before, n.Accepted)
	}
	n.Accepted -= n.Duplicate
	if made := n.Accepted + n.Duplicate + n.Quarantined; made != n.Read {
		fmt.Fprintf(w.err, "%d records made %d events\n", n.Read, made)
		n.Read = made // the four counts add up
	}
	return n, err
}

type taken struct {
	Accepted int64 `json:"accepted"`
	Rejected int64 `json:"rejected"`
}

// post sends one part, again while the server is out of room.
func (c *importCmd) post(ctx context.Context, s *session, body []byte) (taken, error) {
	path := "/api/v1/events?" + url.Values{"format": {c.Format}, "source": {c.Source}, "mapping": {c.Mapping}}.Encode()
	return get[taken](s, ctx, "POST", path, bytes.NewReader(body))
}

// tally is what the server has done with our source so far. OCSF events name
// their sources themselves, so all count there.
func (c *importCmd) tally(ctx context.Context, s *session) (api.Source, error) {
	list, err := get[[]api.Source](s, ctx, "GET", "/api/v1/sources", nil)
	var sum api.Source
	for _, x := range list {
		if x.Name == c.Source || c.Format == "ocsf" {
			sum.Stored, sum.Repeated = sum.Stored+x.Stored, sum.Repeated+x.Repeated
		}
	}
	return sum, err
}

// stalled is how long an import waits without any progress.
const stalled = time.Minute

// settled waits until what was sent has been worked on and returns how many
// events were known already.
func (c *importCmd) settled(ctx context.Context, s *session, before api.Source, accepted int64) (int64, error) {
	last, since := int64(-1), time.Duration(0)
	const step = 50 * time.Millisecond
	for {
		now, err := c.tally(ctx, s)
		if err != nil {
			return 0, err
		}
		done := now.Stored + now.Repeated - before.Stored - before.Repeated
		if done >= accepted {
			return now.Repeated - before.Repeated, nil
		}
		if since += step; done != last {
			last, since = done, 0
		}
		if since > stalled {
			return 0, fmt.Errorf("%d of %d events were not worked on for a minute; everything is kept and will be: see the server's log, then run the same import again", accepted-done, accepted)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(step):
		}
	}
}

// part gathers records for one request, in a form that the format reads as
// many.
type part struct {
	separator []byte
	csv       bool
	buf       []byte
	size      int
	records   int
}

func newPart(format string) *part {
	p := &part{separator: []byte("\n"), csv: format == "csv"}
	if format == "hl7v2" {
		p.separator = []byte("\n\n")
	}
	return p
}

// add adds a record. A record of CSV comes with its header, which is kept
// once.
func (p *part) add(rec []byte) {
	if p.csv && p.records > 0 {
		_, rec, _ = bytes.Cut(rec, []byte("\n"))
	}
	p.buf = append(append(p.buf, bytes.TrimRight(rec, "\n")...), p.separator...)
	p.size += len(rec)
	p.records++
}

func (p *part) body() []byte { return p.buf }

// openInput opens a file, standard input, or what is compressed in it.
func openInput(w *world, name string) (io.ReadCloser, *progress, error) {
	var src io.ReadCloser = io.NopCloser(w.in)
	size := int64(-1)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, err
		}
		src = f
		if info, err := f.Stat(); err == nil {
			size = info.Size()
		}
	}
	bar := newProgress(w, name, size)
	r, err := decompress(name, bar.reader(src))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", name, err), src.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{r, src}, bar, nil
}

func decompress(name string, r io.Reader) (io.Reader, error) {
	switch filepath.Ext(name) {
	case ".gz":
		return gzip.NewReader(r)
	case ".zst":
		return zstd.NewReader(r)
	}
	return r, nil
}
