package classify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/FastFilter/xorfilter"
	"github.com/dchest/siphash"
)

// Sighting is a patient as a message names them. What it does not say is empty.
type Sighting struct {
	// Numbers are those of the patient's record, by which the patient is known
	// again; IDs are numbers of the state.
	Numbers, IDs []string
	// Visits, Phones and Names with BirthDate belong to the patient, but others
	// may share them.
	Visits, Phones, Names []string
	BirthDate             string
	// Was is a number that became Numbers[0] when two records were merged.
	Was string
}

// PatientNews is what became known of patients after an index was built. Who
// uses the index sees it at once. It holds hashes only, as the index does.
//
// Patients keep their numbers: those of the index theirs, new ones get the next.
// What comes goes into a table that readers need no lock for; a full one becomes
// a filter and a table as compact as the index's. Each addition gives records,
// which the caller keeps; read again they give the same state.
type PatientNews struct {
	base *Patients
	now  atomic.Pointer[newsNow]

	mu      sync.Mutex // held by who adds
	next    uint32     // number of the next new patient
	entries int
	lengths [64]int64
}

// newsNow is the state that readers see. Its table is added to, all else is
// made anew.
type newsNow struct {
	table   *newsTable
	sealed  []newsSealed
	joined  map[uint32]uint32
	honey   map[uint32]bool
	crowded uint64
}

type newsSealed struct {
	filter xorfilter.BinaryFuse[uint8]
	table  hashTable
}

// Bounds of the news.
const (
	newsFull  = 1 << 20       // entries of a table before it is sealed
	mostNews  = 16 * newsFull // entries in all
	mostSeals = 16
)

// NewsLine is how many bytes each record has that Add gives.
const NewsLine = 24

// Kinds of records.
const (
	newsStrong = 1 // an identifier that tells patients apart
	newsWeak   = 2 // one that several may share
	newsJoined = 3 // two patients are one
)

// News begins to follow what becomes known from now on. It must be called
// before the index is used by others.
func (p *Patients) News() *PatientNews {
	n := &PatientNews{base: p, next: uint32(p.Len())}
	n.now.Store(&newsNow{table: newNewsTable(10), joined: map[uint32]uint32{}, honey: map[uint32]bool{}})
	p.news = n
	return n
}

// Len is how many patients are new, Entries how many identifiers.
func (n *PatientNews) Len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return int(n.next) - n.base.Len()
}

// Entries is how many identifiers are new.
func (n *PatientNews) Entries() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.entries
}

// Memory is about how many bytes the news hold.
func (n *PatientNews) Memory() int {
	s := n.now.Load()
	sum := len(s.table.slots) * 16
	for i := range s.sealed {
		sum += len(s.sealed[i].filter.Fingerprints) + s.sealed[i].table.memory()
	}
	return sum + 24*(len(s.joined)+len(s.honey))
}

// errManyNews says that only a new list helps.
var errManyNews = errors.New("the index of patients has learned as much as it can hold: import the list of patients again")

// newsEntry is one record.
type newsEntry struct {
	hash   uint64
	who    uint32
	time   uint32 // seconds
	kind   byte
	length byte // of a plain number
}

// Add learns from sightings. keep is given the records of what was not known,
// and is not called where all was; where it fails nothing is learned.
func (n *PatientNews) Add(all []Sighting, at int64, keep func([]byte) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := newsBatch{n: n, next: n.next, at: uint32(at / 1000), fresh: map[uint64]uint32{}}
	for i := range all {
		b.sighting(&all[i])
	}
	if len(b.out) == 0 {
		return nil
	}
	if n.entries+len(b.out) > mostNews {
		return errManyNews
	}
	var lines []byte
	for _, e := range b.out {
		lines = n.appendLine(lines, e)
	}
	if err := keep(lines); err != nil {
		return err
	}
	for _, e := range b.out {
		if err := n.learn(e); err != nil {
			return err
		}
	}
	n.crowd()
	return nil
}

// newsBatch finds what is new in sightings that come together.
type newsBatch struct {
	n     *PatientNews
	next  uint32
	at    uint32
	fresh map[uint64]uint32
	out   []newsEntry
}

