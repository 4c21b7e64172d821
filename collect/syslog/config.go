package syslog

import (
	"errors"
	"time"
)

// Config of one syslog listener. Each address may be empty; at least one is
// needed.
type Config struct {
	// UDP, TCP and TLS are listening addresses, host:port. The registered
	// ports are 514 (UDP), 601 (TCP) and 6514 (TLS, RFC 5425).
	UDP string `yaml:"udp"`
	TCP string `yaml:"tcp"`
	TLS string `yaml:"tls"`
	// Cert and Key are PEM files for TLS; ClientCA makes client certificates
	// of that authority mandatory, as IHE ATNA demands.
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"`
	// Source is the name shown on the Sources page.
	Source string `yaml:"source"`
	// MaxMessage is the largest message taken, in bytes.
	MaxMessage int `yaml:"max_message"`
	// Batch and Wait bound how many messages, and for how long, are gathered
	// into one disk write.
	Batch int           `yaml:"batch"`
	Wait  time.Duration `yaml:"wait"`
	// Idle closes a connection on which nothing came for so long.
	Idle time.Duration `yaml:"idle"`
	// MaxConnections bounds the connections served at once.
	MaxConnections int `yaml:"max_connections"`
}

// Default listens on loopback for TCP and UDP.
func Default() Config {
	return Config{
		UDP: "127.0.0.1:5514", TCP: "127.0.0.1:6601", Source: "syslog", MaxMessage: 1 << 20,
		Batch: 500, Wait: 20 * time.Millisecond, Idle: time.Hour, MaxConnections: 512,
	}
}

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	switch {
	case c.UDP == "" && c.TCP == "" && c.TLS == "":
		return errors.New("syslog: no address; give udp, tcp or tls")
	case c.TLS != "" && (c.Cert == "" || c.Key == ""):
		return errors.New("syslog: tls needs cert and key")
	case c.MaxMessage < 480:
		return errors.New("syslog: max_message is below 480 bytes, the least RFC 5424 demands")
	case c.Batch < 1 || c.Batch > 1000:
		return errors.New("syslog: batch must be 1 to 1000")
	}
	return nil
}
