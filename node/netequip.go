package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/zone"
	"github.com/cordon-health/cordon/zone/radius"
	"github.com/cordon-health/cordon/zone/snmp"
)

// radiusServer is one line of zone.radius.
type radiusServer struct {
	// Name is shown in actions; Address is host:port of the switch, access
	// point or controller that ends sessions (RFC 5176, usual port 3799).
	Name    string `yaml:"name"`
	Address string `yaml:"address"`
	// Secret is shared with it, or $NAME of an environment variable.
	Secret string `yaml:"secret"`
	// Wait is how long an answer may take.
	Wait time.Duration `yaml:"wait"`
}

// snmpSwitch is one line of zone.snmp.
type snmpSwitch struct {
	// Name is shown in actions; Address is host or host:port of the switch.
	Name    string `yaml:"name"`
	Address string `yaml:"address"`
	// Community is for SNMPv2c, or $NAME of an environment variable.
	Community string `yaml:"community"`
	// User, AuthKey and CryptKey are for SNMPv3 (SHA, AES); the keys may be
	// $NAME of environment variables.
	User     string `yaml:"user"`
	AuthKey  string `yaml:"auth_key"`
	CryptKey string `yaml:"crypt_key"`
	// Most is how many MAC addresses may stand at a port that is shut; 0 takes 3.
	Most int `yaml:"most"`
	// Wait is how long an answer may take.
	Wait time.Duration `yaml:"wait"`
}

// fromEnv resolves $NAME in each; a variable that is not set is a mistake, not
// an empty secret.
func fromEnv(secrets ...*string) error {
	for _, s := range secrets {
		name, is := strings.CutPrefix(*s, "$")
		if !is {
			continue
		}
		if *s = os.Getenv(name); *s == "" {
			return fmt.Errorf("the environment variable %s is empty or not set; set it for the service, or write the secret here", name)
		}
	}
	return nil
}

// equipment is what ends sessions and shuts ports; nil where it is not set up.
func (n *Node) equipment() (zone.Sessions, zone.Ports, error) {
	var sessions radiusSessions
	var ports switchPorts
	if err := listOf(n.cfg.Zone.RADIUS, func(s radiusServer) error {
		if s.Address == "" || s.Secret == "" {
			return errors.New("address or secret is empty; give both")
		}
		if err := fromEnv(&s.Secret); err != nil {
			return err
		}
		sessions = append(sessions, namedNAS{s.Name, radius.NAS{Address: s.Address, Secret: s.Secret, Wait: s.Wait, Now: n.now}})
		return nil
	}); err != nil {
		return nil, nil, fmt.Errorf("zone.radius: %w", err)
	}
	if err := listOf(n.cfg.Zone.SNMP, func(s snmpSwitch) error {
		if s.Name == "" || s.Address == "" || s.Community == "" && s.User == "" || strings.Contains(s.Name, "/") {
			return errors.New("name (without a slash), address, or both community and user are missing")
		}
		if err := fromEnv(&s.Community, &s.AuthKey, &s.CryptKey); err != nil {
			return err
		}
		ports = append(ports, namedSwitch{s.Name, snmp.Switch{Address: s.Address, Community: s.Community, User: s.User, AuthKey: s.AuthKey, CryptKey: s.CryptKey, Most: s.Most, Wait: s.Wait}})
		return nil
	}); err != nil {
		return nil, nil, fmt.Errorf("zone.snmp: %w", err)
	}
	var a zone.Sessions
	var b zone.Ports
	if sessions != nil {
		a = sessions
	}
	if ports != nil {
		b = ports
	}
	return a, b, nil
}

// listOf decodes a list strictly.
func listOf[T any](raw yaml.Node, add func(T) error) error {
	if raw.IsZero() {
		return nil
	}
	if raw.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: must be a list", raw.Line)
	}
	for _, item := range raw.Content {
		var v T
		if err := strict.Decode(item, &v); err != nil {
			return err
		}
		if err := add(v); err != nil {
			return fmt.Errorf("line %d: %w", item.Line, err)
		}
	}
	return nil
}

// radiusSessions asks all equipment; one of them has the session.
type radiusSessions []namedNAS

type namedNAS struct {
	name string
	nas  radius.NAS
}

// Disconnect implements [zone.Sessions].
func (all radiusSessions) Disconnect(ctx context.Context, device packet.MAC) (string, error) {
	var errs []error
	for _, x := range all {
		err := x.nas.Disconnect(ctx, radius.Session{Device: device})
		if err == nil {
			return x.name + " ended the session", nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", x.name, err))
	}
	return "", errors.Join(errs...)
}

// switchPorts are the ports of all switches, named SWITCH/INDEX NAME.
type switchPorts []namedSwitch

type namedSwitch struct {
	name string
	at   snmp.Switch
}

// Find implements [zone.Ports].
func (all switchPorts) Find(ctx context.Context, device packet.MAC) (string, bool, error) {
	var errs []error
	for _, s := range all {
		p, err := s.at.Find(ctx, device)
		if err == nil {
			return fmt.Sprintf("%s/%d %s", s.name, p.Index, p.Name), p.Up, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
	}
	return "", false, errors.Join(errs...)
}

// Shut implements [zone.Ports].
func (all switchPorts) Shut(ctx context.Context, port string) error {
	s, index, err := all.port(port)
	if err != nil {
		return err
	}
	_, err = s.Shut(ctx, index)
	return err
}

// Open implements [zone.Ports].
func (all switchPorts) Open(ctx context.Context, port string) error {
	s, index, err := all.port(port)
	if err != nil {
		return err
	}
	return s.Open(ctx, index)
}

func (all switchPorts) port(text string) (snmp.Switch, int, error) {
	name, rest, _ := strings.Cut(text, "/")
	digits, _, _ := strings.Cut(rest, " ")
	index, err := strconv.Atoi(digits)
	for _, s := range all {
		if err == nil && s.name == name {
			return s.at, index, nil
		}
	}
	return snmp.Switch{}, 0, fmt.Errorf("no switch of zone.snmp has port %q any more", text)
}
