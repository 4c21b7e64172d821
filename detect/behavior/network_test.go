package behavior_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/detect/behavior"
	"github.com/cordon-health/cordon/detect/trial"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// kinds reads the constants of package asset, so that none can be forgotten.
func kinds(t *testing.T) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../../asset/asset.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "AlarmKind" {
			for _, x := range v.Values {
				if lit, ok := x.(*ast.BasicLit); ok {
					all[strings.Trim(lit.Value, `"`)] = true
				}
			}
		}
		return true
	})
	return all
}

// TestEveryAlarm: every kind of alarm has its detector, and no detector of the
// network is without its kind.
func TestEveryAlarm(t *testing.T) {
	all := kinds(t)
	if len(all) < 30 {
		t.Fatalf("only %d kinds found", len(all))
	}
	for _, d := range behavior.All() {
		i := d.Info()
		if i.Group != detect.GroupNetwork || i.Statistical { // what compares amounts is no alarm of a sensor
			continue
		}
		if !all[i.ID] {
			t.Errorf("%s is no kind of alarm", i.ID)
		}
		delete(all, i.ID)
	}
	for k := range all {
		t.Errorf("nothing explains alarms of kind %s; add it to networkKinds", k)
	}
}

// alarmLines writes alarms as a trial reads them, one a minute.
func alarmLines(list ...asset.Alarm) string {
	var b strings.Builder
	for i, a := range list {
		a.At, a.Sensor = 1772499600000*1e6+int64(i)*60e9, "sensor-1"
		fmt.Fprintf(&b, "raw ocsf %s\n", a.Event().AppendJSON(nil))
	}
	return b.String()
}

func told(t *testing.T, id, lines string) (list []ocsf.Finding) {
	t.Helper()
	files, _, err := trial.Read(behavior.Examples(), id)
	if err != nil {
		t.Fatal(err)
	}
	s, err := trial.Open(t.Context(), parts(t), files)
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.Run(lines)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.Analytic == id {
			list = append(list, f)
		}
	}
	return list
}

// TestAttackGoesOn: a day of the same alarm is one finding, told anew when it
// has doubled; two culprits are two.
func TestAttackGoesOn(t *testing.T) {
	spoof := asset.Alarm{Kind: asset.ARPSpoof, Culprit: asset.Party{MAC: packet.MAC{2, 0, 0, 0, 0, 13}}, Victim: asset.Party{IP: asset.ParseAddr("10.1.1.1")}, Args: []string{"unasked", "arp"}, Count: 1}
	list := make([]asset.Alarm, 200)
	for i := range list {
		list[i] = spoof
		list[i].Count = int64(1 + i%3)
	}
	other := spoof
	other.Culprit.MAC[5] = 14
	found := told(t, "arp-spoof", alarmLines(append(list, other)...))
	uids := map[string]int{}
	for _, f := range found {
		uids[f.UID]++
	}
	if len(uids) != 2 || len(found) > 12 {
		t.Errorf("%d findings with %d uids", len(found), len(uids))
	}
	if last := found[len(found)-2]; !strings.Contains(last.Why.EN, "Seen ") || !strings.Contains(last.Why.ZH, "共") || last.Subject != "device:02:00:00:00:00:0d" || last.Weak {
		t.Errorf("%+v", last)
	}
}

// TestInnocent: reasons with innocent causes open no case, also when they
// repeat; the first serious one does.
func TestInnocent(t *testing.T) {
	rogue := asset.Alarm{Kind: asset.RogueDHCP, Culprit: asset.Party{MAC: packet.MAC{2, 0, 0, 0, 0, 13}}, Args: []string{"second", "dhcp"}, Count: 1}
	sure := rogue
	sure.Args = []string{"unknown", "dhcp"}
	found := told(t, "rogue-dhcp", alarmLines(rogue, rogue, rogue, sure))
	if len(found) < 2 || !found[0].Weak || found[0].Risk > 35 || found[len(found)-1].Weak {
		t.Errorf("%+v", found)
	}
}
