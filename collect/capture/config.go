package capture

import (
	"time"

	"github.com/cordon-health/cordon/flow"
)

// Config is what an engine is made of. All but Out may be left empty.
type Config struct {
	// Sensor is named in everything that is told.
	Sensor  string
	Packets []PacketDissector
	Streams []StreamDissector
	Out     Out
	// Flow takes conversations: a new one within a second, then what was added
	// to it in every interval.
	Flow func(flow.Conversation)
	// WiFi takes frames of 802.11 with their radio headers; data lives until it
	// returns.
	WiFi func(link int, at int64, size int, data []byte)

	// Interval is how often conversations are told; it divides an hour. Default
	// one minute.
	Interval time.Duration
	// Connections bounds the table of connections; the one idle longest is told
	// and forgotten where more are open. Default 131,072, some 25 MB.
	Connections int
	// Memory bounds what waits to be put in order, in bytes. Default 48 MiB.
	Memory int
	// Twice drops a frame that was seen a moment before with another tag or
	// hop: mirrors that copy a packet on its way in and on its way out.
	Twice bool
}

func (c *Config) defaults() {
	if c.Interval <= 0 {
		c.Interval = time.Minute
	}
	if c.Connections <= 0 {
		c.Connections = 1 << 17
	}
	if c.Memory <= 0 {
		c.Memory = 48 << 20
	}
}
