package flow

import (
	"encoding/json"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// CodeConversation is the event code of a conversation.
const CodeConversation = "conversation"

// trafficActivity is Network Activity's activity for a report of traffic.
const trafficActivity = 6

// connectionInfo and traffic are OCSF objects of Network Activity.
type connectionInfo struct {
	Proto uint8 `json:"protocol_num"`
}

type traffic struct {
	PacketsIn  int64 `json:"packets_in,omitempty"`
	PacketsOut int64 `json:"packets_out,omitempty"`
	BytesIn    int64 `json:"bytes_in,omitempty"`
	BytesOut   int64 `json:"bytes_out,omitempty"`
}

// rest is what OCSF has no attribute for.
type rest struct {
	App      string           `json:"app,omitempty"`
	VLAN     uint16           `json:"vlan,omitempty"`
	Until    int64            `json:"until"`
	Sessions int64            `json:"sessions"`
	Refused  int64            `json:"refused,omitempty"`
	Calls    map[string]int64 `json:"calls,omitempty"`
	Clear    []string         `json:"clear,omitempty"`
	TLS      string           `json:"tls,omitempty"`
	SNI      string           `json:"sni,omitempty"`
}

// Event is the conversation as OCSF Network Activity (4001, activity Traffic);
// its time is the span's beginning.
func (c Conversation) Event() *ocsf.Event {
	ev := asset.NewEvent(ocsf.NetworkActivity, trafficActivity, CodeConversation, c.From*int64(time.Millisecond), c.Sensor)
	ev.SrcEndpoint = ocsf.Endpoint{IP: asset.AddrText(c.Client), MAC: c.ClientMAC, Name: c.ClientName}
	ev.DstEndpoint = ocsf.Endpoint{IP: asset.AddrText(c.Server), MAC: c.ServerMAC, Name: c.ServerName, Port: int(c.Port)}
	ev.Extra = []ocsf.Member{
		{Name: "connection_info", Value: raw(connectionInfo{c.Proto})},
		{Name: "traffic", Value: raw(traffic{c.PacketsIn, c.PacketsOut, c.BytesIn, c.BytesOut})},
	}
	ev.Unmapped = raw(rest{c.App, c.VLAN, c.Until, c.Sessions, c.Refused, c.Calls, c.Clear, c.TLS, c.SNI})
	return asset.Sign(ev)
}

// Of reads a conversation back; false where ev is none.
func Of(ev *ocsf.Event) (Conversation, bool) {
	if ev.ClassUID != ocsf.NetworkActivity || ev.ActivityID != trafficActivity || ev.Metadata.EventCode != CodeConversation || !asset.Heard(ev) {
		return Conversation{}, false
	}
	var r rest
	var info connectionInfo
	var t traffic
	if json.Unmarshal(ev.Unmapped, &r) != nil || member(ev, "connection_info", &info) != nil || member(ev, "traffic", &t) != nil {
		return Conversation{}, false
	}
	c := Conversation{
		Key:  Key{Client: asset.ParseAddr(ev.SrcEndpoint.IP), Server: asset.ParseAddr(ev.DstEndpoint.IP), Proto: info.Proto, App: r.App},
		From: ev.Time, Until: r.Until, Sensor: ev.Metadata.LogProvider, VLAN: r.VLAN,
		ClientMAC: ev.SrcEndpoint.MAC, ServerMAC: ev.DstEndpoint.MAC, ClientName: ev.SrcEndpoint.Name, ServerName: ev.DstEndpoint.Name,
		Sessions: r.Sessions, Refused: r.Refused, PacketsOut: t.PacketsOut, PacketsIn: t.PacketsIn, BytesOut: t.BytesOut, BytesIn: t.BytesIn,
		Calls: r.Calls, Clear: r.Clear, TLS: r.TLS, SNI: r.SNI,
	}
	if p := ev.DstEndpoint.Port; p > 0 && p <= 0xffff {
		c.Port = uint16(p)
	}
	return c, c.Client.IsValid() && c.Server.IsValid()
}

func member(ev *ocsf.Event, name string, v any) error {
	for _, m := range ev.Extra {
		if m.Name == name {
			return json.Unmarshal(m.Value, v)
		}
	}
	return nil
}

// raw writes a value of the types above, which always can be written.
func raw(v any) ocsf.RawJSON {
	data, _ := json.Marshal(v)
	return data
}
