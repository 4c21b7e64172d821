package deid

import "sync"

// mostLinks bounds how many patients one run remembers.
const mostLinks = 4_000_000

// Links knows the record number of the patient behind an id of a FHIR server,
// so that dates of resources that only refer to "Patient/7" shift like those
// of the messages that carry the number. It is safe for concurrent use; nil
// knows nobody.
type Links struct {
	mu     sync.Mutex
	number map[string]string
}

// NewLinks begins empty.
func NewLinks() *Links { return &Links{number: map[string]string{}} }

// Add remembers the number behind an id; the first one said stays.
func (l *Links) Add(id, number string) {
	if l == nil || id == "" || number == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.number[id]; !known && len(l.number) < mostLinks {
		l.number[id] = number
	}
}

// Number is the record number behind an id, the id itself where none is known.
func (l *Links) Number(id string) string {
	if l == nil {
		return id
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.number[id]; ok {
		return n
	}
	return id
}
