// Package snmp shuts a port of a switch, for devices that nothing else parts
// from the network, and opens it again.
//
// A port is only shut after a look at it: a port on which the neighbour is a
// switch, an access point or a router (by LLDP), or behind which more than a
// few MAC addresses live, is no device's port, and shutting it would cut off
// many; such a port is refused, and so is one that cannot be looked at. It
// reads IF-MIB, BRIDGE-MIB or Q-BRIDGE-MIB, and LLDP-MIB, and writes
// ifAdminStatus, nothing else. SNMPv2c and v3 (authentication and privacy).
package snmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// Switch is a switch that may be written to.
type Switch struct {
	// Address is host or host:port; the port is 161 unless given.
	Address string
	// Community for SNMPv2c, or User with its secrets for v3 (SHA, AES).
	Community               string
	User, AuthKey, CryptKey string
	// Most is how many MAC addresses a device's port may have. Default: 3.
	Most int
	// Wait is how long an answer may take. Default: 2s.
	Wait time.Duration
}

// Port is what a switch says about one of its ports.
type Port struct {
	// Index is its ifIndex.
	Index int
	Name  string
	// Up is what it is set to.
	Up bool
	// MACs is how many addresses live behind it.
	MACs int
	// Neighbour is the name of a switch, access point or router seen there.
	Neighbour string
}

// The objects used. Source: RFC 2863, RFC 4188, RFC 4363, IEEE 802.1AB.
const (
	oidDescr      = ".1.3.6.1.2.1.2.2.1.2."
	oidAdmin      = ".1.3.6.1.2.1.2.2.1.7."
	oidName       = ".1.3.6.1.2.1.31.1.1.1.1."
	oidPortIndex  = ".1.3.6.1.2.1.17.1.4.1.2"
	oidForward    = ".1.3.6.1.2.1.17.4.3.1.2"
	oidForwardQ   = ".1.3.6.1.2.1.17.7.1.2.2.1.2"
	oidRemoteName = ".1.0.8802.1.1.2.1.4.1.1.9"
	oidRemoteCaps = ".1.0.8802.1.1.2.1.4.1.1.12"
	adminUp       = 1
	adminDown     = 2
)

// mostEntries bounds what is read of a table.
const mostEntries = 100_000

// ErrUplink means that a port is not one device's.
var ErrUplink = errors.New("the port is an uplink")

// Find finds the port behind which an address lives.
func (s Switch) Find(ctx context.Context, mac packet.MAC) (p Port, err error) {
	err = s.with(ctx, func(g *gosnmp.GoSNMP) error {
		v, err := readView(g)
		if err != nil {
			return err
		}
		port, ok := v.where[mac]
		if !ok {
			return fmt.Errorf("switch %s does not see %s; look at the switch it is connected to", s.Address, asset.MACText(mac))
		}
		p, err = v.port(g, v.index[port])
		return err
	})
	return p, err
}

// Look reads one port.
func (s Switch) Look(ctx context.Context, index int) (p Port, err error) {
	err = s.with(ctx, func(g *gosnmp.GoSNMP) error {
		v, err := readView(g)
		if err == nil {
			p, err = v.port(g, index)
		}
		return err
	})
	return p, err
}

// Shut turns a device's port off, and sees that it is.
func (s Switch) Shut(ctx context.Context, index int) (Port, error) {
	p, err := s.Look(ctx, index)
	if err != nil {
		return p, err
	}
	most := s.Most
	if most == 0 {
		most = 3
	}
	switch {
	case p.Neighbour != "":
		return p, fmt.Errorf("port %s of %s leads to %s, which is a switch, access point or router: %w", p.Name, s.Address, p.Neighbour, ErrUplink)
	case p.MACs > most:
		return p, fmt.Errorf("behind port %s of %s are %d addresses, more than %d: %w", p.Name, s.Address, p.MACs, most, ErrUplink)
	}
	return p, s.set(ctx, index, adminDown)
}

// Open turns a port on again, and sees that it is.
func (s Switch) Open(ctx context.Context, index int) error { return s.set(ctx, index, adminUp) }

func (s Switch) set(ctx context.Context, index, state int) error {
	return s.with(ctx, func(g *gosnmp.GoSNMP) error {
		oid := oidAdmin + strconv.Itoa(index)
		answer, err := g.Set([]gosnmp.SnmpPDU{{Name: oid, Type: gosnmp.Integer, Value: state}})
		if err != nil {
			return fmt.Errorf("set port %d of %s: %w", index, s.Address, err)
		}
		if answer.Error != gosnmp.NoError {
			return fmt.Errorf("switch %s refuses to set port %d: %s; may this community or user write", s.Address, index, answer.Error)
		}
		got, err := number(g, oid)
		if err != nil {
			return err
		}
		if got != state {
			return fmt.Errorf("switch %s took the order for port %d but the port stays in state %d", s.Address, index, got)
		}
		return nil
	})
}

