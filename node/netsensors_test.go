package node

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
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

// TestAccessPointIsKnown: what somebody says of an access point outlasts a
// restart, and old alarms go.
func TestAccessPointIsKnown(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "data"))
	v := s.start(t)
	const id = "02:bb:00:00:00:02"
	if err := v.n.knowPoint(t.Context(), id, true, "zhao"); err != nil {
		t.Fatal(err)
	}
	x, err := openAir(t.Context(), v.n.evidence)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 0)
	x.alarm(asset.Alarm{Kind: asset.EvilTwin, At: at.UnixNano(), Culprit: asset.Party{MAC: asset.ParseMAC(id)}})
	x.alarm(asset.Alarm{Kind: asset.ARPSpoof, At: at.UnixNano(), Culprit: asset.Party{MAC: asset.ParseMAC(id)}})
	ap := api.AccessPoint{BSSID: id}
	x.tell(&ap)
	if !ap.Ours || ap.By != "zhao" || len(ap.Alarms) != 1 {
		t.Errorf("%+v", ap)
	}
	x.forget(at.Add(8 * 24 * time.Hour))
	if len(x.alarms) != 0 {
		t.Error("an old alarm stands")
	}
}
