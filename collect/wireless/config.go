package wireless

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// Config of one wireless sensor.
type Config struct {
	// Interface is a network card in monitor mode, or a TAP with radiotap.
	Interface string `yaml:"interface"`
	// File is a capture to read once instead; then the sensor ends.
	File string `yaml:"file"`
	// Sensor names this sensor. Default: the interface.
	Sensor string `yaml:"sensor"`
	// Networks are the hospital's own. Without any, every protected network
	// heard is watched for weaker copies, and none is known to be foreign.
	Networks []Network `yaml:"networks"`
	// Learning is how long access points with one of our names are taken as
	// ours when its list of bssids is empty. Default: 10m.
	Learning time.Duration `yaml:"learning"`
	// Wired are MACs on the cable, so that an access point somebody plugged
	// in is known by its neighbouring number. The server adds the devices it
	// knows.
	Wired []string `yaml:"wired"`
}

// Network is one of the hospital's own.
type Network struct {
	// SSID is its name.
	SSID string `yaml:"ssid"`
	// BSSIDs are its access points; empty to learn them.
	BSSIDs []string `yaml:"bssids"`
	// Security is the least that it offers: open, wep, wpa, owe, wpa2, wpa3.
	// Empty to learn it.
	Security string `yaml:"security"`
	// Guest says that it is for patients and visitors: the server tells when a
	// device of the hospital joins it.
	Guest bool `yaml:"guest"`
	// PMF says that management frames must be protected.
	PMF bool `yaml:"pmf"`
	// Channels it uses; empty for any.
	Channels []int `yaml:"channels"`
	// Vendors are the first three bytes of its access points' MACs, such as
	// "00:0b:86"; empty to learn them.
	Vendors []string `yaml:"vendors"`
}

// Default is a sensor that learns for ten minutes.
func Default() Config { return Config{Learning: 10 * time.Minute} }

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	if (c.Interface == "") == (c.File == "") {
		return errors.New("wireless: give an interface in monitor mode, or a file")
	}
	for _, n := range c.Networks {
		if n.SSID == "" || len(n.SSID) > 32 {
			return errors.New("wireless: a network needs its name (ssid) of at most 32 bytes")
		}
		if n.Security != "" && !slices.Contains(grades(), n.Security) {
			return fmt.Errorf("wireless: network %s: security %q; use one of %v", n.SSID, n.Security, grades())
		}
		for _, b := range n.BSSIDs {
			if asset.ParseMAC(b) == (mac{}) {
				return fmt.Errorf("wireless: network %s: a bssid is no MAC; write it as 02:00:00:00:00:01", n.SSID)
			}
		}
		for _, v := range n.Vendors {
			if _, ok := parseOUI(v); !ok {
				return fmt.Errorf("wireless: network %s: a vendor is not three bytes such as 00:0b:86", n.SSID)
			}
		}
	}
	return nil
}

func grades() []string { return []string{"open", "wep", "wpa", "owe", "wpa2", "wpa3"} }

func parseOUI(s string) (oui [3]byte, ok bool) {
	m := asset.ParseMAC(s + ":00:00:01")
	return [3]byte(m[:3]), m != mac{}
}
