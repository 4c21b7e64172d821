package node

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
)

// TestStaffOnGuest: a device that somebody answers for joins the guests by air,
// or by a lease in their zone; visitors' and servers of that zone do not count.
func TestStaffOnGuest(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "data"), policed(t))
	v := s.start(t)
	at := time.Now().Add(-time.Minute).Truncate(time.Millisecond).UnixNano()
	x := v.n.network
	for _, b := range []binding.Binding{
		{State: binding.Bound, MAC: asset.MACText(mac(31)), IP: "10.77.1.31", Department: "Ward 9"},
		{State: binding.Bound, MAC: asset.MACText(mac(32)), IP: "10.77.1.32"},                       // nobody answers for it
		{State: binding.Bound, MAC: asset.MACText(mac(33)), IP: "10.77.3.33", Department: "Ward 9"}, // among guests on purpose
	} {
		if _, err := x.bindings.Put(t.Context(), b, "sec", "test"); err != nil {
			t.Fatal(err)
		}
	}
	air := []asset.Fact{{Name: asset.FactSSID, Value: "HOSP-GUEST"}, {Name: asset.FactGuest, Value: "HOSP-GUEST"}}
	lease := netip.MustParseAddr("10.77.3.50")
	for _, c := range []struct {
		name  string
		o     asset.Observation
		wrong bool
	}{
		{"by air", asset.Observation{MAC: mac(31), Protocol: "802.11", Facts: air}, true},
		{"by lease", asset.Observation{MAC: mac(31), Protocol: "dhcp", IP: lease}, true},
		{"on the staff's network", asset.Observation{MAC: mac(31), Protocol: "802.11", Facts: air[:1]}, false},
		{"a lease of its own", asset.Observation{MAC: mac(31), Protocol: "dhcp", IP: netip.MustParseAddr("10.77.1.31")}, false},
		{"behind a gateway", asset.Observation{MAC: mac(31), Protocol: "http", IP: lease}, false},
		{"the guests' DHCP server", asset.Observation{MAC: mac(31), Protocol: "dhcp", IP: lease, Facts: []asset.Fact{{Name: asset.FactRole, Value: "dhcp-server"}}}, false},
		{"a visitor", asset.Observation{MAC: mac(90), Protocol: "802.11", Facts: air}, false},
		{"nobody's", asset.Observation{MAC: mac(32), Protocol: "802.11", Facts: air}, false},
		{"meant for guests", asset.Observation{MAC: mac(33), Protocol: "802.11", Facts: air}, false},
	} {
		if a, wrong := x.strays(&c.o); wrong != c.wrong || wrong && (a.Args[0] != "Ward 9" || a.Args[1] == "") {
			t.Errorf("%s: %v, %+v", c.name, wrong, a)
		}
	}
	seen := asset.Observation{At: at, MAC: mac(31), Protocol: "802.11", Facts: air}
	s.sensed(t, v.sensorToken("edge"), "edge", seen.Event())
	eventually(t, "it is a finding", func() bool {
		v.drained()
		for _, f := range s.findings(t) {
			if f.Info.Analytic.UID == string(asset.StaffOnGuest) {
				return true
			}
		}
		return false
	})
}
