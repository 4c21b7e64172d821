package capture

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ClinicalMemory is what a sensor has learnt of who usually asks whom: which AE
// titles call a PACS from which address, where it sends images, who sends HL7
// to an engine, who asks a database. It is bounded, and outlives a restart by
// Snapshot and Restore. It is safe for concurrent use.
//
// A server is learnt for a while after it was first seen; then a stranger is
// told of, at most once a day, and belongs to those known when it has kept
// coming for as long as the learning takes. Nobody is asked: approving belongs
// to cases, not to a sensor.
type ClinicalMemory struct {
	learn time.Duration

	mu   sync.Mutex
	all  map[string]*clinicalKnown
	told map[string]int64 // when something was last said, by key
	// counts of what happens in a span of time, by key
	counts map[string]*clinicalCount
}

// clinicalKnown is one thing that has been seen: a server, or somebody at one.
// Times are in s since 1970 UTC.
type clinicalKnown struct {
	First int64 `json:"f"`
	Last  int64 `json:"l"`
	// Strange is when it was last told of as a stranger, 0 for never.
	Strange int64 `json:"s,omitempty"`
}

const (
	clinicalMostKnown = 20_000
	clinicalMostTold  = 8_192
	clinicalLearn     = 7 * 24 * time.Hour
)

// NewClinicalMemory makes an empty memory. Learn is how long a server is learnt;
// 0 means a week, below 0 that strangers are told of from the first on.
func NewClinicalMemory(learn time.Duration) *ClinicalMemory {
	if learn == 0 {
		learn = clinicalLearn
	}
	return &ClinicalMemory{learn: max(learn, 0), all: map[string]*clinicalKnown{}, told: map[string]int64{}, counts: map[string]*clinicalCount{}}
}

// Snapshot is the memory as JSON.
func (m *ClinicalMemory) Snapshot() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, err := json.Marshal(m.all)
	if err != nil {
		return nil, fmt.Errorf("write what the sensor has learnt: %w", err)
	}
	return data, nil
}

// Restore takes a snapshot back, in place of what is known.
func (m *ClinicalMemory) Restore(snapshot []byte) error {
	all := map[string]*clinicalKnown{}
	if err := json.Unmarshal(snapshot, &all); err != nil {
		return fmt.Errorf("read what the sensor has learnt, delete it to learn anew: %w", err)
	}
	for key, k := range all {
		if k == nil || len(all) > clinicalMostKnown {
			delete(all, key)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = all
	return nil
}

// strange notes that who came to a server, and reports whether that is worth
// telling. Kind keeps the questions apart; at is in ns.
func (m *ClinicalMemory) strange(kind, server, who string, at int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, learn := at/int64(time.Second), int64(m.learn/time.Second)
	first := m.note(kind+"\n"+server, now).First
	k := m.note(strings.Join([]string{kind, server, who}, "\n"), now)
	switch {
	case k.First != now && k.Strange == 0: // seen while learning, or a stranger no more
		return false
	case now-first < learn:
		return false
	case k.Strange != 0 && now-k.First >= max(learn, 1):
		k.Strange = 0
		return false
	case k.Strange != 0 && now-k.Strange < 24*3600:
		return false
	}
	k.Strange = max(now, 1)
	return true
}

// note finds or makes the entry of a key.
func (m *ClinicalMemory) note(key string, now int64) *clinicalKnown {
	k := m.all[key]
	if k == nil {
		if len(m.all) >= clinicalMostKnown {
			m.forget()
		}
		k = &clinicalKnown{First: now}
		m.all[key] = k
	}
	k.Last = max(k.Last, now)
	return k
}

// forget makes room: an eighth of the entries, those not seen for longest.
func (m *ClinicalMemory) forget() {
	oldest, newest := int64(1<<62), int64(-1<<62)
	for _, k := range m.all {
		oldest, newest = min(oldest, k.Last), max(newest, k.Last)
	}
	left := clinicalMostKnown * 7 / 8
	for limit := oldest + (newest-oldest)/8; len(m.all) > left; limit += (newest-oldest)/8 + 1 {
		for key, k := range m.all {
			if k.Last <= limit && len(m.all) > left {
				delete(m.all, key)
			}
		}
	}
}

// said reports whether key was said within span before at, and notes it if not.
func (m *ClinicalMemory) said(key string, at int64, span time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last, ok := m.told[key]; ok && at >= last && at-last < int64(span) {
		return true
	}
	if len(m.told) >= clinicalMostTold {
		clear(m.told)
	}
	m.told[key] = at
	return false
}

// rate counts what happens under key, and returns how often it did in the span
// that runs.
func (m *ClinicalMemory) rate(key string, at int64, span time.Duration) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.counts[key]
	if c == nil || at < c.since || at-c.since >= int64(span) {
		if c == nil && len(m.counts) >= clinicalMostTold {
			clear(m.counts)
		}
		c = &clinicalCount{since: at}
		m.counts[key] = c
	}
	c.n++
	return c.n
}

type clinicalCount struct {
	since int64
	n     int
}
