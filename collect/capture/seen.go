package capture

// Discovery returns the dissectors that tell what is on the network: who has
// which address, and what each device says of itself. What they tell is about
// machines; contents that people exchange, account names, secrets, paths and
// queries are read over and never kept.
//
// Each call makes new ones: they remember a little of what passed, so those of
// one capture must not be used in another at the same time.
func Discovery() (packets []PacketDissector, streams []StreamDissector) {
	packets = []PacketDissector{
		newARP(), newNDP(), newLLDP(), newCDP(), newLACP(), newEAPOL(),
		newVRRP(), newHSRP(),
		newDHCP(), newDHCP6(), newDNS(), newMDNS(), newSSDP(), newWSD(),
		newNBNS(), newNBDGM(), newSNMP(), newNTP(), newRADIUS(), newQUIC(), newDTLS(), newBACnet(),
	}
	streams = []StreamDissector{
		newTLS(), newSTARTTLS(), newHTTP(), newSMB(), newRDP(),
		newSSH(), newGreeting(), newTelnet(), newVNC(), newModbus(), newS7(),
	}
	return packets, streams
}
