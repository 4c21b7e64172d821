// Package asset knows the devices of the hospital: what is on the network,
// what it is and why we think so, whose it is, where it stands, which
// addresses it has had, what it runs and what of that is known to be weak.
//
// What it gives. The words that all of network watching speaks: [Observation]
// (what a sensor saw a device say), [Alarm] (what a sensor found wrong) and
// [Device]. [Book] turns observations into devices: [Book.Apply] takes them in
// the order of the pipeline, [Book.Review] looks at what no observation tells.
// [Knowledge.Classify] says what a device is, how sure that is and because of
// which facts; below a belief of 0.6 it says that it does not know. [ReadList]
// and [Book.Import] take lists in, [Export] gives devices out, [MatchSoftware]
// compares software with offline lists of vulnerabilities.
//
// Observations and alarms travel as OCSF events: Inventory Info (5001) and
// Detection-like Network Activity (4001) whose event code names the alarm, so
// that they are evidence like everything else, and a sensor on another machine
// sends them like any other source.
//
// Which device. A network card (MAC) is one unit, and so is an address where
// no card is known. A packet's card tells its device only until a router is in
// between: a card from which packets of several networks come, or of very many
// addresses, which it did not claim itself (ARP, NDP, DHCP), is a router's, and
// what was said with those addresses belongs to devices behind it. An address
// keeps its device there until what is said contradicts. Units are put
// together only on what no two devices share: a serial number, a chassis id, a
// DUID with the same name; a made-up address with its predecessor's name and
// fingerprint, one after the other. Units stay apart inside, so that putting
// together, by evidence or by hand, can be taken back. Addresses that routers
// share (VRRP, HSRP, GLBP) are nobody's card.
//
// It owns the tables asset_units and asset_state, written as a delta within the
// pipeline's checkpoint ([Book.Changes]), and asset_software and
// asset_weaknesses. What people and lists say is a record of the evidence
// (kind "device") with who, when and why, and is put on top of what was seen.
//
// What it guarantees. A device is listed when Apply returns. What a device is
// depends on its facts, not on their order. Facts, addresses and units are
// bounded; what goes first is the oldest, and the device says that something
// is missing. Each alarm is raised once for a device and what it is about. The
// time a device was last seen is kept to five minutes over a crash.
//
// What it does not do. It sends nothing to anybody: it scans no network and
// fetches no list. It keeps no patient data; the name that a phone gives
// itself may be its owner's and is shown, but never logged. The list of
// vulnerabilities known to be exploited has no versions: what fits it by
// product alone is marked as such and raises no alarm.
package asset

import (
	"net/netip"

	"github.com/cordon-health/cordon/internal/packet"
)

// Observation is one thing seen on the network that tells about one device.
// It never holds patient data.
type Observation struct {
	// At is in ns since 1970 UTC.
	At     int64
	Sensor string
	// MAC is zero where the device is behind a router; IP is invalid where
	// only layer 2 was seen.
	MAC  packet.MAC
	IP   netip.Addr
	VLAN uint16
	// Protocol is what told it: a lower-case word such as dhcp, lldp, dicom.
	Protocol string
	Facts    []Fact
}

// Fact is one claim about a device.
type Fact struct {
	Name  FactName `json:"n"`
	Value string   `json:"v"`
}

// FactName names a kind of fact.
type FactName string

// The kinds of facts.
const (
	FactHostname     FactName = "hostname"
	FactVendorClass  FactName = "vendor-class"    // DHCP option 60, DHCPv6 option 16
	FactDHCPParams   FactName = "dhcp-params"     // option 55 as "1,3,6,15"
	FactClientID     FactName = "client-id"       // option 61, hex
	FactOS           FactName = "os"              //
	FactVendor       FactName = "vendor"          // as the device says it
	FactModel        FactName = "model"           //
	FactFirmware     FactName = "firmware"        //
	FactSerial       FactName = "serial"          //
	FactDescription  FactName = "description"     // LLDP, CDP, SNMP sysDescr
	FactObjectID     FactName = "object-id"       // SNMP sysObjectID, dotted
	FactChassis      FactName = "chassis-id"      // LLDP chassis id, CDP device id
	FactSwitchPort   FactName = "switch-port"     // where it is plugged in, by LLDP or CDP
	FactService      FactName = "service"         // "tcp/104 dicom": it answers there
	FactClientOf     FactName = "client-of"       // "dicom": it calls such services
	FactAETitle      FactName = "ae-title"        // DICOM PS3.8 9.3.2
	FactImplUID      FactName = "dicom-impl-uid"  // Implementation Class UID, PS3.7 D.3.3.2
	FactImplVersion  FactName = "dicom-impl"      // Implementation Version Name
	FactSOPClass     FactName = "dicom-sop"       // abstract syntax it proposed when calling, UID
	FactSOPServed    FactName = "dicom-sop-scp"   // abstract syntax it accepted when called, UID
	FactTransfer     FactName = "dicom-transfer"  // transfer syntax UID
	FactHL7App       FactName = "hl7-application" // MSH-3
	FactHL7Facility  FactName = "hl7-facility"    // MSH-4
	FactHL7Type      FactName = "hl7-type"        // MSH-9
	FactHL7Version   FactName = "hl7-version"     // MSH-12
	FactHL7Charset   FactName = "hl7-charset"     // MSH-18
	FactJA4          FactName = "ja4"             // of a TLS client
	FactSNI          FactName = "sni"             // a server this client asks for
	FactUserAgent    FactName = "user-agent"      //
	FactServerBanner FactName = "server-banner"   // HTTP Server, SSH version, FTP greeting
	FactCertificate  FactName = "certificate"     // "SUBJECT CN; ISSUER CN; not after RFC 3339"
	FactTLSVersion   FactName = "tls-version"     // negotiated, "1.2"
	FactUPnP         FactName = "upnp"            // device type
	FactMDNS         FactName = "mdns-service"    // "_ipp._tcp"
	FactRole         FactName = "role"            // router, dhcp-server, dns-server, ntp-server, switch, access-point
	FactDatabase     FactName = "database"        // "postgresql 15.4" as a server says it
	FactCommunity    FactName = "snmp-community"  // "public" or "private" only: others are secrets
	FactSSID         FactName = "ssid"            // an access point's network, "" hidden
	FactChannel      FactName = "channel"         // of an access point
	FactSecurity     FactName = "security"        // of an access point: open, wep, wpa, owe, wpa2, wpa3
	FactSignal       FactName = "signal"          // dBm, in tens
	FactJoined       FactName = "joined"          // BSSID of the access point a station uses
	FactGuest        FactName = "guest"           // the network for guests that a station joined
)

