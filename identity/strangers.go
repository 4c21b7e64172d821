package identity

import (
	"crypto/sha256"
	"sync"
	"time"
)

// mostStrangers bounds how many unknown names are remembered. To have one
// forgotten takes as many sign-ins, which take minutes.
const mostStrangers = 10_000

// strangers counts the failures of names without an account, by the same rule
// as for accounts, so that a pause does not tell which names exist. Names are
// kept as hashes: people type their password there by mistake.
type strangers struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]failing
}

// failing is what is remembered of a name. Times are ms.
type failing struct{ count, locked, at int64 }

// locked says until when a name pauses.
func (s *strangers) locked(name string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[sha256.Sum256([]byte(name))].locked
}

// fail counts one failure.
func (s *strangers) fail(name string, now time.Time) {
	id := sha256.Sum256([]byte(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.known[id]
	if !ok && len(s.known) >= mostStrangers {
		s.forgetOldest()
	}
	f.count, f.at = f.count+1, now.UnixMilli()
	if pause := pauseAfter(f.count); pause > 0 {
		f.locked = now.Add(pause).UnixMilli()
	}
	s.known[id] = f
}

func (s *strangers) forgetOldest() {
	var oldest [sha256.Size]byte
	at := int64(-1)
	for id, f := range s.known {
		if at < 0 || f.at < at {
			oldest, at = id, f.at
		}
	}
	delete(s.known, oldest)
}

// pauseAfter is how long an account pauses after its n-th failure: from the
// fifth on 30 s, doubling up to an hour.
func pauseAfter(n int64) time.Duration {
	if n < 5 {
		return 0
	}
	return min(30*time.Second<<min(n-5, 10), time.Hour)
}
