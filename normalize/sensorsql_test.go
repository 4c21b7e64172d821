package normalize

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/collect/capture"
	"github.com/cordon-health/cordon/ocsf"
)

type sensorOut struct{ events []*ocsf.Event }

func (*sensorOut) Seen(asset.Observation) {}
func (*sensorOut) Claim(binding.Claim)    {}
func (*sensorOut) Alarm(asset.Alarm)      {}
func (o *sensorOut) Event(e *ocsf.Event)  { o.events = append(o.events, e) }

// TestSensorStatements: statements that a sensor saw on the wire name nobody
// once they are normalized, in whatever way their dialect writes a text.
func TestSensorStatements(t *testing.T) {
	wide := func(text string) (b []byte) {
		for _, u := range utf16.Encode([]rune(text)) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return b
	}
	mysql := `SELECT * FROM patient WHERE name="张标记" OR name='O\'MARKED' OR tel='13800138000' -- MARKED`
	pg := `SELECT * FROM patient WHERE name=$$张标记$$ OR name=E'x\'MARKED' OR idno='11010519491231002X'`
	tds := `SELECT * FROM [patient] WHERE name=N'张标记' OR name='MARKED'`
	tns := `SELECT * FROM patient WHERE name=q'[张标记 MARKED]'`
	messages := map[string][]byte{
		"MySQL":      append([]byte{byte(len(mysql) + 1), 0, 0, 0, 3}, mysql...),
		"PostgreSQL": append([]byte{'Q', 0, 0, 0, byte(len(pg) + 5)}, pg+"\x00"...),
		"SQL Server": append([]byte{1, 1, 0, byte(8 + len(wide(tds))), 0, 0, 1, 0}, wide(tds)...),
		"Oracle":     append([]byte{0, byte(14 + len(tns)), 0, 0, 6, 0, 0, 0, 0, 0, 3, 0x5e, 1, byte(len(tns))}, tns...),
	}
	n := New(Options{})
	for product, message := range messages {
		out := &sensorOut{}
		for _, d := range capture.Clinical(capture.ClinicalOptions{Sensor: "core"}) {
			s := &capture.Stream{Client: netip.MustParseAddrPort("10.0.0.5:40000"), Server: netip.MustParseAddrPort("10.0.0.9:1000"), Opened: 1772439327123e6}
			if d.Probe(s, message, nil) == capture.Yes {
				p := d.Open(s, out)
				p.Data(true, 1772439327123e6, message)
				p.Close(1772439327123e6)
			}
		}
		if len(out.events) != 1 {
			t.Errorf("%s: %d events", product, len(out.events))
			continue
		}
		evs, rejects := n.Normalize(Input{Format: FormatSensor, Source: "core", Data: out.events[0].AppendJSON(nil)})
		if len(evs) != 1 || len(rejects) != 0 {
			t.Errorf("%s: %v", product, rejects)
			continue
		}
		text := evs[0].QueryInfo.Text
		if evs[0].DstEndpoint.Name != product || !strings.Contains(strings.ToLower(text), "patient") || strings.Count(text, nameMark) < 2-boolInt(product == "Oracle") {
			t.Errorf("%s: %s", product, text)
		}
		for _, secret := range []string{"MARKED", "标记", "13800138000", "11010519491231002X"} {
			if strings.Contains(string(evs[0].AppendJSON(nil)), secret) {
				t.Errorf("%s: %q passes in %s", product, secret, text)
			}
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