func (b *newsBatch) find(h uint64) (uint32, bool) {
	if who, ok := b.fresh[h]; ok {
		return who, true
	}
	who, _, ok := b.n.base.find(h)
	return who, ok
}

func (b *newsBatch) sighting(s *Sighting) {
	all := b.identifiers(s)
	who, ok := b.known(all, newsStrong)
	if !ok && !slices.ContainsFunc(all, func(e newsEntry) bool { return e.kind == newsStrong }) {
		who, ok = b.known(all, newsWeak)
	}
	if !ok {
		if len(all) == 0 || b.next == maxPatients {
			return
		}
		who = b.next
		b.next++
	}
	for _, e := range all {
		if _, known := b.find(e.hash); !known {
			b.fresh[e.hash] = who
			e.who, e.time = who, b.at
			b.out = append(b.out, e)
		}
	}
	if h, ok := b.n.base.hash(classNumber, []byte(s.Was)); ok && s.Was != "" {
		b.join(h, who, byte(min(len(s.Was), 63)))
	}
}

// join makes the patient of a number another one.
func (b *newsBatch) join(h uint64, into uint32, length byte) {
	switch from, known := b.find(h); {
	case !known:
		b.fresh[h] = into
		b.out = append(b.out, newsEntry{hash: h, who: into, time: b.at, kind: newsStrong, length: length})
	case from != into:
		b.out = append(b.out, newsEntry{hash: uint64(from), who: into, time: b.at, kind: newsJoined})
	}
}

func (b *newsBatch) known(all []newsEntry, kind byte) (uint32, bool) {
	for _, e := range all {
		if e.kind == kind {
			if who, ok := b.find(e.hash); ok {
				return who, true
			}
		}
	}
	return 0, false
}

func (b *newsBatch) identifiers(s *Sighting) []newsEntry {
	var all []newsEntry
	take := func(kind byte, length int, h uint64, ok bool) {
		if ok && len(all) < 64 && !slices.ContainsFunc(all, func(e newsEntry) bool { return e.hash == h }) {
			all = append(all, newsEntry{hash: h, kind: kind, length: byte(min(length, 63))})
		}
	}
	p := b.n.base
	each := func(kind, class byte, values []string) {
		for _, v := range values {
			h, ok := p.hash(class, []byte(v))
			length := 0
			if class == classNumber {
				length = len(v)
			}
			take(kind, length, h, ok)
		}
	}
	each(newsStrong, classNumber, s.Numbers)
	each(newsStrong, classID, s.IDs)
	each(newsStrong, classNumber, slices.DeleteFunc(slices.Clone(s.IDs), residentLength))
	each(newsWeak, classNumber, s.Visits)
	each(newsWeak, classPhone, s.Phones)
	for _, name := range s.Names {
		h, ok := p.person([]byte(name), []byte(s.BirthDate))
		take(newsWeak, 0, h, ok)
	}
	return all
}

// residentLength says that a number of the state may be a resident identity
// number; others are looked up as plain numbers, too.
func residentLength(id string) bool { return len(id) == 15 || len(id) == 18 }

// learn makes one record known.
func (n *PatientNews) learn(e newsEntry) error {
	s := n.now.Load()
	if e.kind == newsJoined {
		next := *s
		next.joined = make(map[uint32]uint32, len(s.joined)+1)
		for from, into := range s.joined {
			next.joined[from] = into
		}
		next.join(uint32(e.hash), e.who)
		n.now.Store(&next)
		n.entries++
		return nil
	}
	if int(s.table.n) >= len(s.table.slots)*3/4 {
		next, err := s.larger()
		if err != nil {
			return err
		}
		n.now.Store(next)
		s = next
	}
	s.table.put(e.hash, e.who)
	n.lengths[e.length&63]++
	n.entries++
	n.next = max(n.next, e.who+1)
	return nil
}

