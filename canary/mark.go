package canary

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// prefix begins the patient number of every canary.
const prefix = "CORDONCANARY-"

// A mark is 8 bytes of a number, 8 of the time of sending in ms, and 16 of
// their HMAC-SHA256, in base32.
const (
	plainBytes = 16
	markBytes  = plainBytes + 16
)

// Signer makes marks and recognises them.
type Signer struct{ key []byte }

// NewSigner derives the canaries' key from the site's.
func NewSigner(site keyed.Key) Signer {
	m := hmac.New(sha256.New, site[:])
	m.Write([]byte("cordon canary 1"))
	return Signer{m.Sum(nil)}
}

// Mark is one canary.
type Mark struct {
	Number uint64
	// Sent is in ms.
	Sent int64
}

// Text is the mark as the number of a patient who does not exist.
func (s Signer) Text(m Mark) string {
	var raw [markBytes]byte
	binary.BigEndian.PutUint64(raw[:], m.Number)
	binary.BigEndian.PutUint64(raw[8:], uint64(m.Sent))
	copy(raw[plainBytes:], s.sum(raw[:plainBytes]))
	return prefix + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])
}

func (s Signer) sum(plain []byte) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write(plain)
	return m.Sum(nil)[:markBytes-plainBytes]
}

// Read recognises a mark of this site.
func (s Signer) Read(text string) (Mark, bool) {
	code, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return Mark{}, false
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(code)
	if err != nil || len(raw) != markBytes || !hmac.Equal(raw[plainBytes:], s.sum(raw[:plainBytes])) {
		return Mark{}, false
	}
	return Mark{binary.BigEndian.Uint64(raw), int64(binary.BigEndian.Uint64(raw[8:]))}, true
}

// Is says that an event is a canary. Somebody's access is none, whatever number
// of a patient it bears: marks travel openly and can be sent again.
func (s Signer) Is(ev *ocsf.Event) bool {
	if ev.Patient == nil || !strings.HasPrefix(ev.Patient.UID, prefix) || !nobody(ev.Actor.User.Account) || !nobody(ev.Actor.User.UID) {
		return false
	}
	_, ok := s.Read(ev.Patient.UID)
	return ok
}

// nobody says that a name is that of no person.
func nobody(name string) bool { return name == "" || name == User }

// Take parts canaries from events. rest is evs itself when there is none.
func (s Signer) Take(evs []*ocsf.Event) (rest []*ocsf.Event, marks []Mark) {
	for i, ev := range evs {
		if !s.Is(ev) {
			if marks != nil {
				rest = append(rest, ev)
			}
			continue
		}
		if marks == nil {
			rest = append(rest, evs[:i]...)
		}
		m, _ := s.Read(ev.Patient.UID)
		marks = append(marks, m)
	}
	if marks == nil {
		return evs, nil
	}
	return rest, marks
}

// late says how long a canary took, in ms, never below 0.
func (m Mark) late(at time.Time) int64 { return max(0, at.UnixMilli()-m.Sent) }
