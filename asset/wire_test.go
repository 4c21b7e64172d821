package asset

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

func sameAddr() cmp.Option { return cmp.Comparer(func(a, b netip.Addr) bool { return a == b }) }

// TestWire: what sensors say comes back from its event as it was, also through
// the event's JSON.
func TestWire(t *testing.T) {
	through := func(ev *ocsf.Event) *ocsf.Event {
		var back ocsf.Event
		if err := ocsf.Decode(ev.AppendJSON(nil), &back); err != nil {
			t.Fatal(err)
		}
		return &back
	}
	o := Observation{At: 1772439327123e6, Sensor: "core", MAC: packet.MAC{2, 0, 0, 0, 0, 1}, IP: netip.MustParseAddr("10.2.0.9"), VLAN: 20, Protocol: "dicom",
		Facts: []Fact{{FactAETitle, "CT1"}, {FactHostname, "ct-room-2"}}}
	got, ok := ObservationOf(through(o.Event()))
	if diff := cmp.Diff(o, got, sameAddr()); !ok || diff != "" {
		t.Error(diff)
	}
	a := Alarm{Kind: ARPSpoof, At: 1772439327123e6, Sensor: "core", Culprit: Party{MAC: o.MAC, IP: o.IP, Port: 104, Name: "CT1"},
		Victim: Party{IP: netip.MustParseAddr("2001:db8::1")}, VLAN: 7, Network: "10.2.0.0/24", Args: []string{"a", "b"}, Count: 3}
	back, ok := AlarmOf(through(a.Event()))
	if diff := cmp.Diff(a, back, sameAddr()); !ok || diff != "" {
		t.Error(diff)
	}
	if again := o; again.Event().Metadata.UID != o.Event().Metadata.UID || a.Event().Metadata.UID == o.Event().Metadata.UID {
		t.Error("uids do not follow from the content")
	}
	other := o.Event()
	other.Metadata.Product.Name = "Something"
	if _, ok := ObservationOf(other); ok {
		t.Error("the word of another product counts")
	}
}

func TestParseMAC(t *testing.T) {
	want := packet.MAC{0x00, 0x1b, 0x21, 0xaa, 0xbb, 0xcc}
	for _, s := range []string{"00:1b:21:aa:bb:cc", "00-1B-21-AA-BB-CC", "001b.21aa.bbcc", "001b21aabbcc", " 00:1b:21:aa:bb:cc "} {
		if got := ParseMAC(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
	for _, s := range []string{"", "00:1b:21", "zz:1b:21:aa:bb:cc", "00:1b:21:aa:bb:cc:dd"} {
		if got := ParseMAC(s); got != (packet.MAC{}) {
			t.Errorf("%q: %v", s, got)
		}
	}
}