// join keeps the chain flat, so that one look is enough.
func (s *newsNow) join(from, into uint32) {
	if last, ok := s.joined[into]; ok {
		into = last
	}
	if from == into {
		return
	}
	for a, b := range s.joined {
		if b == from {
			s.joined[a] = into
		}
	}
	s.joined[from] = into
}

// larger has room for more: a table of twice the size, or an empty one beside
// what was sealed.
func (s *newsNow) larger() (*newsNow, error) {
	next := *s
	if s.table.n < newsFull {
		next.table = newNewsTable(bits.Len(uint(len(s.table.slots))))
		for i := range s.table.slots {
			if h := s.table.slots[i].hash.Load(); h != 0 {
				next.table.put(h, s.table.slots[i].who)
			}
		}
		return &next, nil
	}
	all := make([]hashOf, 0, s.table.n)
	for i := range s.table.slots {
		if h := s.table.slots[i].hash.Load(); h != 0 {
			all = append(all, hashOf{h, s.table.slots[i].who})
		}
	}
	next.table = newNewsTable(10)
	return &next, next.seal(all)
}

// seal makes a compact table of entries.
func (s *newsNow) seal(all []hashOf) error {
	if len(s.sealed) == mostSeals {
		return errManyNews
	}
	slices.SortFunc(all, byHash)
	all = slices.CompactFunc(all, func(x, y hashOf) bool { return x.hash == y.hash })
	keys, most := make([]uint64, len(all)), uint32(1)
	for i, h := range all {
		keys[i], most = h.hash, max(most, h.who)
	}
	filter, err := xorfilter.NewBinaryFuse[uint8](keys)
	if err != nil {
		return fmt.Errorf("the filter of patients: %w", err)
	}
	sealed := newsSealed{filter: *filter}
	sealed.table.fill(all, bits.Len32(most))
	s.sealed = append(slices.Clip(s.sealed), sealed)
	return nil
}

// find looks for what the index does not know.
func (n *PatientNews) find(h uint64) (uint32, bool) {
	s := n.now.Load()
	if who, ok := s.table.find(h); ok {
		return who, true
	}
	for i := range s.sealed {
		x := &s.sealed[i]
		if !x.filter.Contains(h) {
			continue
		}
		at, end := x.table.bucket(h)
		if who, ok := x.table.find(h, at, end); ok {
			return who, true
		}
	}
	return 0, false
}

// settled is who a patient is after all merges, and whether that one is planted.
func (n *PatientNews) settled(who uint32) (uint32, bool) {
	s := n.now.Load()
	if into, ok := s.joined[who]; ok {
		return into, s.honey[into] || s.honey[who]
	}
	return who, s.honey[who]
}

// Plant says which record numbers are those of planted patients now, besides
// the planted ones of the index itself. They must have been added.
func (n *PatientNews) Plant(numbers []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := *n.now.Load()
	next.honey = map[uint32]bool{}
	for _, number := range numbers {
		if h, ok := n.base.hash(classNumber, []byte(number)); ok {
			if who, _, ok := n.base.find(h); ok {
				next.honey[who] = true
			}
		}
	}
	n.now.Store(&next)
}

// Honey is how many planted patients Plant named.
func (n *PatientNews) Honey() int { return len(n.now.Load().honey) }

// crowd finds lengths of numbers of which so many are patients' that any may be
// one by chance.
func (n *PatientNews) crowd() {
	crowded, most := uint64(0), 1.0
	for length, count := range n.lengths {
		if float64(count) > most/1000 {
			crowded |= 1 << length
		}
		most *= 10
	}
	if s := n.now.Load(); s.crowded != crowded {
		next := *s
		next.crowded = crowded
		n.now.Store(&next)
	}
}

// appendLine writes a record: hash, patient, time, kind and length, and a keyed
// sum of them.
func (n *PatientNews) appendLine(dst []byte, e newsEntry) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, e.hash)
	dst = binary.LittleEndian.AppendUint32(dst, e.who)
	dst = binary.LittleEndian.AppendUint32(dst, e.time)
	dst = append(dst, e.kind, e.length, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, n.sum(dst[at:]))
}

func (n *PatientNews) sum(line []byte) uint32 {
	return uint32(siphash.Hash(n.base.k1, ^n.base.k0, line))
}

