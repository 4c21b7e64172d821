package binding

import (
	"encoding/json"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// CodePair is the event code of a summary.
const CodePair = "pair"

// pairRest is what a summary says beyond OCSF's attributes.
type pairRest struct {
	VLAN   uint16 `json:"vlan,omitempty"`
	Port   string `json:"port,omitempty"`
	How    string `json:"how,omitempty"`
	Server string `json:"server,omitempty"`
	Until  int64  `json:"until,omitempty"` // ms
	Role   Role   `json:"role,omitempty"`
	Also   string `json:"also,omitempty"`
}

// Event is the summary as OCSF Device Inventory Info (5001, activity Collect).
func (s Summary) Event() *ocsf.Event {
	ev := asset.NewEvent(ocsf.InventoryInfo, 2, CodePair, s.At, s.Sensor)
	ev.Device = ocsf.Endpoint{IP: asset.AddrText(s.IP), MAC: asset.MACText(s.MAC)}
	data, _ := json.Marshal(pairRest{s.VLAN, s.Port, s.How, asset.AddrText(s.Server), s.Until / int64(time.Millisecond), s.Role, asset.MACText(s.Also)})
	ev.Unmapped = data
	return asset.Sign(ev)
}

// SummaryOf reads a summary back; false where ev is none.
func SummaryOf(ev *ocsf.Event) (Summary, bool) {
	var r pairRest
	if ev.ClassUID != ocsf.InventoryInfo || ev.Metadata.EventCode != CodePair || !asset.OwnEvent(ev) || json.Unmarshal(ev.Unmapped, &r) != nil {
		return Summary{}, false
	}
	return Summary{
		At: ev.Time * int64(time.Millisecond), Sensor: ev.Metadata.LogProvider, MAC: asset.ParseMAC(ev.Device.MAC), IP: asset.ParseAddr(ev.Device.IP),
		VLAN: r.VLAN, Port: r.Port, How: r.How, Server: asset.ParseAddr(r.Server), Until: r.Until * int64(time.Millisecond), Role: r.Role, Also: asset.ParseMAC(r.Also),
	}, true
}
