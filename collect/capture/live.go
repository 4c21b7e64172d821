package capture

// LiveConfig says where to listen.
type LiveConfig struct {
	Interfaces []string
	// Promiscuous takes frames for others too, which a mirror port needs.
	Promiscuous bool
	// Fanout, when not 0, shares the frames of the interfaces with all that
	// name the same number, by connection.
	Fanout uint16
}
