package flow

// stored is the body of a row. A change here must still read what older
// versions wrote: members may be added, none renamed.
type stored struct {
	From       int64            `json:"f"`
	Until      int64            `json:"u"`
	VLAN       uint16           `json:"v,omitempty"`
	ClientMAC  string           `json:"cm,omitempty"`
	ServerMAC  string           `json:"sm,omitempty"`
	ClientName string           `json:"cn,omitempty"`
	ServerName string           `json:"sn,omitempty"`
	Sessions   int64            `json:"n,omitempty"`
	Refused    int64            `json:"r,omitempty"`
	PacketsOut int64            `json:"po,omitempty"`
	PacketsIn  int64            `json:"pi,omitempty"`
	BytesOut   int64            `json:"bo,omitempty"`
	BytesIn    int64            `json:"bi,omitempty"`
	Calls      map[string]int64 `json:"c,omitempty"`
	Clear      []string         `json:"x,omitempty"`
	TLS        string           `json:"t,omitempty"`
	SNI        string           `json:"s,omitempty"`
}

func storedOf(c Conversation) stored {
	return stored{c.From, c.Until, c.VLAN, c.ClientMAC, c.ServerMAC, c.ClientName, c.ServerName, c.Sessions, c.Refused,
		c.PacketsOut, c.PacketsIn, c.BytesOut, c.BytesIn, c.Calls, c.Clear, c.TLS, c.SNI}
}

func (s stored) conversation(p place) Conversation {
	return Conversation{
		Key: p.Key, Sensor: p.sensor, From: s.From, Until: s.Until, VLAN: s.VLAN, ClientMAC: s.ClientMAC, ServerMAC: s.ServerMAC,
		ClientName: s.ClientName, ServerName: s.ServerName, Sessions: s.Sessions, Refused: s.Refused,
		PacketsOut: s.PacketsOut, PacketsIn: s.PacketsIn, BytesOut: s.BytesOut, BytesIn: s.BytesIn,
		Calls: s.Calls, Clear: s.Clear, TLS: s.TLS, SNI: s.SNI,
	}
}
