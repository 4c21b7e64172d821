// Package flow keeps who talked to whom on the network: one record per
// conversation and hour, with clinical names where the content told them.
//
// What it gives. [Conversation], the word that sensors, the map, zones and
// their simulation share, and its form as an OCSF event (Network Activity,
// 4001, activity Traffic). [Book] keeps the hours of the last weeks in the
// store, for questions that must be fast; the events themselves are in the lake
// and in the evidence.
//
// It owns the table flow_hours, written as a delta within the pipeline's
// checkpoint ([Book.Changes]), and forgets hours older than [Keep]. Days that
// are over are summed into flow_days ([Book.RollUp]), with marks in flow_marks
// that tell which sums still hold, and flow_saved numbers the checkpoints.
//
// What it guarantees. A report counts in the hour in which it ends, and is in
// answers as soon as [Book.Apply] returns. Of a conversation that several
// sensors saw, an hour counts what one of them saw: the one that saw most. A
// question costs no more than the hours there are.
//
// What it does not do. It keeps no ports of clients, no single connections and
// no content; the names and calls in it are of machines, never of patients.
package flow

import "net/netip"

// Key names a conversation: who asks, whom, how. The server's port names the
// service; the client's is left out, so that a thousand connections are one
// conversation.
type Key struct {
	Client, Server netip.Addr
	Proto          uint8
	// Port is the server's; 0 for protocols without ports.
	Port uint16
	// App is the protocol found by content (dicom, hl7, tls, http, mysql, ...),
	// "" where none was found.
	App string
}

// Conversation is all traffic of a key in a span of time, as one sensor saw it.
type Conversation struct {
	Key
	// From and Until bound it, in ms since 1970 UTC.
	From, Until int64
	Sensor      string
	VLAN        uint16
	// MACs as seen by the sensor: a router's where the end is behind one;
	// "02:00:00:00:00:01", "" unknown.
	ClientMAC, ServerMAC string
	// ClientName and ServerName are AE titles, MSH-3 and MSH-5, accounts.
	ClientName, ServerName string
	// Sessions counts connections opened (for UDP: series of packets), Refused
	// those that got no answer or a reset.
	Sessions, Refused int64
	// Out is from client to server. Bytes are those of frames.
	PacketsOut, PacketsIn, BytesOut, BytesIn int64
	// Calls counts what was done: C-STORE, ADT^A01, SELECT.
	Calls map[string]int64
	// Clear names what was seen unencrypted: patient, password.
	Clear []string
	// TLS is the version, SNI the server's name asked for.
	TLS, SNI string
}
