package node

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/config"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// keptApart lets modalities reach the PACS by DICOM, and guests nobody.
const keptApart = `version: 1
name: test
zones:
  - {name: ct, kind: modality, owner: o, networks: [10.77.1.0/24]}
  - {name: pacs, kind: pacs, owner: o, networks: [10.77.2.0/24]}
  - {name: gst, kind: guest, owner: o, networks: [10.77.3.0/24]}
conduits:
  - {id: images, from: ct, to: pacs, allow: [dicom], owner: o, reason: images}
`

// policed writes a policy that conversations are judged by.
func policed(t *testing.T) func(*config.Config) {
	path := filepath.Join(t.TempDir(), "zones.yaml")
	if err := os.WriteFile(path, []byte(keptApart), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.Zone.Policy = path }
}

// sensorToken makes the token of a sensor.
func (v *server) sensorToken(name string) string {
	v.t.Helper()
	token, err := v.n.users.CreateToken(v.t.Context(), name, identity.Sensor, time.Hour, "test")
	if err != nil {
		v.t.Fatal(err)
	}
	return token
}

// as is call with another token.
func (s *site) as(token, method, path, body string) (int, string) {
	other := *s
	other.token = token
	status, text, err := other.call(method, path, body)
	if err != nil {
		return 0, err.Error()
	}
	return status, text
}

// sense sends what a sensor says; it returns the status.
func (s *site) sense(token, sensor string, evs ...*ocsf.Event) int {
	var b bytes.Buffer
	for _, ev := range evs {
		b.Write(append(ev.AppendJSON(nil), '\n'))
	}
	status, _ := s.as(token, "POST", "/api/v1/sensor/events?sensor="+sensor, b.String())
	return status
}

func (s *site) sensed(t *testing.T, token, sensor string, evs ...*ocsf.Event) {
	t.Helper()
	if got := s.sense(token, sensor, evs...); got != http.StatusAccepted {
		t.Fatalf("what a sensor saw is answered with %d", got)
	}
}

func mac(n int) packet.MAC { return packet.MAC{2, 0, 0, 0, byte(n >> 8), byte(n)} }

// talk is a conversation of one session.
func talk(client, server string, port uint16, app string, at time.Time) flow.Conversation {
	return flow.Conversation{
		Key:  flow.Key{Client: netip.MustParseAddr(client), Server: netip.MustParseAddr(server), Proto: 6, Port: port, App: app},
		From: at.UnixMilli(), Until: at.Add(time.Second).UnixMilli(), Sensor: "edge", Sessions: 1, PacketsOut: 3, PacketsIn: 2, BytesOut: 300, BytesIn: 200,
	}
}

// talks lists conversations of the last day.
func (v *server) talks() []api.Talk {
	v.t.Helper()
	now := time.Now()
	list, err := v.n.network.talks(context.Background(), api.TalkFilter{Since: now.Add(-24 * time.Hour).UnixMilli(), Until: now.Add(time.Hour).UnixMilli()})
	if err != nil {
		v.t.Fatal(err)
	}
	return list
}

// knownNetwork is everything a restart must keep.
type knownNetwork struct {
	Devices, Sessions, Bindings, Conflicts, Alarms, Findings int
	Cases                                                    int
}

