package capture

import (
	"net/netip"
	"strconv"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// LLDP. Source: IEEE 802.1AB; ANSI/TIA-1057 (MED inventory); IEEE 802.1Q annex
// D (VLAN).
const (
	lldpChassis      = 1
	lldpPort         = 2
	lldpTTL          = 3
	lldpPortText     = 4
	lldpName         = 5
	lldpText         = 6
	lldpCapabilities = 7
	lldpManagement   = 8
	lldpOwn          = 127

	lldpOUI8021 = 0x0080c2
	lldpOUIMED  = 0x0012bb

	lldpCanBridge  = 1 << 2
	lldpCanWLAN    = 1 << 3
	lldpCanRoute   = 1 << 4
	lldpCanCall    = 1 << 5
	lldpMostFields = 128
)

type lldpMessage struct {
	chassis, port, portText, name, text string
	ttl                                 uint16
	can                                 uint16 // what is enabled
	management                          netip.Addr
	vlan                                uint16
	hardware, firmware, software        string
	serial, manufacturer, model         string
}

func parseLLDP(b []byte) (m lldpMessage, err error) {
	r := seenBytes{b: b}
	for i := 0; i < lldpMostFields; i++ {
		head := r.u16()
		kind, v := head>>9, r.take(int(head&511))
		if r.short {
			return m, errSeenShort
		}
		if (i < 3) != (kind >= lldpChassis && kind <= lldpTTL) {
			return m, errSeenForm // these three come first, and once
		}
		if kind == 0 {
			return m, nil
		}
		m.field(kind, v)
		if len(r.b) == 0 {
			return m, nil // the end is often left out
		}
	}
	return m, errSeenForm
}

func (m *lldpMessage) field(kind uint16, v []byte) {
	r := seenBytes{b: v}
	switch kind {
	case lldpChassis:
		m.chassis = lldpID(r.u8(), r.b, 4, 5)
	case lldpPort:
		m.port = lldpID(r.u8(), r.b, 3, 4)
	case lldpTTL:
		m.ttl = r.u16()
	case lldpPortText:
		m.portText = seenText(v)
	case lldpName:
		m.name = seenText(v)
	case lldpText:
		m.text = seenText(v)
	case lldpCapabilities:
		r.u16()
		m.can = r.u16()
	case lldpManagement:
		length := int(r.u8())
		family := r.u8()
		if a := seenAddr(r.take(length - 1)); a.IsValid() && (family == 1) == a.Is4() && !m.management.IsValid() {
			m.management = a
		}
	case lldpOwn:
		m.own(&r)
	}
}

// lldpID writes an identifier: a MAC or network address where its subtype is
// one, else its text or bytes.
func lldpID(kind uint8, v []byte, mac, address uint8) string {
	switch {
	case kind == mac && len(v) == 6:
		return asset.MACText(packet.MAC(v))
	case kind == address && len(v) > 1:
		if a, ok := netip.AddrFromSlice(v[1:]); ok {
			return a.String()
		}
	}
	return dhcpPort(v)
}

// own reads the fields of other organisations.
func (m *lldpMessage) own(r *seenBytes) {
	switch oui, kind := r.u24(), r.u8(); {
	case oui == lldpOUI8021 && kind == 1:
		m.vlan = r.u16()
	case oui == lldpOUIMED && kind >= 5 && kind <= 10:
		into := []*string{&m.hardware, &m.firmware, &m.software, &m.serial, &m.manufacturer, &m.model}
		*into[kind-5] = seenText(r.b)
	}
}

func (m *lldpMessage) facts(o *asset.Observation) {
	seenAdd(o, asset.FactChassis, m.chassis)
	seenAdd(o, asset.FactHostname, m.name)
	seenAdd(o, asset.FactDescription, m.text)
	seenAdd(o, asset.FactVendor, m.manufacturer)
	seenAdd(o, asset.FactModel, m.model)
	seenAdd(o, asset.FactSerial, m.serial)
	seenAdd(o, asset.FactFirmware, m.firmware)
	seenAdd(o, asset.FactFirmware, m.software)
	for _, role := range []struct {
		bit  uint16
		name string
	}{{lldpCanBridge, "switch"}, {lldpCanWLAN, "access-point"}, {lldpCanRoute, "router"}, {lldpCanCall, "phone"}} {
		if m.can&role.bit != 0 {
			seenAdd(o, asset.FactRole, role.name)
		}
	}
	// The port a switch speaks from is where the wire that is watched ends. Of
	// an end device it would be its own card, which is told by its address.
	if m.can&lldpCanBridge != 0 {
		device := m.name
		if device == "" {
			device = m.chassis
		}
		port := seenPort(device, m.port)
		if m.vlan != 0 {
			port += " vlan " + strconv.Itoa(int(m.vlan))
		}
		seenAdd(o, asset.FactSwitchPort, port)
	}
}

type lldpDissector struct{ lately *seenLately }

func newLLDP() PacketDissector { return &lldpDissector{newSeenLately(300)} }

func (*lldpDissector) Name() string { return "lldp" }
func (*lldpDissector) Match() Match { return Match{Types: []uint16{packet.TypeLLDP}} }

func (d *lldpDissector) Packet(f *packet.Frame, out Out) error {
	if d.lately.same(f, f.L3) {
		return nil
	}
	m, err := parseLLDP(f.L3)
	if m.ttl == 0 { // nothing read, or a goodbye
		return err
	}
	o := seenFrom(f, "lldp")
	o.IP = m.management
	m.facts(&o)
	seenTell(out, o)
	return err
}