// Load reads records that Add gave, over the same index. Damaged ones are left
// out and counted, an incomplete last one is not: it was being written when the
// machine stopped.
func (n *PatientNews) Load(r io.Reader) (damaged int, err error) {
	var all []newsEntry
	if all, damaged, err = n.read(r); err != nil {
		return damaged, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return damaged, n.learnAll(all)
}

// learnAll makes many records known; most of them in one compact table.
func (n *PatientNews) learnAll(all []newsEntry) error {
	if len(all) > newsFull/8 {
		next := *n.now.Load()
		hashes := make([]hashOf, 0, len(all))
		for _, e := range all {
			if e.kind != newsJoined {
				hashes = append(hashes, hashOf{e.hash, e.who})
				n.lengths[e.length&63]++
				n.entries++
				n.next = max(n.next, e.who+1)
			}
		}
		if err := next.seal(hashes); err != nil {
			return err
		}
		n.now.Store(&next)
		all = slices.DeleteFunc(all, func(e newsEntry) bool { return e.kind != newsJoined })
	}
	for _, e := range all {
		if err := n.learn(e); err != nil {
			return err
		}
	}
	n.crowd()
	return nil
}

func (n *PatientNews) read(r io.Reader) (all []newsEntry, damaged int, err error) {
	for line := make([]byte, NewsLine); ; {
		_, err := io.ReadFull(r, line)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return all, damaged, nil
		}
		if err != nil {
			return nil, damaged, fmt.Errorf("read what became known of patients: %w", err)
		}
		e := newsEntry{hash: binary.LittleEndian.Uint64(line), who: binary.LittleEndian.Uint32(line[8:]), time: binary.LittleEndian.Uint32(line[12:]), kind: line[16], length: line[17]}
		if n.sum(line[:NewsLine-4]) != binary.LittleEndian.Uint32(line[NewsLine-4:]) || e.who >= maxPatients {
			damaged++
			continue
		}
		if len(all) == mostNews {
			return nil, damaged, errManyNews
		}
		all = append(all, e)
	}
}

// Take learns the records of an index that this one replaced, which had so many
// patients, as far as they are not older than since: what came in the last
// weeks may be missing in the new list, what is older and missing was left out
// on purpose. It gives the records to keep. Of patients of the old index only
// what a record number or identity number tells is taken.
func (n *PatientNews) Take(r io.Reader, had int, since int64) (lines []byte, err error) {
	all, _, err := n.read(r)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	to := map[uint32]uint32{}
	for _, e := range all {
		if e.kind == newsStrong {
			if who, _, ok := n.base.find(e.hash); ok {
				to[e.who] = who
			}
		}
	}
	next := n.next
	var kept []newsEntry
	for _, e := range all {
		if e.kind == newsJoined || int64(e.time) < since/1000 {
			continue
		}
		who, ok := to[e.who]
		if !ok {
			if int(e.who) < had {
				continue
			}
			who, next = next, next+1
			to[e.who] = who
		}
		if _, _, known := n.base.find(e.hash); !known {
			e.who = who
			kept = append(kept, e)
			lines = n.appendLine(lines, e)
		}
	}
	return lines, n.learnAll(kept)
}

// newsTable finds hashes without a lock while one writer adds: a place is
// written before the hash that shows it.
type newsTable struct {
	slots []newsSlot
	n     uint32
}

type newsSlot struct {
	hash atomic.Uint64 // 0: free
	who  uint32
}

func newNewsTable(logarithm int) *newsTable {
	return &newsTable{slots: make([]newsSlot, 1<<logarithm)}
}

func (t *newsTable) put(h uint64, who uint32) {
	for i := h; ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		switch s.hash.Load() {
		case h:
			return
		case 0:
			s.who = who
			s.hash.Store(h)
			t.n++
			return
		}
	}
}

func (t *newsTable) find(h uint64) (uint32, bool) {
	for i := h; ; i++ {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		switch s.hash.Load() {
		case h:
			return s.who, h != 0
		case 0:
			return 0, false
		}
	}
}
