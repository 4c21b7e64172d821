package zone

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// Settings are how departments are kept apart by this server and its sensors.
type Settings struct {
	// Policy is a file of zones and conduits that conversations are judged by,
	// as long as none was staged or enforced through Cordon.
	Policy string `yaml:"policy"`
	// Enforce says that this machine is a router between zones: policies are
	// loaded into its kernel. It needs Linux and root (CAP_NET_ADMIN).
	Enforce bool `yaml:"enforce"`
	// Routers names the sensors on other routers that take orders (cordon
	// sensor --enforce). A sensor that is not named here is never given a
	// policy, whatever it says of itself.
	Routers []string `yaml:"routers"`
	// NetNS is the network namespace it routes in; empty is its own.
	NetNS string `yaml:"netns"`
	// Strict also refuses TCP connections whose beginning was not seen
	// (net.netfilter.nf_conntrack_tcp_loose=0).
	Strict bool `yaml:"strict"`
	// Guard puts locked addresses to work in the bridges of this machine:
	// forged ARP, unbound addresses, cloned MACs and rogue DHCP are dropped.
	Guard bool `yaml:"guard"`
	// Most bounds how many devices are isolated at a time; 0 takes 5.
	Most int `yaml:"most"`
	// Never lists addresses, networks and MACs that are never isolated: gateways,
	// DNS, DHCP, NTP, domain controllers. Devices of life support, zones that
	// are fail-open, and Cordon's own addresses need not stand in it.
	Never []string `yaml:"never"`
	// Probes is a file of probes that verify what is enforced (see
	// docs/zones.md): who tries what, and whether it has to pass.
	Probes string `yaml:"probes"`
	// RADIUS lists equipment that ends sessions on request: name, address,
	// secret (see zone/radius).
	RADIUS yaml.Node `yaml:"radius"`
	// SNMP lists switches whose ports may be shut: name, address, and a
	// community or a user (see zone/snmp).
	SNMP yaml.Node `yaml:"snmp"`
}

// Check says what is wrong with the settings.
func (s Settings) Check() error {
	switch {
	case s.Most < 0:
		return errors.New("zone.most must not be negative")
	case s.NetNS != "" && !s.Enforce && !s.Guard:
		return errors.New("zone.netns is set, but neither zone.enforce nor zone.guard")
	}
	_, err := s.Spared()
	return err
}

// Spared tells of an address whether Never lists it.
func (s Settings) Spared() (func(Isolation) bool, error) {
	var networks []netip.Prefix
	var macs []packet.MAC
	for _, text := range s.Never {
		if mac := asset.ParseMAC(text); mac != (packet.MAC{}) {
			macs = append(macs, mac)
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, errAddr := netip.ParseAddr(text)
			if errAddr != nil {
				return nil, fmt.Errorf("zone.never: %q is no address, network or MAC", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		networks = append(networks, p)
	}
	return func(i Isolation) bool {
		return i.MAC != (packet.MAC{}) && slices.Contains(macs, i.MAC) ||
			slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(i.IP.Unmap()) })
	}, nil
}
