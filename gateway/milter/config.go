package milter

import (
	"errors"
	"strings"
	"time"
)

// Config of the milter door.
type Config struct {
	// Listen is host:port, or the path of a socket after unix:, as the mail
	// server's smtpd_milters names it; empty keeps the door shut. The milter
	// protocol knows no encryption and no sign-in, so it belongs on loopback or
	// a socket.
	Listen string `yaml:"listen"`
	// MaxConnections bounds the connections served at once.
	MaxConnections int `yaml:"max_connections"`
	// Idle closes a connection on which nothing came for so long.
	Idle time.Duration `yaml:"idle"`
}

// Default is a shut door.
func Default() Config {
	return Config{MaxConnections: 256, Idle: 10 * time.Minute}
}

// Check says what is wrong with the configuration.
func (c Config) Check() error {
	switch {
	case c.Listen == "":
		return nil
	case strings.HasPrefix(c.Listen, "unix:") && !strings.HasPrefix(c.Listen, "unix:/"):
		return errors.New("gateway.milter: a socket's path begins with /, e.g. unix:/run/cordon/milter.sock")
	case c.MaxConnections < 1 || c.Idle <= 0:
		return errors.New("gateway.milter: max_connections and idle must be above nothing")
	}
	return nil
}
