package normalize

import (
	"encoding/json"
	"fmt"

	"github.com/cordon-health/cordon/ocsf"
)

// joinWindow is how far apart in event time, in ms, two records of one access
// may lie.
const joinWindow = 10 * 60 * 1000

// maxWaiting bounds the memory of a Joiner: at 300 accesses a second it still
// covers ten minutes.
const maxWaiting = 200_000

// Joiner recognises the second record of an access that client and server
// both recorded (IHE BALP): same request id, same patient, within ten
// minutes. The first record to come is the event; Join names it to the second.
//
// It is not safe for concurrent use. What it forgets (older than the window,
// or beyond 200,000 waiting requests) costs at most a doubled access. The same
// records in the same order give the same answers, also after a Restore.
type Joiner struct {
	first map[joinKey]joinHalf
	// queue holds the keys in the order they came; those before head are gone.
	queue []joinEntry
	head  int
	limit int
}

type joinKey struct{ request, patient string }

type joinHalf struct {
	uid  string
	time int64
	// joined is the uid of the second half, once it has come.
	joined string
}

type joinEntry struct {
	key  joinKey
	time int64
}

// NewJoiner makes an empty Joiner.
func NewJoiner() *Joiner {
	return &Joiner{first: map[joinKey]joinHalf{}, limit: maxWaiting}
}

// Join returns the uid of the first half when e is the second half of an
// access, and "" else. The same record again (a repeat of the first) is no
// half; a repeat of the second is one again.
func (j *Joiner) Join(e *ocsf.Event) (halfOf string) {
	if e.Metadata.CorrelationUID == "" || e.ClassUID != ocsf.WebResourcesActivity {
		return ""
	}
	key := joinKey{request: e.Metadata.CorrelationUID}
	if e.Patient != nil {
		key.patient = e.Patient.UID
	}
	half, ok := j.first[key]
	if ok && near(half.time, e.Time) {
		switch {
		case half.uid == e.Metadata.UID:
			return ""
		case half.joined == "" || half.joined == e.Metadata.UID:
			half.joined = e.Metadata.UID
			j.first[key] = half
			return half.uid
		}
		return "" // a third record of one request is an access of its own
	}
	j.remember(key, joinHalf{uid: e.Metadata.UID, time: e.Time})
	return ""
}

func near(a, b int64) bool { return a-b <= joinWindow && b-a <= joinWindow }

// remember keeps a first half, and forgets the oldest beyond the limit.
func (j *Joiner) remember(key joinKey, half joinHalf) {
	j.first[key] = half
	j.queue = append(j.queue, joinEntry{key, half.time})
	for len(j.queue)-j.head > j.limit {
		j.drop()
	}
	for j.head < len(j.queue) && half.time-j.queue[j.head].time > 2*joinWindow {
		j.drop()
	}
	if j.head > len(j.queue)/2 && j.head > 1024 {
		j.queue = append([]joinEntry(nil), j.queue[j.head:]...)
		j.head = 0
	}
}

// drop forgets the oldest first half, unless its key has a newer one.
func (j *Joiner) drop() {
	old := j.queue[j.head]
	j.head++
	if half, ok := j.first[old.key]; ok && half.time == old.time {
		delete(j.first, old.key)
	}
}

// joinRecord is one waiting request in a snapshot.
type joinRecord struct {
	Request string `json:"r"`
	Patient string `json:"p,omitempty"`
	UID     string `json:"u"`
	Time    int64  `json:"t"`
	Joined  string `json:"j,omitempty"`
}

// Snapshot is the Joiner's state as JSON, oldest first.
func (j *Joiner) Snapshot() ([]byte, error) {
	records := make([]joinRecord, 0, len(j.first))
	for _, q := range j.queue[j.head:] {
		half, ok := j.first[q.key]
		if !ok || half.time != q.time {
			continue
		}
		records = append(records, joinRecord{q.key.request, q.key.patient, half.uid, half.time, half.joined})
	}
	data, err := json.Marshal(records)
	if err != nil {
		return nil, fmt.Errorf("write the joiner's state: %w", err)
	}
	return data, nil
}

// Restore replaces the Joiner's state by a Snapshot; empty data is the empty
// state.
func (j *Joiner) Restore(data []byte) error {
	var records []joinRecord
	if len(data) > 0 {
		if err := json.Unmarshal(data, &records); err != nil {
			return fmt.Errorf("read the joiner's state: %w", err)
		}
	}
	j.first, j.queue, j.head = map[joinKey]joinHalf{}, nil, 0
	for _, r := range records {
		key := joinKey{r.Request, r.Patient}
		j.first[key] = joinHalf{r.UID, r.Time, r.Joined}
		j.queue = append(j.queue, joinEntry{key, r.Time})
	}
	return nil
}
