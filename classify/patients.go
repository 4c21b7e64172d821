package classify

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"

	"github.com/FastFilter/xorfilter"
	"github.com/dchest/siphash"

	"github.com/cordon-health/cordon/internal/keyed"
)

// Patient is one person of the hospital's own index, as it is built from. What
// is empty is left out.
type Patient struct {
	MRN, ResidentID, Phone string
	// Name and BirthDate (2006-01-02) together are one identifier.
	Name, BirthDate string
	// Others are any further numbers: admissions, cards, passports.
	Others []string
	// Honey patients were planted: no honest person asks for them.
	Honey bool
}

// Patients answers whether a value belongs to one of the hospital's own
// patients. It holds no identifier: of each, some bits of its SipHash under a
// key derived from the site's, which without that key are noise.
//
// A look-up asks a binary fuse filter, which says no to 255 of 256 strangers,
// and then one of two tables of hashes, which says no to all but one of two
// thousand million of the rest of them. Patients are numbered in the order of
// the first table, which therefore need not store the number; the second has
// their further identifiers. It never changes once built; what becomes known
// later stands beside it (see PatientNews). It is safe for concurrent use.
type Patients struct {
	k0, k1 uint64
	mac    [32]byte // key of the file's seal
	filter xorfilter.BinaryFuse[uint8]
	first  hashTable // one hash for each patient
	more   hashTable // the others, with the patient's number
	honey  []byte    // a bit for each patient
	// crowded has a bit for each length of plain numbers that are so many among
	// those there are that any number may be one by chance.
	crowded uint64
	news    *PatientNews // what came since; nil where nothing follows it
}

// maxPatients bounds an index.
const maxPatients = 1 << 28

// The classes of identifiers: values of two classes never meet.
const (
	classNumber = 'n'
	classID     = 'i'
	classPhone  = 'p'
	classPerson = 'b'
)

// BuildPatients makes an index. It keeps 12 bytes of each identifier while it
// builds; what the sequence gives is not kept.
func BuildPatients(key keyed.Key, each iter.Seq[Patient]) (*Patients, error) {
	p := newPatients(key)
	b := patientsBuilder{index: p}
	for person := range each {
		if b.people == maxPatients {
			return nil, fmt.Errorf("an index holds at most %d patients", maxPatients)
		}
		b.add(&person)
	}
	return p, b.finish()
}

func newPatients(key keyed.Key) *Patients {
	p := new(Patients)
	sip := sha256.Sum256(append([]byte("cordon patients hash\x00"), key[:]...))
	p.k0, p.k1 = binary.LittleEndian.Uint64(sip[:]), binary.LittleEndian.Uint64(sip[8:])
	p.mac = sha256.Sum256(append([]byte("cordon patients seal\x00"), key[:]...))
	return p
}

// patientsBuilder gathers hashes.
type patientsBuilder struct {
	index       *Patients
	people      uint32
	first, more []hashOf
	honey       []uint32
	lengths     [64]int64 // of plain numbers
}

// hashOf is the hash of one identifier of one patient.
type hashOf struct {
	hash uint64
	who  uint32
}

func (b *patientsBuilder) add(p *Patient) {
	hashes := b.hashes(p)
	if len(hashes) == 0 {
		return
	}
	b.first = append(b.first, hashOf{hashes[0], b.people})
	for _, h := range hashes[1:] {
		b.more = append(b.more, hashOf{h, b.people})
	}
	if p.Honey {
		b.honey = append(b.honey, b.people)
	}
	b.people++
}