func (v *server) known() (k knownNetwork) {
	v.t.Helper()
	ctx := context.Background()
	services := v.n.networkServices()
	devices, err := services.Devices(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	bindings, err := services.Bindings(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	conflicts, err := services.Conflicts(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, x := range v.talks() {
		k.Sessions += int(x.Sessions)
	}
	type row struct{ N int }
	rows := query[row](v.t, v.site, `SELECT count(*) AS n FROM records WHERE class_uid = 4001 AND activity_id = 99`)
	k.Devices, k.Bindings, k.Conflicts, k.Alarms = len(devices), len(bindings), len(conflicts), rows[0].N
	k.Findings, k.Cases = len(v.findings(v.t)), len(v.cases(v.t))
	return k
}

// TestNetworkIsKept: what sensors say is known at once, becomes findings and
// cases, and is there once after a restart and after a sensor said it again.
func TestNetworkIsKept(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "data"), policed(t))
	v := s.start(t)
	token := v.sensorToken("edge")
	at := time.Now().Add(-2 * time.Minute).Truncate(time.Millisecond)
	ct := asset.Observation{At: at.UnixNano(), MAC: mac(1), IP: netip.MustParseAddr("10.77.1.2"), Protocol: "dicom", Facts: []asset.Fact{{Name: asset.FactAETitle, Value: "CT1"}}}
	begun := time.Now()
	s.sensed(t, token, "edge", ct.Event())
	eventually(t, "the device is listed", func() bool {
		d, err := v.n.networkServices().Device(context.Background(), "10.77.1.2")
		return err == nil && d.Zone == "ct" && len(d.MACs) == 1
	})
	if took := time.Since(begun); took > time.Second {
		t.Errorf("a new device was listed after %v", took)
	}
	images := talk("10.77.1.2", "10.77.2.2", 11112, "dicom", at)
	images.ClientName, images.ServerName, images.Calls = "CT1", "PACS", map[string]int64{"C-STORE": 4}
	pair := binding.Summary{At: at.UnixNano(), Sensor: "edge", MAC: mac(1), IP: ct.IP, How: "arp"}
	clear := asset.Alarm{Kind: asset.ClearPatientData, At: at.UnixNano(), Sensor: "edge", Culprit: asset.Party{IP: ct.IP, Name: "CT1"}, Victim: asset.Party{IP: images.Server, Port: 11112, Name: "PACS"}, Args: []string{"dicom"}, Count: 1}
	spoof := asset.Alarm{Kind: asset.ARPSpoof, At: at.UnixNano(), Sensor: "edge", Culprit: asset.Party{MAC: mac(66), IP: ct.IP}, Victim: asset.Party{MAC: mac(1), IP: ct.IP}, Args: []string{"bound"}, Count: 1}
	guest := talk("10.77.3.9", "10.77.2.2", 3389, "rdp", at)
	all := []*ocsf.Event{ct.Event(), images.Event(), pair.Event(), clear.Event(), spoof.Event(), guest.Event()}
	s.sensed(t, token, "edge", all...)
	detectors := map[string]bool{}
	eventually(t, "all three alarms stand in cases", func() bool {
		v.drained()
		for _, f := range s.findings(t) {
			detectors[f.Info.Analytic.UID] = true
		}
		return detectors[string(asset.ClearPatientData)] && detectors[string(asset.ARPSpoof)] && detectors[string(asset.ZoneViolation)] && len(s.cases(t)) > 0
	})
	for _, x := range v.talks() {
		switch x.Port {
		case 11112:
			if x.Violates() || x.Verdict.Conduit != "images" || x.ClientName != "CT1" || x.Calls["C-STORE"] != 4 || x.ClientDevice == "" {
				t.Errorf("the images are %+v", x)
			}
		case 3389:
			if !x.Violates() || x.Verdict.FromZone != "gst" || x.Verdict.ToZone != "pacs" {
				t.Errorf("the guest is %+v", x)
			}
		}
	}
	before := v.known()
	if before.Devices == 0 || before.Sessions != 2 || before.Bindings != 1 || before.Conflicts != 1 || before.Alarms != 3 {
		t.Errorf("known is %+v", before)
	}
	v.stop()
	v = s.start(t)
	v.drained()
	if again := v.known(); again != before {
		t.Errorf("after a restart %+v, before %+v", again, before)
	}
	s.sensed(t, token, "edge", all...) // a sensor that had no answer
	v.drained()
	if again := v.known(); again != before {
		t.Errorf("said twice %+v, once %+v", again, before)
	}
	v.verified()
}

// TestNetworkKilled kills the server while a sensor sends, again and again: in
// the end each conversation, device and violation is there once.
func TestNetworkKilled(t *testing.T) {
	rounds := 4
	if os.Getenv(longEnv) != "" {
		rounds = 30
	}
	s := newSite(t, filepath.Join(t.TempDir(), "data"), policed(t))
	begin := s.start(t)
	token := begin.sensorToken("edge")
	begin.stop()
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	sent := 0
	var logs safeBuffer
	for range rounds {
		p := s.spawn(t, &logs)
		s.awaitProcess(t, p, &logs)
		timer := time.AfterFunc(time.Duration(50+rand.IntN(500))*time.Millisecond, p.kill)
		for !p.dead() && sent < 30000 {
			if s.sense(token, "edge", guests(sent, at)...) == http.StatusAccepted {
				sent++ // else it is sent again, as a sensor does
			}
		}
		timer.Stop()
		p.kill()
	}
	v := s.start(t)
	for s.sense(token, "edge", guests(sent, at)...) != http.StatusAccepted {
	}
	sent++
	v.drained()
	if k := v.known(); k.Sessions != 2*sent || k.Devices != sent || k.Alarms != 2*sent {
		t.Errorf("%d times a guest was told of; known is %+v", sent, k)
	}
	v.verified()
}

// guests is what a sensor tells of one guest: a device, and two conversations
// that no conduit allows.
func guests(n int, at time.Time) []*ocsf.Event {
	ip := fmt.Sprintf("10.77.3.%d", 1+n%250)
	mine := talk(ip, fmt.Sprintf("10.77.2.%d", 1+n/250), uint16(1000+n), "", at.Add(time.Duration(n)*time.Millisecond))
	out := talk(ip, "203.0.113.1", uint16(30000+n), "", at.Add(time.Duration(n)*time.Millisecond))
	seen := asset.Observation{At: mine.From * int64(time.Millisecond), MAC: mac(n + 1), Protocol: "arp"}
	return []*ocsf.Event{seen.Event(), mine.Event(), out.Event()}
}

// TestNobodyElseSpeaksForSensors: only the sensors' own way carries their word,
// and their tokens open nothing else.
func TestNobodyElseSpeaksForSensors(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "data"))
	v := s.start(t)
	token := v.sensorToken("edge")
	forged := asset.Alarm{Kind: asset.EvilTwin, At: time.Now().UnixNano(), Sensor: "edge", Culprit: asset.Party{MAC: mac(7)}, Count: 1}.Event()
	line := string(forged.AppendJSON(nil)) + "\n"
	for name, sender := range map[string]string{"an administrator": s.token, "a sensor": token} {
		if status, text := s.as(sender, "POST", "/api/v1/events?format=sensor&source=edge", line); status != http.StatusForbidden {
			t.Errorf("%s speaks for sensors: %d %s", name, status, text)
		}
	}
	seen := asset.Observation{At: time.Now().UnixNano(), MAC: mac(8), IP: netip.MustParseAddr("10.77.1.8"), Protocol: "arp"}.Event()
	if status, text := s.events("ocsf", "emr", line+string(seen.AppendJSON(nil))+"\n"); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, text)
	}
	v.drained()
	if k := v.known(); k.Devices != 0 || k.Findings != 0 {
		t.Errorf("an outsider's word counts: %+v", k)
	}
	wrong := asset.NewEvent(ocsf.APIActivity, 1, "x", time.Now().UnixNano(), "edge")
	s.sensed(t, token, "edge", asset.Sign(wrong)) // taken, and set aside
	eventually(t, "what sensors do not send is set aside", func() bool {
		return strings.Contains(s.must(t, "GET", "/api/v1/quarantine", ""), "none that sensors send")
	})
	for _, path := range []string{"/api/v1/network/devices", "/api/v1/network/conversations", "/api/v1/network/bindings", "/api/v1/network/policies", "/api/v1/network/proof",
		"/api/v1/network/sensors", "/api/v1/incidents", "/api/v1/findings", "/api/v1/sources", "/api/v1/quarantine", "/api/v1/network/isolations", "/api/v1/network/simulations"} {
		if status, _ := s.as(token, "GET", path, ""); status != http.StatusForbidden {
			t.Errorf("a sensor's token reads %s: %d", path, status)
		}
	}
	for path, body := range map[string]string{"/api/v1/network/policies": `{"what":"rollback"}`, "/api/v1/query": `{"sql":"SELECT 1"}`, "/api/v1/network/addresses/history": `{"address":"10.0.0.1"}`} {
		if status, _ := s.as(token, "POST", path, body); status != http.StatusForbidden {
			t.Errorf("a sensor's token may %s: %d", path, status)
		}
	}
	if status, _ := s.as(token, "POST", "/api/v1/sensor/sync", `{"name":"../x"}`); status != http.StatusBadRequest {
		t.Errorf("a sensor may have any name: %d", status)
	}
}

