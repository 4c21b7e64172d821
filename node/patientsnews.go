package node

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/care"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
)

// newsAge is how old what messages told may be to outlive a new list of
// patients: the list may have been written so long before it is imported.
const newsAge = 31 * 24 * time.Hour

// newsFile keeps what messages tell of patients beside the index of the last
// import. Its first line names that index; records follow, which are on the
// disk before a message is acknowledged. A crash leaves an incomplete record at
// most, whose message comes again.
type newsFile struct {
	*classify.PatientNews
	log *slog.Logger

	f       *os.File
	written atomic.Int64 // bytes; grows while PatientNews is locked
	failed  atomic.Int64 // minute of the last complaint

	syncing sync.Mutex
	synced  int64 // guarded by syncing
}

// newsHead is the first line.
type newsHead struct {
	Built    int64 `json:"built"`
	Patients int   `json:"patients"`
}

func (x *indexed) head() newsHead { return newsHead{x.state.Built, x.Len()} }

// follow puts an index to work together with what is known beside it. News of
// an older index are carried over.
func (b *patientBook) follow(x *indexed, now time.Time, log *slog.Logger) error {
	path := strings.TrimSuffix(b.path, ".index") + ".news"
	x.news = &newsFile{PatientNews: x.Patients.News(), log: log}
	head, rest, err := openNews(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = writeNews(path, x.head(), nil)
	case err != nil:
		return err
	case head == x.head():
		var damaged int
		if damaged, err = x.news.Load(bufio.NewReaderSize(rest, 1<<16)); damaged > 0 {
			log.Warn("records of the index of patients are damaged and left out; import the list of patients again", "records", damaged)
		}
	default:
		var lines []byte
		if lines, err = x.news.Take(bufio.NewReaderSize(rest, 1<<16), head.Patients, now.Add(-newsAge).UnixMilli()); err == nil {
			err = writeNews(path, x.head(), lines)
		}
	}
	if rest != nil {
		err = errors.Join(err, rest.Close())
	}
	if err == nil {
		err = x.news.open(path)
	}
	if err != nil {
		return fmt.Errorf("what became known of patients: %w", err)
	}
	b.now.Store(x)
	return nil
}

// openNews reads the first line; what follows it is left to the caller.
func openNews(path string) (head newsHead, rest io.ReadCloser, err error) {
	f, err := os.Open(path)
	if err != nil {
		return head, nil, err
	}
	var line []byte
	for b := make([]byte, 1); len(line) < 200; {
		if _, err = io.ReadFull(f, b); err != nil || b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	if err == nil {
		err = json.Unmarshal(line, &head)
	}
	if err != nil {
		return head, nil, errors.Join(fmt.Errorf("%s cannot be read: %w; delete it and import the patients again", path, err), f.Close())
	}
	return head, f, nil
}

func writeNews(path string, head newsHead, lines []byte) error {
	line, err := json.Marshal(head)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(append(line, '\n'), lines...), 0o600)
}

// open makes ready to append behind the last whole record.
func (f *newsFile) open(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	f.f = file
	info, err := file.Stat()
	if err != nil {
		return err
	}
	head, _, err := lineLength(file)
	if err != nil {
		return err
	}
	size := head + (info.Size()-head)/classify.NewsLine*classify.NewsLine
	f.written.Store(size)
	f.synced = size
	return file.Truncate(size)
}

func lineLength(r io.ReaderAt) (int64, string, error) {
	b := make([]byte, 256)
	n, err := r.ReadAt(b, 0)
	if i := strings.IndexByte(string(b[:n]), '\n'); i >= 0 {
		return int64(i + 1), string(b[:i]), nil
	}
	return 0, "", fmt.Errorf("no first line: %w", errors.Join(err, io.ErrUnexpectedEOF))
}

// Close closes the file.
func (f *newsFile) Close() error {
	if f == nil || f.f == nil {
		return nil
	}
	return f.f.Close()
}

