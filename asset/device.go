package asset

import "github.com/cordon-health/cordon/ocsf"

// Device is one machine. Times are ms since 1970 UTC.
type Device struct {
	// ID never changes: made at first sight, from MAC or address.
	ID string `json:"id"`
	// MACs and IPs are the present ones, newest first.
	MACs []string `json:"macs,omitempty"`
	IPs  []string `json:"ips,omitempty"`
	Name string   `json:"name,omitempty"`
	// What is what we take it to be, Uncertain what else it might be.
	What      Classification `json:"what"`
	Uncertain []Guess        `json:"other_guesses,omitempty"`
	// Decided says that a person said what it is.
	Decided bool `json:"decided,omitempty"`

	// What was seen.
	First   int64       `json:"first"`
	Last    int64       `json:"last"`
	Sensors []string    `json:"sensors,omitempty"`
	Facts   []KnownFact `json:"facts,omitempty"`
	// Addresses is the history, newest first.
	Addresses []Address `json:"addresses,omitempty"`
	Switch    string    `json:"switch_port,omitempty"`
	// Private says that its MAC is made up by the device (locally
	// administered), as phones do.
	Private bool `json:"private_address,omitempty"`
	// Together are the parts one device was put together from, and why.
	Together []Part `json:"parts,omitempty"`
	// More says that facts or addresses were left out, the oldest first.
	More bool `json:"more,omitempty"`

	// What people and imports said. Owner is a person_id, Criticality 1 (low)
	// to 4 (critical), EndOfLife and SupportEnds are dates.
	Owner       string `json:"owner,omitempty"`
	Department  string `json:"department,omitempty"`
	Location    string `json:"location,omitempty"`
	Criticality int    `json:"criticality,omitempty"`
	LifeSupport bool   `json:"life_support,omitempty"`
	Retired     bool   `json:"retired,omitempty"`
	Serial      string `json:"serial,omitempty"`
	Firmware    string `json:"firmware,omitempty"`
	EndOfLife   string `json:"end_of_life,omitempty"`
	SupportEnds string `json:"support_ends,omitempty"`
	// SupportOf is the operating system from which SupportEnds follows where
	// nobody said it.
	SupportOf string   `json:"support_ends_of,omitempty"`
	Notes     string   `json:"notes,omitempty"`
	Imported  []string `json:"imported_from,omitempty"`
	// Changed is what people changed, newest first.
	Changed []Change `json:"changes,omitempty"`

	Software   []Software `json:"software,omitempty"`
	Weaknesses []Weakness `json:"weaknesses,omitempty"`
	// Zone is filled by who knows zones.
	Zone string `json:"zone,omitempty"`
}

// Part is one network card or address of a device, and why it belongs to it.
type Part struct {
	ID  string    `json:"id"`
	Why ocsf.Text `json:"why"`
}

// Classification says what a device is, why, and how sure that is. An empty
// Kind is unknown.
type Classification struct {
	Kind       string  `json:"kind,omitempty"` // kebab-case: ct, mr, ultrasound, infusion-pump, pacs, workstation, printer, ...
	Vendor     string  `json:"vendor,omitempty"`
	Model      string  `json:"model,omitempty"`
	OS         string  `json:"os,omitempty"`
	Confidence float64 `json:"confidence"` // 0 to 1
	// Medical devices stand first everywhere.
	Medical bool `json:"medical,omitempty"`
	// Because names the facts it rests on, strongest first.
	Because []ocsf.Text `json:"because,omitempty"`
}

// Guess is a weaker classification.
type Guess struct {
	Kind       string  `json:"kind"`
	Confidence float64 `json:"confidence"`
}

// KnownFact is a fact and when it was seen.
type KnownFact struct {
	Fact
	Protocol string `json:"protocol"`
	First    int64  `json:"first"`
	Last     int64  `json:"last"`
	Times    int64  `json:"times"`
}

// Address is one pair the device has had.
type Address struct {
	MAC  string `json:"mac,omitempty"`
	IP   string `json:"ip,omitempty"`
	VLAN uint16 `json:"vlan,omitempty"`
	// Port is the switch port or sensor interface.
	Port  string `json:"port,omitempty"`
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	By    string `json:"by,omitempty"` // how it was seen: arp, dhcp, import
}

// Software runs on a device, by an import or by what it says of itself.
type Software struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
	CPE     string `json:"cpe,omitempty"`
	From    string `json:"from"`
}

// Weakness is a known vulnerability of software on a device.
type Weakness struct {
	ID        string  `json:"id"` // CVE or OSV id
	Software  string  `json:"software"`
	Severity  float64 `json:"severity,omitempty"`  // CVSS base score, 0 unknown
	Exploited bool    `json:"exploited,omitempty"` // in the KEV list
	Due       string  `json:"due,omitempty"`       // date of KEV
	Summary   string  `json:"summary,omitempty"`
	Fixed     string  `json:"fixed,omitempty"`
	From      string  `json:"from"`
	// Why says which versions are affected. Unsure says that only the product
	// fits: the list names no versions.
	Why    ocsf.Text `json:"why,omitzero"`
	Unsure bool      `json:"version_not_compared,omitempty"`
}

// Change is what somebody changed by hand.
type Change struct {
	At   int64  `json:"at"`
	By   string `json:"by"`
	What string `json:"what"` // field: old -> new
	Why  string `json:"why,omitempty"`
}
