package api

import (
	"slices"
	"testing"

	"github.com/cordon-health/cordon/identity"
)

// TestReadsAreWatched: every route that may show something about people is
// known to shows, so that who reads it becomes an event.
func TestReadsAreWatched(t *testing.T) {
	reads := []identity.Permission{identity.SeeCases, identity.SeePatients, identity.SeeQuarantine, identity.SeeEvidence, identity.Query, identity.SeeSources, identity.SeeNetwork}
	told := 0
	for _, r := range (&API{}).table() {
		if !slices.Contains(reads, r.may) {
			continue
		}
		operation, known := shows(r.id)
		if !known {
			t.Errorf("%s %s: say in shows how its readers become known", r.method, r.path)
		}
		if operation != "" {
			told++
		}
	}
	if told < 4 {
		t.Errorf("only %d routes tell of their readers", told)
	}
}