func (b *patientsBuilder) hashes(p *Patient) []uint64 {
	var out []uint64
	take := func(h uint64, ok bool) {
		if ok && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	for _, n := range append([]string{p.MRN}, p.Others...) {
		take(b.index.hash(classNumber, []byte(n)))
		if n := len(n); n < len(b.lengths) && n > 0 {
			b.lengths[n]++
		}
	}
	take(b.index.hash(classID, []byte(p.ResidentID)))
	if !residentLength(p.ResidentID) {
		take(b.index.hash(classNumber, []byte(p.ResidentID)))
	}
	take(b.index.hash(classPhone, []byte(p.Phone)))
	take(b.index.person([]byte(p.Name), []byte(p.BirthDate)))
	return out
}

// finish sorts the hashes, numbers the patients and fills the tables.
func (b *patientsBuilder) finish() error {
	p := b.index
	slices.SortFunc(b.first, byHash)
	number := make([]uint32, b.people) // by the order in which they came
	last := -1
	for i, h := range b.first {
		if i == 0 || h.hash != b.first[last].hash {
			last++
			b.first[last] = h
		}
		number[h.who] = uint32(last)
	}
	b.first = b.first[:last+1]
	for i := range b.more {
		b.more[i].who = number[b.more[i].who]
	}
	slices.SortFunc(b.more, byHash)
	b.more = slices.CompactFunc(b.more, func(x, y hashOf) bool { return x.hash == y.hash })
	p.honey = make([]byte, (len(b.first)+7)/8)
	for _, h := range b.honey {
		p.honey[number[h]/8] |= 1 << (number[h] % 8)
	}
	most := 1.0
	for n, count := range b.lengths {
		if float64(count) > most/1000 {
			p.crowded |= 1 << n
		}
		most *= 10
	}
	p.first.fill(b.first, 0)
	p.more.fill(b.more, max(1, bits.Len(uint(len(b.first)))))
	return b.filter()
}

func byHash(a, b hashOf) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.who, b.who)) }

func (b *patientsBuilder) filter() error {
	keys := make([]uint64, 0, len(b.first)+len(b.more))
	for _, h := range b.first {
		keys = append(keys, h.hash)
	}
	for _, h := range b.more {
		keys = append(keys, h.hash)
	}
	b.first, b.more = nil, nil
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) == 0 {
		return nil
	}
	filter, err := xorfilter.NewBinaryFuse[uint8](keys)
	if err != nil {
		return fmt.Errorf("the filter of patients: %w", err)
	}
	b.index.filter = *filter
	return nil
}

// Owns says whether a text is a number of a patient's, whatever kind of number
// that may be.
func (p *Patients) Owns(value []byte) bool {
	for _, kind := range [...]Kind{MRN, ResidentID, Mobile} {
		if _, _, ok := p.Match(kind, value); ok {
			return true
		}
	}
	return false
}

// Len is how many patients there were when it was built.
func (p *Patients) Len() int { return p.first.n }

// Memory is about how many bytes the index holds.
func (p *Patients) Memory() int {
	return len(p.filter.Fingerprints) + p.first.memory() + p.more.memory() + len(p.honey)
}

// Match says whose identifier a value of a kind is: the patient's number, the
// same for all of their identifiers, and whether the patient was planted.
func (p *Patients) Match(kind Kind, value []byte) (who uint32, honey, ok bool) {
	class := classOf(kind)
	if class == 0 {
		return 0, false, false
	}
	h, ok := p.hash(class, value)
	if !ok {
		return 0, false, false
	}
	return p.find(h)
}

// classOf is the class of a kind's values; 0 of what no patient is known by
// alone.
func classOf(kind Kind) byte {
	switch kind {
	case ResidentID, ResidentID15, ResidencePermit:
		return classID
	case Mobile, Phone, Fax:
		return classPhone
	case Name, Address, Date, BirthDate, Age, Organization, Email, URL, IP, MAC, Condition, Unread:
		return 0
	}
	return classNumber
}

// MatchPerson says whose name and date of birth these are.
func (p *Patients) MatchPerson(name, birth []byte) (who uint32, honey, ok bool) {
	h, ok := p.person(name, birth)
	if !ok {
		return 0, false, false
	}
	return p.find(h)
}

