package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cordon-health/cordon/ocsf"
)

const (
	leafBudget   = 8 << 20 // leaves held at once for full roots: 256 MiB
	movesTried   = 32      // faulty events for which another place is sought
	batchStripes = 256

	manifestTries = 3
)

// fileRun is the state shared by the goroutines that read files.
type fileRun struct {
	*verifier
	locks   [batchStripes]sync.Mutex // of batches, by seq
	leaves  atomic.Int64             // held now
	moves   atomic.Int64
	done    atomic.Int64 // files
	total   int64
	events  atomic.Int64
	erased  atomic.Int64
	waiting atomic.Int64
	roots   atomic.Int64
}

// checkFiles holds every file of the lake and every event in it against the
// log, and then asks for events that were in no file.
func (v *verifier) checkFiles() error {
	if err := v.checkManifest(); err != nil {
		return err
	}
	files := v.book.live()
	run := &fileRun{verifier: v, total: int64(len(files))}
	work := make(chan *claim)
	errs := make(chan error, runtime.GOMAXPROCS(0))
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for c := range work {
				if err := run.file(c); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	err := feed(work, files, errs)
	all.Wait()
	if err == nil && len(errs) > 0 {
		err = <-errs
	}
	v.report.Files, v.report.Events, v.report.ErasedEvents, v.report.Roots =
		int64(len(files)), run.events.Load(), run.erased.Load(), run.roots.Load()
	if err != nil {
		return err
	}
	v.report.WaitingEvents = run.waiting.Load()
	v.checkPlaces(files)
	return nil
}

// feed gives out the work until one worker fails.
func feed(work chan<- *claim, files []*claim, errs <-chan error) error {
	defer close(work)
	for _, c := range files {
		select {
		case work <- c:
		case err := <-errs:
			return err
		}
	}
	return nil
}

// checkManifest compares the lake's own list with the log's. A server that
// runs beside us may change both in between, so a difference counts only when
// it stays.
func (v *verifier) checkManifest() error {
	if v.src.Manifest == nil {
		return nil
	}
	for try := 1; ; try++ {
		list, err := v.src.Manifest(v.ctx)
		if err != nil {
			return fmt.Errorf("read manifest: %w", err)
		}
		if v.src.DB != nil {
			if err := v.readLaterMarks(v.head.Size); err != nil {
				return err
			}
		}
		if found := v.compareManifest(list); len(found) == 0 || try == manifestTries {
			for _, f := range found {
				v.faults.add(f)
			}
			return nil
		}
	}
}

func (v *verifier) compareManifest(list []FileMark) (found []Fault) {
	add := func(code, name, en, zh string) {
		found = append(found, Fault{Code: code, File: name, Text: say(en, zh, name), rank: rankManifest})
	}
	listed := map[string]bool{}
	for _, f := range list {
		listed[f.Name] = true
		c := v.book.files[f.Name]
		switch {
		case c == nil:
			add("file-unknown", f.Name, "file %s is in the manifest but not in the log: it was added", "文件 %s 在清单中但不在日志中：是后来添加的")
		case c.retired:
			add("file-retired", f.Name, "file %s is in the manifest although the log says it was replaced or removed", "文件 %s 仍在清单中，但日志记载其已被替换或删除")
		case c.SHA256 != f.SHA256 || c.Rows != f.Rows:
			add("manifest-changed", f.Name, "the manifest's line of file %s is not what the log states", "清单中文件 %s 的记录与日志不符")
		}
	}
	for _, c := range v.book.live() {
		if !listed[c.Name] {
			add("file-dropped", c.Name, "file %s is in the log but not in the manifest: it was dropped", "文件 %s 在日志中但不在清单中：已被去除")
		}
	}
	return found
}

func (v *verifier) fileFault(code, name, en, zh string, args ...any) {
	v.faults.add(Fault{Code: code, File: name, Text: say(en, zh, args...), rank: rankFile})
}

// file checks one file: its digest, and each of its rows.
func (r *fileRun) file(c *claim) error {
	f, err := r.src.File(r.ctx, c.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return r.missing(c)
	}
	if err != nil {
		return fmt.Errorf("open file %s: %w", c.Name, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return fmt.Errorf("read file %s: %w", c.Name, err)
	}
	same := hex.EncodeToString(h.Sum(nil)) == c.SHA256
	rows, broken := r.rows(c, f)
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if !same {
		r.fileFault("file-changed", c.Name, "file %s was changed: its SHA-256 is not the one in the log", "文件 %s 被更改：其 SHA-256 与日志不符", c.Name)
	}
	if broken != nil {
		r.fileFault("file-unreadable", c.Name, "file %s cannot be read after %d rows", "文件 %s 在第 %d 行之后无法读取", c.Name, rows)
	} else if same && rows != c.Rows {
		r.fileFault("file-rows", c.Name, "file %s has %d rows, the log states %d", "文件 %s 有 %d 行，日志记载为 %d 行", c.Name, rows, c.Rows)
	}
	r.progress(Progress{"files", r.done.Add(1), r.total})
	return nil
}

// missing judges a file that is not there: a server that runs beside us may
// have replaced it in the meantime.
func (r *fileRun) missing(c *claim) error {
	if c.waiting || r.replacedSince(c.Name) {
		c.skipped = true // read by nobody before all files are done
		return nil
	}
	r.fileFault("file-missing", c.Name, "file %s is missing", "文件 %s 缺失", c.Name)
	return nil
}

// rows checks the rows and says how many could be read.
func (r *fileRun) rows(c *claim, f File) (n int64, broken error) {
	makers := map[*keyUse]*leafer{}
	for row, err := range r.src.Rows(f, f.Size()) {
		if err != nil {
			return n, err
		}
		if r.ctx.Err() != nil {
			return n, nil
		}
		r.row(c, n, row, makers)
		n++
	}
	return n, nil
}

// row checks one event against its place in the log.
func (r *fileRun) row(c *claim, n int64, row Row, makers map[*keyUse]*leafer) {
	fault := Fault{Seq: row.Seq, Index: row.Index, Event: row.Event.Metadata.UID, File: c.Name, Row: n, rank: rankEvent}
	b := r.book.batches[row.Seq]
	if b == nil && c.waiting && row.Seq > r.book.last {
		r.waiting.Add(1) // newer than the signed part
		return
	}
	if b == nil {
		r.eventFault(fault, "event-unknown", "event %s (file %s, row %d) is not in the log: batch %d was never logged", "事件 %s（文件 %s，第 %d 行）不在日志中：批次 %d 从未记录", row.Seq)
		return
	}
	if int(row.Index) >= b.n {
		r.eventFault(fault, "event-added", "event %s (file %s, row %d) was added: batch %d has only %d events", "事件 %s（文件 %s，第 %d 行）是后来添加的：批次 %d 只有 %d 个事件", row.Seq, b.n)
		return
	}
	r.events.Add(1)
	if b.key.key == nil {
		r.erased.Add(1)
		r.placeErased(fault, b)
		return
	}
	maker := makers[b.key]
	if maker == nil {
		maker = &leafer{salter: newSalter(b.key.key)}
		makers[b.key] = maker
	}
	leaf := maker.leaf(row.Seq, row.Index, row.Event)
	good := string(leaf[:TagSize]) == b.tag(row.Index)
	if !good {
		r.wrong(fault, b, row.Event, maker)
	}
	r.place(fault, b, leaf, good)
}

func (r *fileRun) lock(seq uint64) *sync.Mutex {
	m := &r.locks[seq%batchStripes]
	m.Lock()
	return m
}

// placeErased counts an event whose salt was destroyed: only its file's digest
// speaks for it.
func (r *fileRun) placeErased(fault Fault, b *batch) {
	defer r.lock(fault.Seq).Unlock()
	if !b.take(fault.Index) {
		r.twice(fault)
	}
}

// place marks the event's place, and compares the root of a batch that is
// complete.
func (r *fileRun) place(fault Fault, b *batch, leaf Hash, good bool) {
	defer r.lock(fault.Seq).Unlock()
	if !b.take(fault.Index) {
		r.twice(fault)
		return
	}
	b.bad = b.bad || !good
	if b.leaves == nil && b.left == b.n-1 && r.leaves.Load() < leafBudget {
		b.leaves = make([]Hash, b.n)
		r.leaves.Add(int64(b.n))
	}
	if b.leaves == nil {
		return
	}
	b.leaves[fault.Index] = leaf
	if b.left > 0 {
		return
	}
	if !b.bad {
		r.roots.Add(1)
		if Root(b.leaves) != b.root {
			r.faults.add(Fault{Code: "batch-root", Seq: fault.Seq, rank: rankEvent,
				Text: say("the events of batch %d do not give its root", "批次 %d 的事件与其根不符", fault.Seq)})
		}
	}
	r.leaves.Add(-int64(b.n))
	b.leaves = nil
}

func (r *fileRun) twice(fault Fault) {
	r.eventFault(fault, "event-twice", "event %s (file %s, row %d) was added: its place (batch %d, index %d) is taken by another row", "事件 %s（文件 %s，第 %d 行）是后来添加的：其位置（批次 %d，序号 %d）已有另一行", fault.Seq, fault.Index)
}

// wrong names what happened to an event that does not match its tag: it
// belongs to another place of the same batch, or it was changed.
func (r *fileRun) wrong(fault Fault, b *batch, ev *ocsf.Event, maker *leafer) {
	if r.moves.Add(1) <= movesTried {
		for j := range uint32(b.n) {
			leaf := maker.leaf(fault.Seq, j, ev)
			if j != fault.Index && string(leaf[:TagSize]) == b.tag(j) {
				r.eventFault(fault, "event-moved", "event %s (file %s, row %d) was moved: it belongs to batch %d index %d", "事件 %s（文件 %s，第 %d 行）被移动：它属于批次 %d 序号 %d", fault.Seq, j)
				return
			}
		}
	}
	r.eventFault(fault, "event-changed", "event %s (file %s, row %d; batch %d index %d) was changed", "事件 %s（文件 %s，第 %d 行；批次 %d 序号 %d）被更改", fault.Seq, fault.Index)
}

// eventFault adds a fault whose text begins with event, file and row.
func (r *fileRun) eventFault(f Fault, code, en, zh string, more ...any) {
	f.Code, f.Text = code, say(en, zh, append([]any{f.Event, f.File, f.Row}, more...)...)
	r.faults.add(f)
}

// checkPlaces asks for what no file held.
func (v *verifier) checkPlaces(files []*claim) {
	if slices.ContainsFunc(files, func(c *claim) bool { return c.skipped }) {
		v.note(say("The server replaced files while they were being verified; verify again to have their events checked too.",
			"验证期间服务器替换了部分文件；请再次验证以检查其中的事件。"))
	}
	var last uint64
	for i, seq := range v.book.numbers() {
		b := v.book.batches[seq]
		v.report.Batches++
		if i > 0 && seq != last+1 {
			v.faults.add(Fault{Code: "batch-missing", Seq: last + 1, rank: rankEvent,
				Text: say("batches %d to %d of the event stream are not in the log", "事件批次 %d 至 %d 不在日志中", last+1, seq-1)})
		}
		last = seq
		for index := uint32(0); b.left > 0 && int(index) < b.n; index++ {
			if !b.has(index) {
				v.absent(seq, index, files)
			}
		}
	}
}

// absent judges an event that was in no file.
func (v *verifier) absent(seq uint64, index uint32, files []*claim) {
	switch {
	case v.book.isGone(seq, index):
		v.report.GoneEvents++
		return
	case seq > v.book.marked, covered(files, seq, func(c *claim) bool { return c.skipped }) != nil:
		v.report.WaitingEvents++
		return
	}
	f := Fault{Code: "event-missing", Seq: seq, Index: index, rank: rankEvent,
		Text: say("event seq %d index %d is missing", "事件（批次 %d 序号 %d）缺失", seq, index)}
	if name := onlyFile(files, seq); name != "" {
		f.File = name
		f.Text = say("event seq %d index %d is missing (from file %s)", "事件（批次 %d 序号 %d）缺失（应在文件 %s 中）", seq, index, name)
	}
	v.faults.add(f)
}

// covered finds a file that a batch may have events in.
func covered(files []*claim, seq uint64, such func(*claim) bool) *claim {
	for _, c := range files {
		if c.FirstSeq <= seq && seq <= c.LastSeq && such(c) {
			return c
		}
	}
	return nil
}

// onlyFile names the file that a batch must be in, when there is just one.
func onlyFile(files []*claim, seq uint64) string {
	first := covered(files, seq, func(*claim) bool { return true })
	if first == nil || covered(files, seq, func(c *claim) bool { return c != first }) != nil {
		return ""
	}
	return first.Name
}

// replacedSince looks whether the store or the log now says that a file was
// replaced or removed.
func (v *verifier) replacedSince(name string) bool {
	if v.src.DB == nil {
		return false
	}
	now := newStatement()
	now.files[name] = &claim{}
	fresh := &verifier{ctx: v.ctx, src: v.src, tiles: v.tiles, key: v.key, book: now}
	fresh.book.mark = v.book.mark
	if fresh.readLaterMarks(v.head.Size) != nil {
		return false
	}
	return fresh.book.files[name].retired
}
