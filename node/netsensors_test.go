package node

import (
	"testing"

	"github.com/cordon-health/cordon/api"
)

// TestSensorsThatOnlySendEvents: who reports no counts is listed as well, once.
func TestSensorsThatOnlySendEvents(t *testing.T) {
	list := withSources([]api.SensorState{{Name: "edge", Packets: 7}}, []api.Source{
		{Name: "sensor:edge", Last: 1}, {Name: "sensor:air-1", First: 2, Last: 3}, {Name: "netflow:core", Last: 4},
		{Name: "sensor:file"}, {Name: "sensor:"}, {Name: "his"}, {Name: "syslog:fw"},
	})
	if len(list) != 3 || list[0].EventsOnly || list[0].Packets != 7 {
		t.Fatalf("%+v", list)
	}
	if a := list[1]; a.Name != "air-1" || !a.EventsOnly || a.Since != 2 || a.Last != 3 || list[2].Name != "core" {
		t.Errorf("%+v", list)
	}
}