// matchAlone is Match for a number that no label says anything of: only
// numbers long enough that hitting one by chance is rare.
func (p *Patients) matchAlone(value []byte) bool {
	if len(value) < 7 || len(value) >= 64 || p.crowded>>len(value)&1 != 0 {
		return false
	}
	if p.news != nil && p.news.now.Load().crowded>>len(value)&1 != 0 {
		return false
	}
	_, _, ok := p.Match(MRN, value)
	return ok
}

func (p *Patients) find(h uint64) (who uint32, honey, ok bool) {
	if who, ok = p.findBuilt(h); !ok && p.news != nil {
		who, ok = p.news.find(h)
	}
	if !ok {
		return 0, false, false
	}
	who, honey = p.settled(who)
	return who, honey, true
}

func (p *Patients) findBuilt(h uint64) (who uint32, ok bool) {
	if len(p.filter.Fingerprints) == 0 || !p.filter.Contains(h) {
		return 0, false
	}
	at, end := p.first.bucket(h)
	if who, ok = p.first.find(h, at, end); ok {
		return who, true
	}
	at, end = p.more.bucket(h)
	return p.more.find(h, at, end)
}

// settled is the number a patient has after merges, and whether they were
// planted.
func (p *Patients) settled(who uint32) (uint32, bool) {
	honey := int(who/8) < len(p.honey) && p.honey[who/8]>>(who%8)&1 != 0
	if p.news == nil {
		return who, honey
	}
	who, also := p.news.settled(who)
	return who, honey || also
}

// together is how many look-ups wait for memory at once.
const together = 64

// MatchAll is Match for many values of a kind at once, a column's: it waits
// for memory for all of some dozens together, and is several times as fast
// where the index is larger than the processor's cache. found is called for
// those that are patients', with the place among values.
func (p *Patients) MatchAll(kind Kind, values [][]byte, found func(i int, who uint32, honey bool)) {
	class := classOf(kind)
	if class == 0 {
		return
	}
	none := len(p.filter.Fingerprints) == 0
	var hash [together]uint64
	var place, at, end [together]uint32
	for begun := 0; begun < len(values); begun += together {
		n := 0
		for i, v := range values[begun:min(begun+together, len(values))] {
			if h, ok := p.hash(class, v); ok {
				hash[n], place[n] = h, uint32(begun+i)
				n++
			}
		}
		passed := 0
		for i := range n {
			h, k := hash[i], place[i]
			hash[passed], place[passed] = h, k
			if !none && p.filter.Contains(h) {
				passed++
			} else {
				p.matchNews(h, k, found)
			}
		}
		n = passed
		for _, t := range []*hashTable{&p.first, &p.more} {
			n = p.matchPassed(t, hash[:n], place[:n], at[:n], end[:n], found)
		}
		for i := range n {
			p.matchNews(hash[i], place[i], found)
		}
	}
}

func (p *Patients) matchNews(h uint64, place uint32, found func(i int, who uint32, honey bool)) {
	if p.news == nil {
		return
	}
	if who, ok := p.news.find(h); ok {
		who, honey := p.settled(who)
		found(int(place), who, honey)
	}
}

// matchPassed looks up what passed the filter in one table, and keeps what is
// not there.
func (p *Patients) matchPassed(t *hashTable, hash []uint64, place, at, end []uint32, found func(i int, who uint32, honey bool)) int {
	for i, h := range hash {
		at[i], end[i] = t.bucket(h)
	}
	var entry [together]uint64
	for i := range hash {
		entry[i] = t.entry(at[i])
	}
	left := 0
	for i, h := range hash {
		who, ok := t.findFrom(h, entry[i], at[i], end[i])
		if ok {
			who, honey := p.settled(who)
			found(int(place[i]), who, honey)
		} else {
			hash[left], place[left] = h, place[i]
			left++
		}
	}
	return left
}

// hash is the keyed hash of a value's normal form; false where it has none.
func (p *Patients) hash(class byte, value []byte) (uint64, bool) {
	var room [80]byte
	room[0] = class
	text := plainNumber(room[:1], value)
	switch class {
	case classID:
		text = longID(text)
	case classPhone:
		text = localPhone(text)
	}
	if len(text) < 4 {
		return 0, false
	}
	return siphash.Hash(p.k0, p.k1, text), true
}

