package evidence

import (
	"maps"
	"slices"
)

// statement is what the entries of a log say, gathered for a verification.
type statement struct {
	batches map[uint64]*batch
	rows    []*Entry // batches of records, in order
	files   map[string]*claim
	gone    map[uint64][][2]uint32 // by batch: runs of indexes
	keys    map[string]*keyUse
	erased  map[int64]bool // record rows
	row     int64          // the last record row stated
	mark    int64
	last    uint64 // the highest batch
	marked  uint64 // the highest batch a file covers
	waiting int    // marks that are not in the log yet
}

// batch is one batch of events: what is stated, and what was found.
type batch struct {
	entry  int64
	n      int
	key    *keyUse
	root   Hash
	tags   []byte
	seen   []uint64 // bits
	left   int      // places not seen
	bad    bool     // some place holds something else
	leaves []Hash   // nil before the first, or when memory is short
}

func (b *batch) tag(i uint32) string { return string(b.tags[int(i)*TagSize : int(i+1)*TagSize]) }

// take marks a place as seen; false means that it was before.
func (b *batch) take(i uint32) bool {
	word, bit := i/64, uint64(1)<<(i%64)
	if b.seen == nil {
		b.seen = make([]uint64, (b.n+63)/64)
	}
	if b.seen[word]&bit != 0 {
		return false
	}
	b.seen[word] |= bit
	b.left--
	return true
}

func (b *batch) has(i uint32) bool {
	return b.seen != nil && b.seen[i/64]&(1<<(i%64)) != 0
}

// claim is what is stated about a file.
type claim struct {
	FileMark
	entry   int64
	retired bool // replaced or removed
	waiting bool // the statement is still on its way into the log
	skipped bool // the server replaced it before it could be read
}

// keyUse is a salt key as the log speaks of it.
type keyUse struct {
	id, sum string
	entry   int64 // first use
	erased  bool
	key     []byte // nil when it cannot be had
}

func newStatement() statement {
	return statement{batches: map[uint64]*batch{}, files: map[string]*claim{}, gone: map[uint64][][2]uint32{},
		keys: map[string]*keyUse{}, erased: map[int64]bool{}}
}

// readEntry takes one entry into account.
func (v *verifier) readEntry(index uint64, data []byte, unsigned bool) {
	at := int64(index)
	e, err := DecodeEntry(data)
	if err != nil {
		v.logFault("entry-form", at, "entry %d of the log cannot be read: %v", "日志的第 %d 条无法读取：%v", index, err)
		return
	}
	if !unsigned {
		v.report.Entries++
	}
	if (index == 0) != (e.Kind == KindGenesis) || e.Genesis != nil && e.Genesis.Key != v.report.Key {
		v.logFault("genesis", at, "entry %d of the log does not begin this log", "日志的第 %d 条不是本日志的起始条目", index)
	}
	switch e.Kind {
	case KindEvents:
		v.readBatch(at, e)
	case KindRecords:
		if e.First != v.book.row+1 {
			v.logFault("rows-order", at, "entry %d speaks of record row %d where row %d is due", "第 %d 条涉及记录行 %d，应为行 %d", index, e.First, v.book.row+1)
		}
		v.book.row = max(v.book.row, e.Last)
		v.book.rows = append(v.book.rows, e)
	case KindFile, KindGone, KindErase:
		if e.Mark != v.book.mark+1 {
			v.logFault("marks-order", at, "entry %d is mark %d where mark %d is due", "第 %d 条是标记 %d，应为标记 %d", index, e.Mark, v.book.mark+1)
		}
		v.book.mark = max(v.book.mark, e.Mark)
		v.book.state(e, at, false)
	}
}

func (v *verifier) readBatch(at int64, e *Entry) {
	s := &v.book
	if _, twice := s.batches[e.Seq]; twice {
		if !e.Again || e.Seq <= s.marked {
			v.logFault("batch-twice", at, "entry %d states batch %d of the event stream a second time after it was stored", "第 %d 条在事件批次 %d 存储之后再次陈述该批次", at, e.Seq)
			return
		}
		v.note(say("Batch %d of the event stream was logged twice, because a crash came before it was stored; the later content counts (entry %d).",
			"事件批次 %d 因崩溃发生在存储之前而被记录两次，以后者为准（第 %d 条）。", e.Seq, at))
	}
	use := s.keys[e.Key]
	if use == nil {
		use = &keyUse{id: e.Key, sum: e.KeySum, entry: at}
		s.keys[e.Key] = use
	}
	s.last = max(s.last, e.Seq)
	s.batches[e.Seq] = &batch{entry: at, n: e.N, left: e.N, key: use, root: Hash(e.Root), tags: e.Tags}
}

// state takes a mark into account.
func (s *statement) state(e *Entry, at int64, waiting bool) {
	switch e.Kind {
	case KindFile:
		s.files[e.File.Name] = &claim{FileMark: *e.File, entry: at, waiting: waiting}
		s.marked = max(s.marked, e.File.LastSeq)
		s.retire(e.File.Replaces)
	case KindGone:
		s.retire(e.Gone.Files)
		for _, run := range e.Gone.Events {
			s.gone[run[0]] = append(s.gone[run[0]], [2]uint32{uint32(run[1]), uint32(run[2])})
		}
	case KindErase:
		if use := s.keys[e.Erase.Key]; use != nil {
			use.erased = true
		}
		if e.Erase.Row != 0 {
			s.erased[e.Erase.Row] = true
		}
	}
}

func (s *statement) retire(names []string) {
	for _, name := range names {
		if c := s.files[name]; c != nil {
			c.retired = true
		}
	}
}

// isGone reports whether an event was removed for good.
func (s *statement) isGone(seq uint64, index uint32) bool {
	for _, run := range s.gone[seq] {
		if run[0] <= index && index <= run[1] {
			return true
		}
	}
	return false
}

// live lists the files that should be there, by their first batch.
func (s *statement) live() []*claim {
	var list []*claim
	for _, c := range s.files {
		if !c.retired {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *claim) int {
		if a.FirstSeq != b.FirstSeq {
			return int(min(a.FirstSeq, 1<<62)) - int(min(b.FirstSeq, 1<<62))
		}
		return int(a.entry - b.entry)
	})
	return list
}

// numbers lists the batches in order.
func (s *statement) numbers() []uint64 { return slices.Sorted(maps.Keys(s.batches)) }