// keep writes records behind the last; half of them are taken back.
func (f *newsFile) keep(lines []byte) error {
	at := f.written.Load()
	if _, err := f.f.WriteAt(lines, at); err != nil {
		return errors.Join(err, f.f.Truncate(at))
	}
	f.written.Add(int64(len(lines)))
	return nil
}

// sync waits until everything written before is on the disk. Who comes while
// another waits is done with the next one.
func (f *newsFile) sync() error {
	want := f.written.Load()
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if f.synced >= want {
		return nil
	}
	want = f.written.Load()
	if err := f.f.Sync(); err != nil {
		return err
	}
	f.synced = want
	return nil
}

// learn makes patients known. What cannot be written down is said in the log
// and learned with a later message: events matter more.
func (b *patientBook) learn(all []classify.Sighting) {
	if len(all) == 0 || b == nil {
		return
	}
	b.changing.RLock()
	defer b.changing.RUnlock()
	f, now := b.now.Load().news, b.clock()
	if err := f.add(all, now); err != nil && f.failed.Swap(now.Unix()/60) != now.Unix()/60 {
		f.log.Error("the index of patients learns nothing now", "error", err)
	}
}

func (f *newsFile) add(all []classify.Sighting, now time.Time) error {
	before := f.written.Load()
	if err := f.Add(all, now.UnixMilli(), f.keep); err != nil {
		return err
	}
	if f.written.Load() == before {
		return nil
	}
	return f.sync()
}

// plantWatched plants the patients whom the watchlist calls canaries now.
func (n *Node) plantWatched() {
	b, now := n.patients, n.now()
	var numbers []string
	var all []classify.Sighting
	for _, w := range n.care.Watchlist() {
		ms := now.UnixMilli()
		if w.Kind == care.WatchCanary && w.From <= ms && (w.Until == 0 || ms < w.Until) && !reserved(w.Patient) {
			numbers = append(numbers, w.Patient)
			all = append(all, classify.Sighting{Numbers: []string{w.Patient}})
		}
	}
	b.learn(all)
	b.now.Load().news.Plant(numbers)
}

// reserved says that a patient exists for tests of the watch only.
func reserved(patient string) bool { return strings.HasPrefix(patient, incident.ReservedPrefix) }

// patientsSeen gathers the patients whom the messages of one delivery are about.
type patientsSeen struct {
	all  []classify.Sighting
	told int // of them, those before the events of the message
}

// person takes what a message says of a patient.
func (s *patientsSeen) person(p *normalize.Person) {
	s.all = append(s.all, classify.Sighting{Numbers: p.Numbers, IDs: p.IDs, Visits: p.Visits, Phones: p.Phones, Names: p.Names, BirthDate: p.BirthDate})
}

// events takes the record numbers that facts of care name. What Cordon plants
// to test itself is nobody's.
func (s *patientsSeen) events(own canary.Signer, source string, evs []*ocsf.Event) {
	if source == plantSource || len(evs) > 0 && own.Is(evs[0]) {
		s.all = s.all[:s.told]
		return
	}
	for _, ev := range evs {
		if len(ev.Care) == 0 {
			continue
		}
		if p := ev.Patient; p != nil && p.UID != "" {
			s.all = append(s.all, classify.Sighting{Numbers: append([]string{p.UID}, p.AltUIDs...)})
		}
		for i := range ev.Care {
			s.fact(&ev.Care[i], ev.Patient)
		}
	}
	s.told = len(s.all)
}

func (s *patientsSeen) fact(f *ocsf.Fact, main *ocsf.Patient) {
	switch {
	case f.Patient == "" || f.Retract:
	case f.Kind == ocsf.FactMerge && f.Encounter == "":
		s.all = append(s.all, classify.Sighting{Numbers: []string{f.Patient}, Was: f.Other})
	case f.Kind == ocsf.FactAlias && f.Other != "":
		s.all = append(s.all, classify.Sighting{Numbers: []string{f.Patient, f.Other}})
	case main == nil || f.Patient != main.UID:
		s.all = append(s.all, classify.Sighting{Numbers: []string{f.Patient}})
	}
}