// plainNumber appends the letters, in upper case, and the digits of a number,
// of any width, as far as there is room.
func plainNumber(dst, value []byte) []byte {
	if len(value) <= 24 && plainAlready(value) {
		return append(dst, value...)
	}
	for i := 0; i < len(value) && len(dst) < cap(dst); {
		c, size := narrow(value, i)
		if size == 0 {
			if c = value[i]; c >= 0x80 {
				dst = append(dst, c)
			}
			i++
			continue
		}
		if i += size; wordByte(c) {
			if c >= 'a' {
				c &^= 0x20
			}
			dst = append(dst, c)
		}
	}
	return dst
}

// plainAlready says whether a value is digits and capital letters alone.
func plainAlready(value []byte) bool {
	i := 0
	for ; i+8 <= len(value); i += 8 {
		if x := load(value, i); (digitMask(x)|letterMask(x)&^(x<<2))&tops != tops {
			return false
		}
	}
	for ; i < len(value); i++ {
		if !digit(value[i]) && !upper(value[i]) {
			return false
		}
	}
	return true
}

// longID makes the 15 digits of an old identity number, behind its class, the
// 18 characters that replaced it.
func longID(text []byte) []byte {
	if len(text) != 16 {
		return text
	}
	text = append(text, "    "[:3]...)[:19]
	copy(text[9:], text[7:16])
	text[7], text[8] = '1', '9'
	weights := [17]byte{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(w) * int(text[1+i]-'0')
	}
	text[18] = "10X98765432"[(sum%11+11)%11]
	return text
}

// localPhone drops the country's code and leading zeros of a telephone number
// behind its class.
func localPhone(text []byte) []byte {
	digits := text[1:]
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	if len(digits) > 11 && digits[0] == '8' && digits[1] == '6' || len(digits) == 13 && string(digits[:2]) == "86" {
		digits = digits[2:]
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	return text[:1+copy(text[1:], digits)]
}

// person is the keyed hash of a name and a date of birth.
func (p *Patients) person(name, birth []byte) (uint64, bool) {
	var room [144]byte
	room[0] = classPerson
	text := room[:1]
	for i := 0; i < len(name) && len(text) < 128; i++ {
		if c := name[i]; letter(c) {
			text = append(text, folded(c))
		} else if c >= 0x80 && !(c == 0xC2 && byteAt(name, i+1) == 0xB7) && !(c == 0xB7 && i > 0 && name[i-1] == 0xC2) {
			text = append(text, c)
		}
	}
	if len(text) < 4 {
		return 0, false
	}
	year, month, day := dayOf(birth)
	if !calendar(year, month, day) || year < 1000 || year > 9999 {
		return 0, false
	}
	text = append(text, 0, byte(year>>8), byte(year), byte(month), byte(day))
	return siphash.Hash(p.k0, p.k1, text), true
}

// dayOf reads a day: 19900307, 1990-3-7, 1990年3月7日, 3/7/1990.
func dayOf(text []byte) (year, month, day int) {
	var part [3]int
	var length [3]int
	n := -1
	for i, c := range text {
		if !digit(c) {
			continue
		}
		if i == 0 || !digit(text[i-1]) {
			if n++; n == 3 {
				n = 2
				break // what follows is a time of day
			}
		}
		if length[n] < 8 {
			part[n] = part[n]*10 + int(c-'0')
			length[n]++
		}
	}
	switch {
	case n >= 0 && length[0] == 8:
		return part[0] / 10000, part[0] / 100 % 100, part[0] % 100
	case n == 2 && length[0] == 4:
		return part[0], part[1], part[2]
	case n == 2 && length[2] == 4:
		return part[2], part[0], part[1]
	}
	return 0, 0, 0
}

// errPatients is what all damage of a file comes to.
var errPatients = errors.New("this is no index of patients made with this site's key, or it is damaged: build it again")