// with connects for the time of f.
func (s Switch) with(ctx context.Context, f func(*gosnmp.GoSNMP) error) error {
	g := &gosnmp.GoSNMP{Context: ctx, Target: s.Address, Port: 161, Transport: "udp", Version: gosnmp.Version2c, Community: s.Community,
		Timeout: s.Wait, Retries: 2, MaxOids: gosnmp.MaxOids, MaxRepetitions: 25}
	if s.Wait == 0 {
		g.Timeout = 2 * time.Second
	}
	if host, port, err := net.SplitHostPort(s.Address); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("address of the switch: %w", err)
		}
		g.Target, g.Port = host, uint16(n)
	}
	if s.User != "" {
		g.Version, g.SecurityModel, g.MsgFlags = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.AuthPriv
		g.SecurityParameters = &gosnmp.UsmSecurityParameters{UserName: s.User, AuthenticationProtocol: gosnmp.SHA, AuthenticationPassphrase: s.AuthKey,
			PrivacyProtocol: gosnmp.AES, PrivacyPassphrase: s.CryptKey}
	}
	if err := g.Connect(); err != nil {
		return fmt.Errorf("reach switch %s: %w", s.Address, err)
	}
	return errors.Join(f(g), g.Close())
}

// view is a switch's tables.
type view struct {
	index  map[int]int // bridge port -> ifIndex
	where  map[packet.MAC]int
	count  map[int]int // addresses by ifIndex
	remote map[int]string
}

func readView(g *gosnmp.GoSNMP) (v view, err error) {
	v = view{index: map[int]int{}, where: map[packet.MAC]int{}, count: map[int]int{}, remote: map[int]string{}}
	err = table(g, oidPortIndex, func(key []int, val any) {
		if n, ok := val.(int); ok && len(key) == 1 {
			v.index[key[0]] = n
		}
	})
	forward := func(key []int, val any) {
		port, ok := val.(int)
		if !ok || port == 0 || len(key) < 6 {
			return
		}
		var m packet.MAC
		for i, b := range key[len(key)-6:] {
			m[i] = byte(b)
		}
		if _, twice := v.where[m]; !twice {
			v.count[v.index[port]]++
		}
		v.where[m] = port
	}
	names, caps := map[string]string{}, map[string]bool{}
	if err == nil {
		err = errors.Join(table(g, oidForward, forward), table(g, oidForwardQ, forward),
			table(g, oidRemoteName, func(key []int, val any) { names[fmt.Sprint(key)] = text(val) }),
			table(g, oidRemoteCaps, func(key []int, val any) {
				if len(key) != 3 {
					return
				}
				// BITS: repeater 1, bridge 2, access point 3, router 4.
				b, _ := val.([]byte)
				if len(b) > 0 && b[0]&0x78 != 0 {
					caps[fmt.Sprint(key)] = true
					v.remote[key[1]] = fmt.Sprint(key)
				}
			}))
	}
	for port, key := range v.remote {
		if v.remote[port] = names[key]; names[key] == "" {
			v.remote[port] = "a neighbour without a name"
		}
	}
	return v, err
}

// port reads what is known of an ifIndex. LLDP counts ports its own way: on
// some switches by ifIndex, on others by bridge port; either is taken.
func (v view) port(g *gosnmp.GoSNMP, index int) (p Port, err error) {
	state, err := number(g, oidAdmin+strconv.Itoa(index))
	if err != nil {
		return p, err
	}
	p = Port{Index: index, Up: state == adminUp, MACs: v.count[index], Neighbour: v.remote[index], Name: strconv.Itoa(index)}
	for bridge, i := range v.index {
		if i == index && p.Neighbour == "" {
			p.Neighbour = v.remote[bridge]
		}
	}
	for _, oid := range []string{oidName, oidDescr} {
		answer, err := g.Get([]string{oid + strconv.Itoa(index)})
		if err == nil && len(answer.Variables) == 1 && text(answer.Variables[0].Value) != "" {
			p.Name = text(answer.Variables[0].Value)
			break
		}
	}
	return p, nil
}

func text(v any) string {
	b, _ := v.([]byte)
	return strings.ToValidUTF8(string(b), "")
}

func number(g *gosnmp.GoSNMP, oid string) (int, error) {
	answer, err := g.Get([]string{oid})
	if err != nil {
		return 0, fmt.Errorf("ask switch %s: %w", g.Target, err)
	}
	if len(answer.Variables) == 1 {
		if n, ok := answer.Variables[0].Value.(int); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("switch %s has no such port", g.Target)
}

// table calls f with every row below an object.
func table(g *gosnmp.GoSNMP, oid string, f func(key []int, val any)) error {
	n := 0
	err := g.BulkWalk(oid, func(p gosnmp.SnmpPDU) error {
		if n++; n > mostEntries {
			return fmt.Errorf("a table has more than %d entries, or does not end; shut the port by hand", mostEntries)
		}
		var key []int
		for part := range strings.SplitSeq(strings.TrimPrefix(p.Name, oid+"."), ".") {
			i, err := strconv.Atoi(part)
			if err != nil {
				return nil // not a row of ours
			}
			key = append(key, i)
		}
		f(key, p.Value)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read switch %s: %w", g.Target, err)
	}
	return nil
}
