package normalize

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"

	"github.com/cordon-health/cordon/ocsf"
)

// contentUID names an event whose source gave it no id: the first 16 bytes of
// the SHA-256 of its canonical JSON, made before source and time of receipt
// are set, so that the same record imported twice has the same id.
func contentUID(e *ocsf.Event) string {
	var buf [4096]byte
	sum := sha256.Sum256(e.AppendJSON(buf[:0]))
	return "sha256:" + hex.EncodeToString(sum[:16])
}

// maxID is the length of the longest identifier, in bytes. Identifiers are
// kept in memory, in keys and in every index.
const maxID = 256

// tooLong names the identifier of an event that is longer than any real one.
func tooLong(e *ocsf.Event) string {
	for _, u := range []*ocsf.User{&e.Actor.User, e.User, e.Actor.OnBehalfOf} {
		if u != nil && (len(u.Account) > maxID || len(u.UID) > maxID) {
			return "the account"
		}
	}
	if p := e.Patient; p != nil {
		if what := cmp.Or(longPatient(p.Encounter, p.UID), longPatient("", p.AltUIDs...)); what != "" {
			return what
		}
	}
	for i := range e.Care {
		f := &e.Care[i]
		if what := longPatient(f.Encounter, f.Patient, f.Other); what != "" {
			return what
		}
		if len(f.Person) > maxID {
			return "the person"
		}
	}
	return ""
}

func longPatient(encounter string, ids ...string) string {
	if len(encounter) > maxID {
		return "the encounter id"
	}
	for _, id := range ids {
		if len(id) > maxID {
			return "the patient id"
		}
	}
	return ""
}