// Alarm is something a sensor found wrong on the network.
type Alarm struct {
	Kind AlarmKind
	// At is in ns since 1970 UTC.
	At     int64
	Sensor string
	// Culprit is who does it, Victim whom it concerns; either may be unknown.
	Culprit, Victim Party
	VLAN            uint16
	// Network is the SSID or the subnet.
	Network string
	// Args fill the sentence of the alarm; their meaning stands with the kind.
	Args []string
	// Count is how many packets or tries it rests on.
	Count int64
}

// Party is one end of an alarm.
type Party struct {
	MAC  packet.MAC
	IP   netip.Addr
	Port uint16
	// Name is an AE title, an application or a host name.
	Name string
}

// AlarmKind is the stable name of a kind of alarm; the detector of the same
// name in detect/behavior explains it.
type AlarmKind string

// The kinds of alarms.
const (
	// Layer 2, by package binding.
	ARPSpoof       AlarmKind = "arp-spoof"       // a MAC claims a bound or in-use address of another
	NDPSpoof       AlarmKind = "ndp-spoof"       // the same with neighbour advertisements
	GratuitousARP  AlarmKind = "gratuitous-arp"  // unasked claims that change who has an address
	DuplicateIP    AlarmKind = "duplicate-ip"    // two devices use one address at once
	ClonedMAC      AlarmKind = "cloned-mac"      // one MAC at two ports, or with two fingerprints, at once
	RogueDHCP      AlarmKind = "rogue-dhcp"      // an unknown server offers leases
	RogueRA        AlarmKind = "rogue-ra"        // an unknown router advertises itself
	UnboundAddress AlarmKind = "unbound-address" // an address used by who it is not bound to, in a locked network
	FlipFlop       AlarmKind = "flip-flop"       // an address goes to and fro between two devices
	BridgingHost   AlarmKind = "bridging-host"   // one device with feet in two zones
	MovedDevice    AlarmKind = "moved-device"    // a medical device shows up in another network
	StaffOnGuest   AlarmKind = "staff-on-guest"  // a device of the hospital joined a network for guests; Args: whose or what, network
	// Wireless, by collect/wireless.
	RogueAP     AlarmKind = "rogue-access-point" // an unlisted access point with our network's name or on our cable
	EvilTwin    AlarmKind = "evil-twin"          // one that imitates a listed one
	OpenNetwork AlarmKind = "wireless-downgrade" // a listed network offered with weaker protection
	DeauthFlood AlarmKind = "deauth-flood"       // deauthentication or disassociation frames in numbers
	Karma       AlarmKind = "karma"              // one access point answers to every name asked for
	// On the wire, by collect/capture.
	ClearPatientData AlarmKind = "clear-patient-data" // patient data unencrypted; Args: protocol
	ClearPassword    AlarmKind = "clear-password"     // a sign-in unencrypted; Args: protocol
	OldTLS           AlarmKind = "old-tls"            // below TLS 1.2; Args: version, SNI
	Certificate      AlarmKind = "certificate-expiry" // Args: subject, not after
	UnknownAETitle   AlarmKind = "unknown-ae-title"   // an AE title never seen from that address, to a known PACS; names are AE titles
	DICOMSweep       AlarmKind = "dicom-sweep"        // C-FIND for everything, or very many; Args: everything, often or results
	DICOMMove        AlarmKind = "dicom-move"         // C-MOVE to a destination never used before; Args: destination
	UnknownSender    AlarmKind = "hl7-unknown-sender" // MSH-3/4 never seen from that address; names are MSH-3 and MSH-5; Args: MSH-4
	DirectSQL        AlarmKind = "direct-sql"         // a database asked by a device that never asked it before; Args: product, account, database
	SNMPDefault      AlarmKind = "snmp-default"       // community public or private
	// Zones, by package zone.
	ZoneViolation AlarmKind = "zone-violation"  // a conversation that no conduit allows; Args: zone, zone, service
	ZoneDenied    AlarmKind = "zone-denied"     // the same, dropped by the rules; Args: zone, zone, service
	QuarantineTry AlarmKind = "quarantine-talk" // an isolated device goes on trying
	// Devices, by this package.
	NewDevice    AlarmKind = "new-device"     // never seen before; Args: what it is
	AgingDevice  AlarmKind = "aging-device"   // past its end of life or support; Args: what, date
	WeakSoftware AlarmKind = "weak-software"  // known vulnerability; Args: CVE, product, exploited or not
	NewService   AlarmKind = "new-service"    // a known device begins to answer on a port; Args: medical or other, service, kind
	ChangedKind  AlarmKind = "changed-device" // an address or MAC whose behaviour is that of another kind of device
	// Of other sensors (Zeek notices, Suricata alerts).
	IDSAlert AlarmKind = "ids-alert" // Args: what it is called, category, severity 1 (high) to 3
)
