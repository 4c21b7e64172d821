package console

import (
	"slices"
	"testing"

	"github.com/cordon-health/cordon/identity"
)

// TestReadersAreWatched: every page that may show something about people is
// known to shows, so that who opens it becomes an event.
func TestReadersAreWatched(t *testing.T) {
	reads := []identity.Permission{identity.SeeCases, identity.SeePatients, identity.SeeQuarantine, identity.SeeEvidence, identity.SeeSources, identity.SeeOverview, identity.SeeNetwork}
	told := 0
	for _, r := range pages() {
		operation, known := shows(r.pattern)
		if !known && slices.Contains(reads, r.may) {
			t.Errorf("%s: say in shows how its readers become known", r.pattern)
		}
		if operation != "" {
			told++
		}
	}
	if told < 3 {
		t.Errorf("only %d pages tell of their readers", told)
	}
}