// TestSensorsHaveSeats: two sensors of one name do not take each other's orders.
func TestSensorsHaveSeats(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "data"))
	v := s.start(t)
	one, two := v.sensorToken("one"), v.sensorToken("two")
	report := `{"name":"edge","version":"1","started":1,"enforces":true}`
	if status, text := s.as(one, "POST", "/api/v1/sensor/sync", report); status != http.StatusOK || !strings.Contains(text, `"table"`) {
		t.Errorf("a sensor's first report: %d %s", status, text)
	}
	if status, text := s.as(two, "POST", "/api/v1/sensor/sync", report); status != http.StatusConflict || !strings.Contains(text, "of its own") {
		t.Errorf("another sensor takes the seat: %d %s", status, text)
	}
	if got := v.n.enforce.places(); len(got) != 1 || got[0] != paperPlace {
		t.Errorf("a sensor that nobody named as a router takes orders: %v", got)
	}
	v.n.cfg.Zone.Routers = []string{"edge"}
	if got := v.n.enforce.places(); len(got) != 1 || got[0] != "edge" {
		t.Errorf("places are %v", got)
	}
	if list := s.must(t, "GET", "/api/v1/network/sensors", ""); !strings.Contains(list, `"edge"`) {
		t.Errorf("sensors are %s", list)
	}
}

// imagesAt is what a CT sends to the PACS in one hour.
func imagesAt(ago int) flow.Conversation {
	c := talk("10.77.1.2", "10.77.2.2", 11112, "dicom", time.Now().Add(-time.Duration(ago)*time.Hour))
	c.ClientName, c.ServerName = "CT1", "PACS"
	return c
}
