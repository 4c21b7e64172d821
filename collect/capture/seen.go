package capture

import "net/netip"

// Discovery returns the dissectors that tell what is on the network: who has
// which address, and what each device says of itself. What they tell is about
// machines; contents that people exchange, account names, secrets, paths and
// queries are read over and never kept.
//
// own are networks of the hospital with public addresses. Private ones need not
// be named, nor those seen on the wire itself; of others nothing is told, as
// they are the internet.
//
// Each call makes new ones: they remember a little of what passed, so those of
// one capture must not be used in another at the same time.
func Discovery(own ...netip.Prefix) (packets []PacketDissector, streams []StreamDissector) {
	net := &insideNet{own: own, learnt: map[netip.Prefix]bool{}}
	packets = []PacketDissector{
		newARP(), newNDP(), newLLDP(), newCDP(), newLACP(), newEAPOL(),
		newVRRP(), newHSRP(),
		newDHCP(), newDHCP6(), newDNS(), newMDNS(), newSSDP(), newWSD(),
		newNBNS(), newNBDGM(), newSNMP(), newNTP(), newRADIUS(), newQUIC(), newDTLS(), newBACnet(),
	}
	for i, d := range packets {
		packets[i] = &insidePackets{d, insideOut{net: net}}
	}
	streams = []StreamDissector{
		newTLS(), newSTARTTLS(), newHTTP(), newSMB(), newRDP(),
		newSSH(), newGreeting(), newTelnet(), newVNC(), newModbus(), newS7(),
	}
	for i, d := range streams {
		streams[i] = &insideStreams{d, net}
	}
	return packets, streams
}
