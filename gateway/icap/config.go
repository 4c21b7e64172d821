package icap

import (
	"errors"
	"time"
)

// Config of the ICAP door.
type Config struct {
	// Listen is host:port, usually 127.0.0.1:1344; empty keeps the door shut.
	// Whoever may connect may have contents judged, so an address other than
	// loopback should be secured by cert, key and client_ca.
	Listen string `yaml:"listen"`
	// Cert and Key are PEM files that turn on TLS (icaps); ClientCA, a PEM
	// file, makes client certificates of that authority mandatory.
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"`
	// Preview is how many bytes of a body the proxy sends before it waits.
	Preview int `yaml:"preview"`
	// MaxConnections bounds the connections served at once.
	MaxConnections int `yaml:"max_connections"`
	// Idle closes a connection on which nothing came for so long.
	Idle time.Duration `yaml:"idle"`
	// UserBase64 says that the proxy sends user names in base64.
	UserBase64 bool `yaml:"user_base64"`
}

// Default is a shut door whose other settings fit Squid.
func Default() Config {
	return Config{Preview: 4096, MaxConnections: 256, Idle: 5 * time.Minute}
}

// Check says what is wrong with the configuration.
func (c Config) Check() error {
	switch {
	case c.Listen == "":
		return nil
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("gateway.icap: cert and key belong together; give both or neither")
	case c.ClientCA != "" && c.Cert == "":
		return errors.New("gateway.icap: client_ca needs cert and key")
	case c.Preview < 0 || c.Preview > 1<<20:
		return errors.New("gateway.icap: preview is 0 to 1048576 bytes")
	case c.MaxConnections < 1 || c.Idle <= 0:
		return errors.New("gateway.icap: max_connections and idle must be above nothing")
	}
	return nil
}
