package normalize

import (
	"strings"
	"testing"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// TestSensor: a sensor speaks of the network, under the name it came in by,
// and of nothing else.
func TestSensor(t *testing.T) {
	good := asset.Observation{At: 1772439327123e6, Sensor: "another", Protocol: "arp"}.Event()
	stranger := asset.Observation{At: 1772439327123e6, Protocol: "arp"}.Event()
	stranger.Metadata.Product.Name = "Other"
	finding := asset.Observation{At: 1772439327123e6, Protocol: "arp"}.Event()
	finding.ClassUID = ocsf.DataSecurityFinding
	var lines []string
	for _, ev := range []*ocsf.Event{good, stranger, finding} {
		lines = append(lines, string(ev.AppendJSON(nil)))
	}
	evs, rejects := New(Options{}).Normalize(Input{Format: FormatSensor, Source: "sensor:core", Data: []byte(strings.Join(lines, "\n"))})
	if len(evs) != 1 || len(rejects) != 2 || evs[0].Metadata.LogProvider != "sensor:core" || !asset.OwnEvent(evs[0]) {
		t.Errorf("%d events, %v", len(evs), rejects)
	}
}
