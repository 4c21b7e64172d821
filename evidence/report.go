package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/cordon-health/cordon/ocsf"
)

// Report is what a verification found.
type Report struct {
	// OK means that nothing contradicts the log.
	OK bool `json:"ok"`
	// FirstBad names the first bad thing, in log order: entries of the log,
	// events, records, files. It is in English; Faults has both languages.
	FirstBad string `json:"first_bad,omitempty"`

	Origin string `json:"origin,omitempty"`
	// Key is the verifier key that was trusted; KeyGiven says that it came from
	// outside and not from the folder itself.
	Key      string `json:"key,omitempty"`
	KeyGiven bool   `json:"key_given"`
	// Witnessed says that the configured witness cosigned the checkpoint.
	Witnessed bool   `json:"witnessed"`
	Size      uint64 `json:"size"`
	Root      []byte `json:"root,omitempty"`

	// What was checked: entries of the log, batches of events, events, records
	// and files. Roots are the batches whose whole content was there, so that
	// not only 8 bytes a leaf but the full root was compared.
	Entries int64 `json:"entries"`
	Batches int64 `json:"batches"`
	Events  int64 `json:"events"`
	Records int64 `json:"records"`
	Files   int64 `json:"files"`
	Roots   int64 `json:"roots"`

	// What is not provable, and why that is no fault: not yet signed, stored or
	// logged when the server stopped; removed by retention; erased.
	Unsigned       int64 `json:"unsigned,omitempty"`
	WaitingEvents  int64 `json:"waiting_events,omitempty"`
	WaitingRecords int64 `json:"waiting_records,omitempty"`
	GoneEvents     int64 `json:"gone_events,omitempty"`
	ErasedEvents   int64 `json:"erased_events,omitempty"`
	ErasedRecords  int64 `json:"erased_records,omitempty"`

	// Faults are in order; Total counts also those beyond the first 1000 of
	// each kind.
	Faults []Fault     `json:"faults,omitempty"`
	Total  int64       `json:"total_faults,omitempty"`
	Notes  []ocsf.Text `json:"notes,omitempty"`
}

// Fault is one contradiction between the log and what is there.
type Fault struct {
	// Code is stable and kebab-case.
	Code string    `json:"code"`
	Text ocsf.Text `json:"text"`

	// Where it is, as far as that applies.
	Entry  int64  `json:"entry,omitempty"`
	Seq    uint64 `json:"seq,omitempty"`
	Index  uint32 `json:"index,omitempty"`
	Event  string `json:"event_uid,omitempty"`
	File   string `json:"file,omitempty"`
	Row    int64  `json:"row,omitempty"` // in the file, or of the table records
	Record string `json:"record,omitempty"`

	rank int
}

// The ranks in which faults are listed.
const (
	rankLog = iota
	rankEvent
	rankRecord
	rankFile
	rankManifest
)

const faultsKept = 1000

// faults collects from several goroutines.
type faults struct {
	mu    sync.Mutex
	list  []Fault
	ranks [rankManifest + 1]int
	total int64
}

func (f *faults) add(x Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total++
	if f.ranks[x.rank]++; f.ranks[x.rank] <= faultsKept {
		f.list = append(f.list, x)
	}
}

func (f *faults) settle(r *Report) {
	slices.SortStableFunc(f.list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Seq, b.Seq),
			cmp.Compare(a.Index, b.Index), cmp.Compare(a.Row, b.Row), cmp.Compare(a.File, b.File))
	})
	r.Faults, r.Total, r.OK = f.list, f.total, f.total == 0
	if !r.OK {
		r.FirstBad = f.list[0].Text.EN
	}
}

// say fills both languages of a text with the same particulars; one that is a
// text itself appears in the language of its surroundings.
func say(en, zh string, args ...any) ocsf.Text {
	inEN, inZH := slices.Clone(args), slices.Clone(args)
	for i, a := range args {
		if t, ok := a.(ocsf.Text); ok {
			inEN[i], inZH[i] = t.EN, t.ZH
		}
	}
	return ocsf.Text{EN: fmt.Sprintf(en, inEN...), ZH: fmt.Sprintf(zh, inZH...)}
}
