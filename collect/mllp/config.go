package mllp

import (
	"errors"
	"time"
)

// Config of one MLLP listener.
type Config struct {
	// Address to listen on, host:port. HL7's registered port is 2575.
	Address string `yaml:"address"`
	// Source is the name shown on the Sources page.
	Source string `yaml:"source"`
	// Cert and Key are PEM files that turn on TLS; ClientCA, a PEM file,
	// makes client certificates of that authority mandatory.
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"`
	// MaxMessage is the largest message taken, in bytes.
	MaxMessage int `yaml:"max_message"`
	// Idle closes a connection on which nothing came for so long.
	Idle time.Duration `yaml:"idle"`
	// MaxConnections bounds the connections served at once.
	MaxConnections int `yaml:"max_connections"`
}

// Default is a listener on loopback that needs no further setting.
func Default() Config {
	return Config{
		Address: "127.0.0.1:2575", Source: "mllp", MaxMessage: 4 << 20,
		Idle: 30 * time.Minute, MaxConnections: 256,
	}
}

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	switch {
	case c.Address == "":
		return errors.New("mllp: address is empty; give host:port, e.g. 0.0.0.0:2575")
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("mllp: cert and key belong together; give both or neither")
	case c.ClientCA != "" && c.Cert == "":
		return errors.New("mllp: client_ca needs cert and key")
	case c.MaxMessage < 1024:
		return errors.New("mllp: max_message is below 1024 bytes")
	}
	return nil
}
