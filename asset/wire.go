package asset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// What events about the network have in common.
const (
	// LogName is the log_name of what sensors send, Product the product.
	LogName = "sensor"
	Product = "Cordon"
	// CodeSeen is the event code of an observation.
	CodeSeen = "seen"
)

// OwnEvent says whether an event is the word of one of Cordon's own sensors.
func OwnEvent(ev *ocsf.Event) bool {
	return ev.Metadata.LogName == LogName && ev.Metadata.Product.Name == Product
}

// Heard says whether an event tells of the network: the word of one of
// Cordon's own sensors, or what normalize made of another sensor's log. What
// others tell adds devices and conversations, and no alarm but [IDSAlert].
func Heard(ev *ocsf.Event) bool {
	return OwnEvent(ev) || slices.Contains(ForeignLogs(), ev.Metadata.LogName)
}

// ForeignLogs are the formats of other sensors' logs.
func ForeignLogs() []string { return []string{"zeek", "suricata", "dhcp-log", "radius-log"} }

// NewEvent makes the frame of an event of the network: class, code, time (ns)
// and sensor. The uid is set by [Sign], last.
func NewEvent(class ocsf.Class, activity int, code string, at int64, sensor string) *ocsf.Event {
	return &ocsf.Event{
		ClassUID: class, ActivityID: activity, SeverityID: ocsf.SeverityInformational, Time: at / int64(time.Millisecond),
		Metadata: ocsf.Metadata{Version: ocsf.Version, Product: ocsf.Product{Name: Product}, LogName: LogName, LogProvider: sensor, EventCode: code},
	}
}

// Sign gives an event the uid that follows from its content, so that the same
// word said twice is one event.
func Sign(ev *ocsf.Event) *ocsf.Event {
	ev.Metadata.UID = ""
	sum := sha256.Sum256(ev.AppendJSON(nil))
	ev.Metadata.UID = "sha256:" + hex.EncodeToString(sum[:16])
	return ev
}

// seenRest is what an observation says beyond OCSF's attributes.
type seenRest struct {
	Protocol string `json:"protocol"`
	VLAN     uint16 `json:"vlan,omitempty"`
	Facts    []Fact `json:"facts,omitempty"`
}

// Event is the observation as OCSF Device Inventory Info (5001, activity
// Collect).
func (o Observation) Event() *ocsf.Event {
	ev := NewEvent(ocsf.InventoryInfo, 2, CodeSeen, o.At, o.Sensor)
	ev.Device = ocsf.Endpoint{IP: AddrText(o.IP), MAC: MACText(o.MAC)}
	for _, f := range o.Facts {
		if f.Name == FactHostname {
			ev.Device.Hostname = f.Value
			break
		}
	}
	ev.Unmapped = rest(seenRest{o.Protocol, o.VLAN, o.Facts})
	return Sign(ev)
}

// ObservationOf reads an observation back; false where ev is none.
func ObservationOf(ev *ocsf.Event) (Observation, bool) {
	var r seenRest
	if ev.ClassUID != ocsf.InventoryInfo || ev.Metadata.EventCode != CodeSeen || !Heard(ev) || json.Unmarshal(ev.Unmapped, &r) != nil {
		return Observation{}, false
	}
	return Observation{
		At: ev.Time * int64(time.Millisecond), Sensor: ev.Metadata.LogProvider, MAC: ParseMAC(ev.Device.MAC), IP: ParseAddr(ev.Device.IP),
		VLAN: r.VLAN, Protocol: r.Protocol, Facts: r.Facts,
	}, true
}

// alarmRest is what an alarm says beyond OCSF's attributes.
type alarmRest struct {
	VLAN    uint16   `json:"vlan,omitempty"`
	Network string   `json:"network,omitempty"`
	Args    []string `json:"args,omitempty"`
	Count   int64    `json:"count,omitempty"`
}

// Event is the alarm as OCSF Network Activity (4001, activity Other) whose
// event code is its kind: the culprit is the source, the victim the
// destination.
func (a Alarm) Event() *ocsf.Event {
	ev := NewEvent(ocsf.NetworkActivity, ocsf.ActivityOther, string(a.Kind), a.At, a.Sensor)
	ev.SeverityID = ocsf.SeverityMedium
	ev.SrcEndpoint, ev.DstEndpoint = a.Culprit.endpoint(), a.Victim.endpoint()
	ev.Unmapped = rest(alarmRest{a.VLAN, a.Network, a.Args, a.Count})
	return Sign(ev)
}

// AlarmOf reads an alarm back; false where ev is none.
func AlarmOf(ev *ocsf.Event) (Alarm, bool) {
	var r alarmRest
	code := ev.Metadata.EventCode
	mine := OwnEvent(ev) || code == string(IDSAlert) && Heard(ev)
	if ev.ClassUID != ocsf.NetworkActivity || ev.ActivityID != ocsf.ActivityOther || code == "" || !mine || json.Unmarshal(ev.Unmapped, &r) != nil {
		return Alarm{}, false
	}
	return Alarm{
		Kind: AlarmKind(code), At: ev.Time * int64(time.Millisecond), Sensor: ev.Metadata.LogProvider,
		Culprit: partyOf(ev.SrcEndpoint), Victim: partyOf(ev.DstEndpoint), VLAN: r.VLAN, Network: r.Network, Args: r.Args, Count: r.Count,
	}, true
}

func (p Party) endpoint() ocsf.Endpoint {
	return ocsf.Endpoint{IP: AddrText(p.IP), MAC: MACText(p.MAC), Port: int(p.Port), Name: p.Name}
}

func partyOf(e ocsf.Endpoint) Party {
	p := Party{MAC: ParseMAC(e.MAC), IP: ParseAddr(e.IP), Name: e.Name}
	if e.Port > 0 && e.Port <= 0xffff {
		p.Port = uint16(e.Port)
	}
	return p
}

// rest writes what has no place in OCSF; its types always can be written.
func rest(v any) ocsf.RawJSON {
	data, _ := json.Marshal(v)
	return data
}

// MACText writes a MAC as "02:00:00:00:00:01", the zero one as "".
func MACText(m packet.MAC) string {
	if m == (packet.MAC{}) {
		return ""
	}
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// ParseMAC reads a MAC in the usual spellings (colons, dashes, Cisco's dots,
// bare); zero where it is none.
func ParseMAC(s string) packet.MAC {
	var m packet.MAC
	bare := strings.NewReplacer(":", "", "-", "", ".", "").Replace(strings.TrimSpace(s))
	if len(bare) != 2*len(m) {
		return packet.MAC{}
	}
	for i := range m {
		n, err := strconv.ParseUint(bare[2*i:2*i+2], 16, 8)
		if err != nil {
			return packet.MAC{}
		}
		m[i] = byte(n)
	}
	return m
}

// AddrText writes an address, an invalid one as "".
func AddrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// ParseAddr reads an address; invalid where it is none.
func ParseAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
