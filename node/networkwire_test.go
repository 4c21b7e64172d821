package node

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/binding"
)

// TestGuardOf: only ports behind which somebody is locked are guarded, and
// servers stand where people said they do.
func TestGuardOf(t *testing.T) {
	all := []binding.Binding{
		{MAC: "02:00:00:00:00:01", IP: "10.1.0.1", Port: "p1", State: binding.Locked},
		{MAC: "02:00:00:00:00:02", IP: "10.1.0.2", Port: "p2", State: binding.Bound},
		{MAC: "02:00:00:00:00:03", IP: "10.1.0.3", Port: "p3", State: binding.Learnt},
		{MAC: "02:00:00:00:00:04", IP: "10.1.0.4", Port: "p4", State: binding.Locked},
	}
	known := []binding.Known{
		{Role: binding.RoleDHCP, MAC: "02:00:00:00:00:04", State: binding.Bound},
		{Role: binding.RoleDHCP, MAC: "02:00:00:00:00:01", State: binding.Learnt},
		{Role: binding.RoleRouter, MAC: "02:00:00:00:00:02", State: binding.Bound},
	}
	g := guardOf(all, known)
	if !slices.Equal(g.Ports, []string{"p1", "p4"}) || !slices.Equal(g.Servers, []string{"p4"}) || !slices.Equal(g.Routers, []string{"p2"}) || len(g.Bindings) != 3 || g.Stage {
		t.Errorf("%+v", g)
	}
}

// TestSensorsKnowZones: the zones are part of what sensors judge by, and a
// proposal is there when somebody asks for it.
func TestSensorsKnowZones(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "data"), policed(t))
	v := s.start(t)
	token := v.sensorToken("edge")
	table := v.n.network.table()
	if i := slices.IndexFunc(table.Networks, func(n binding.Network) bool { return n.Zone == "pacs" && n.Prefix.String() == "10.77.2.0/24" }); i < 0 {
		t.Errorf("sensors know %+v", table.Networks)
	}
	v.n.network.use(nil)
	if other := v.n.network.table(); other.Mark == table.Mark || len(other.Networks) != 0 {
		t.Errorf("without a policy sensors know %+v", other.Networks)
	}
	if st, err := v.n.policies.all(t.Context()); err != nil || st.Learnt != nil {
		t.Errorf("from nothing is learnt %+v %v", st.Learnt, err)
	}
	for hour := range 30 {
		s.sensed(t, token, "edge", imagesAt(hour).Event())
	}
	v.drained()
	if st := s.must(t, "GET", "/api/v1/network/policies", ""); !strings.Contains(st, `"learnt"`) || !strings.Contains(st, "10.77.1.2") {
		t.Errorf("nothing is proposed: %s", st)
	}
}
