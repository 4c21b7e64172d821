package zone

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/flow"
)

func learnOn(t *testing.T, policy string, all []flow.Conversation, k Knowledge) (Proposal, Policy) {
	t.Helper()
	var p Policy
	if policy != "" {
		var err error
		if p, err = Read([]byte(policy), time.UTC); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Learn(context.Background(), p, sequence(all), k, LearnOptions{Now: testDay, Site: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	back, err := Read([]byte(got.Text()), time.UTC)
	if err != nil {
		t.Fatalf("%v\n%s", err, got.Text())
	}
	for _, x := range back.Check(testDay) {
		if x.Refused {
			t.Errorf("the proposal is refused: %v", x)
		}
	}
	return got, back
}

func conduitFor(p Policy, from, to, word string) *Conduit {
	for i := range p.Conduits {
		if c := &p.Conduits[i]; c.From == from && c.To == to && slices.Contains(c.Allow, word) {
			return c
		}
	}
	return nil
}

func TestLearntPolicyIsSmallAndLetsPassWhatWasSeen(t *testing.T) {
	all := busyHospital()
	for day := 2; day <= 11; day++ { // what must not be learnt
		all = append(all, talkOf(day, "10.9.0.3", "10.5.0.2", 6, 443, "tls", 9, nil), talkOf(day, "10.4.0.30", "10.5.0.2", 6, 1521, "oracle", 9, nil))
		for i := range 60 {
			c := talkOf(day, "10.4.0.66", fmt.Sprintf("10.2.0.%d", 1+i), 6, 104, "", 1, nil)
			c.Refused = 1
			all = append(all, c)
		}
	}
	got, p := learnOn(t, hospital, all, Nobody{})
	if c := conduitFor(p, "ct", "pacs", "dicom"); c == nil || len(c.FromHosts) != 1 || len(c.ToHosts) != 1 || c.ToHosts[0].String() != "10.2.0.5/32" {
		t.Errorf("CT to PACS: %+v", c)
	}
	if c := conduitFor(p, "wards", "infra", "kerberos"); c == nil || c.FromHosts != nil || len(c.ToHosts) != 1 {
		t.Errorf("most wards sign in, so the zone may: %+v", c)
	}
	if c := conduitFor(p, "ct", "infra", "dns"); c == nil || !slices.Contains(c.Allow, "ntp") {
		t.Errorf("two services between the same ends are two conduits: %+v", c)
	}
	if c := conduitFor(p, "lis", "engine", "tcp/6661"); c == nil || !strings.Contains(c.Reason, "learnt, 30 sessions on 10 days, to be reviewed") || c.Expires.Sub(testDay) < 89*24*time.Hour || c.Expires.Sub(testDay) > 91*24*time.Hour {
		t.Errorf("HL7: %+v", c)
	}
	why := map[string]bool{}
	for _, x := range got.Left {
		why[x.Why] = true
	}
	for _, want := range []string{"guest-to-inside", "desktop-sql", "scan", "once", "unanswered", "no-zone", "device-to-internet", "device-peer-to-peer"} {
		if want != "device-peer-to-peer" && !why[want] {
			t.Errorf("nothing left out as %s: %v", want, got.Left)
		}
	}
	if len(got.New) > 7 {
		t.Errorf("%d conduits: %v", len(got.New), got.New)
	}
	r, err := Compile(p, testDay)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Simulate(context.Background(), r, sequence(all), Nobody{}, SimulateOptions{Site: time.UTC})
	if err != nil || s.Sessions-s.DeniedSessions != got.Covered {
		t.Errorf("%d sessions pass, %d were promised, %v", s.Sessions-s.DeniedSessions, got.Covered, err)
	}
	if again, _ := learnOn(t, hospital, all, Nobody{}); again.Text() != got.Text() {
		t.Error("the same input gives another proposal")
	}
}

func TestZonesAreLearntFromNetworksAndDevices(t *testing.T) {
	_, p := learnOn(t, "", busyHospital(), names{"10.1.0.11": {Kind: "ct", Department: "radiology"}, "10.7.0.4": {LifeSupport: true, Kind: "ventilator"}})
	kinds := map[string]string{}
	for _, z := range p.Zones {
		if len(z.Networks) > 0 {
			kinds[z.Networks[0].String()] = z.Kind
		}
		if z.Kind == "life-support" && !z.FailOpen {
			t.Error("life support without fail_open")
		}
	}
	for net, want := range map[string]string{"10.1.0.0/24": "modality", "10.2.0.0/24": "pacs", "10.3.0.0/24": "infrastructure", "10.4.0.0/24": "clinician", "10.6.0.0/24": "integration", "10.7.0.0/24": "life-support"} {
		if kinds[net] != want {
			t.Errorf("%s is %q, want %s", net, kinds[net], want)
		}
	}
	if len(p.Implicit()) == 0 {
		t.Error("the DNS server was not recognised")
	}
}
