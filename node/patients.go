package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/internal/sheet"
)

// patientBook holds the index of the hospital's own patients: keyed hashes in
// memory, and in two files of the data folder, one of the last list, which is
// read once and forgotten, one of what messages told since (see newsFile).
type patientBook struct {
	path  string
	key   keyed.Key
	clock func() time.Time
	// changing is held for reading while something is learned, and while the
	// index is replaced.
	changing sync.RWMutex
	now      atomic.Pointer[indexed]
}

// indexed is an index and what is known of it.
type indexed struct {
	*classify.Patients
	state api.PatientIndex // at the import
	news  *newsFile
}

// index is the index, nil where it knows nobody.
func (b *patientBook) index() *classify.Patients {
	if x := b.now.Load(); x.state.Patients+x.news.Len() > 0 {
		return x.Patients
	}
	return nil
}

// state is how many it knows, and since when.
func (b *patientBook) state() api.PatientIndex {
	x := b.now.Load()
	s := x.state
	s.New = x.news.Len()
	s.Patients += s.New
	s.Honey = max(s.Honey, x.news.Honey())
	s.Learned, s.Bytes = x.news.Entries(), int64(x.Memory()+x.news.Memory())
	return s
}

// version changes with each list, and whenever messages have doubled what is
// known beside it: then scans read everything again. In between new patients
// are found in what is new or changed.
func (b *patientBook) version() string {
	s := b.state()
	return fmt.Sprint(s.Built, " ", bits.Len(uint(s.New)))
}

// openPatients reads the index that the last import wrote.
func (n *Node) openPatients() error {
	b := &patientBook{path: filepath.Join(n.cfg.Data, "patients.index"), key: n.key, clock: n.now}
	n.patients = b
	x, err := b.read()
	if err != nil {
		return err
	}
	n.closing(func() error { return b.now.Load().news.Close() })
	if err := b.follow(x, n.now(), n.log); err != nil {
		return err
	}
	n.intake.patients = b
	n.plantWatched()
	return nil
}

// read reads the index of the last import; an empty one where there was none.
func (b *patientBook) read() (*indexed, error) {
	x := &indexed{}
	data, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		x.Patients, err = classify.BuildPatients(b.key, func(func(classify.Patient) bool) {})
		return x, err
	}
	if err != nil {
		return nil, fmt.Errorf("read the index of patients: %w", err)
	}
	head, rest, _ := bytes.Cut(data, []byte("\n"))
	err = json.Unmarshal(head, &x.state)
	if err == nil {
		x.Patients, err = classify.LoadPatients(b.key, bytes.NewReader(rest))
	}
	if err != nil {
		return nil, fmt.Errorf("the index of patients %s cannot be read: %w; delete it and import the patients again", b.path, err)
	}
	return x, nil
}

// keep writes an index.
func (b *patientBook) keep(p *classify.Patients, state api.PatientIndex) error {
	f, err := durable.Create(b.path, 0o600)
	if err != nil {
		return err
	}
	defer f.Abort()
	head, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(head, '\n')); err != nil {
		return err
	}
	if err := p.Save(f); err != nil {
		return fmt.Errorf("write the index of patients: %w", err)
	}
	return f.Commit()
}

// patientColumns are those of the list of patients.
func patientColumns() sheet.Columns {
	return sheet.Columns{Required: []string{"patient_id"}, Optional: []string{"name", "national_id", "phone", "birth_date", "other_ids", "honey"}}
}

// importPatients makes the index from a list of all patients; what the index
// knew before is dropped. Patients on the watchlist as canary are planted ones.
func (n *Node) importPatients(ctx context.Context, r io.Reader, progress func(directory.Counts)) (directory.Counts, error) {
	now := n.now().UnixMilli()
	p, state, counts, err := readPatients(ctx, n.key, r, progress, func(id string) bool {
		_, planted := n.care.Watched(care.WatchCanary, id, now)
		return planted
	})
	if err != nil {
		return counts, err
	}
	state.Built = now
	b := n.patients
	b.changing.Lock()
	defer b.changing.Unlock()
	if err := b.keep(p, state); err != nil {
		return counts, err
	}
	old := b.now.Load()
	if err := errors.Join(old.news.Close(), b.follow(&indexed{Patients: p, state: state}, n.now(), n.log)); err != nil {
		return counts, err
	}
	n.plantWatched()
	return counts, nil
}

// readPatients builds an index from a list.
func readPatients(ctx context.Context, key keyed.Key, r io.Reader, progress func(directory.Counts), planted func(id string) bool) (
	p *classify.Patients, state api.PatientIndex, counts directory.Counts, err error) {
	var read error
	p, err = classify.BuildPatients(key, func(yield func(classify.Patient) bool) {
		errEnough := errors.New("the index takes no more")
		counts, read = directory.Rows(ctx, r, patientColumns(), progress, func(row sheet.Row) error {
			x := patientRow(row)
			if x.MRN == "" {
				return errors.New("patient_id is empty")
			}
			x.Honey = x.Honey || planted(x.MRN)
			state.Patients++
			if x.Honey {
				state.Honey++
			}
			if !yield(x) {
				return errEnough
			}
			return nil
		})
	})
	if err = errors.Join(read, err); err != nil {
		return nil, state, counts, fmt.Errorf("make the index of patients: %w", err)
	}
	counts.Accepted = state.Patients
	return p, state, counts, nil
}

func patientRow(row sheet.Row) classify.Patient {
	x := classify.Patient{MRN: row.Get("patient_id"), Name: row.Get("name"), ResidentID: row.Get("national_id"), Phone: row.Get("phone"), BirthDate: row.Get("birth_date")}
	for id := range strings.SplitSeq(row.Get("other_ids"), ";") {
		if id = strings.TrimSpace(id); id != "" {
			x.Others = append(x.Others, id)
		}
	}
	switch strings.ToLower(row.Get("honey")) {
	case "true", "yes", "1", "是":
		x.Honey = true
	}
	return x
}

// ReadPatients builds an index for a scan without a server.
func ReadPatients(ctx context.Context, key keyed.Key, path string) (*classify.Patients, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the list of patients: %w", err)
	}
	defer f.Close()
	p, state, counts, err := readPatients(ctx, key, f, nil, func(string) bool { return false })
	if err != nil {
		return nil, err
	}
	if counts.Quarantined > 0 || state.Patients == 0 {
		return nil, fmt.Errorf("%d rows of the list of patients cannot be used, the first in line %d: %s; mend the file", counts.Quarantined, firstReject(counts).Line, firstReject(counts).Reason)
	}
	return p, nil
}

func firstReject(c directory.Counts) directory.Reject {
	if len(c.Rejects) > 0 {
		return c.Rejects[0]
	}
	return directory.Reject{Reason: "there are no rows"}
}
