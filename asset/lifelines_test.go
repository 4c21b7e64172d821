package asset

import (
	"slices"
	"testing"
	"time"

	"github.com/cordon-health/cordon/store"
)

// An address that a device of life support had stays its own for a while,
// though another uses it: whoever borrows it does not have it cut off.
func TestLifelines(t *testing.T) {
	engines(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		const vent, evil = "00:1a:11:00:00:01", "02:00:00:00:00:66"
		w.see(vent, "10.4.4.4", "arp")
		if _, err := w.Edit(t.Context(), Edit{Device: w.at(vent).ID, Fields: map[string]string{"life_support": "yes"}, By: "anna"}); err != nil {
			t.Fatal(err)
		}
		w.pass(2 * time.Hour)
		w.see(evil, "10.4.4.4", "arp")
		if d := w.at("10.4.4.4"); slices.Contains(d.MACs, vent) {
			t.Fatal("the attacker does not have the address; the test tests nothing")
		}
		has := func(since time.Time, ip, mac string) bool {
			return slices.ContainsFunc(w.Lifelines(since.UnixMilli()), func(a Address) bool { return a.IP == ip && (mac == "" || a.MAC == mac) })
		}
		for _, since := range []time.Time{w.now.Add(-time.Hour * 24 * 30), w.now} {
			if !has(since, "10.4.4.4", "") || !has(since, "", vent) || has(since, "", evil) {
				t.Errorf("%+v", w.Lifelines(since.UnixMilli()))
			}
		}
	})
}
