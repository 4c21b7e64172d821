package console_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"

	"github.com/cordon-health/cordon/console"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
)

// TestPlantedIsNotInTheShare: what Cordon plants is no access of the hospital.
func TestPlantedIsNotInTheShare(t *testing.T) {
	h := newHospital(t)
	h.live(1)
	ses := h.session("zhao", identity.SecurityOfficer)
	share := func() string {
		c := must[*console.Console](t)(console.New(console.Parts{Services: h.Services})) // with nothing kept
		h.server.Close()
		h.server = httptest.NewServer(c.Handler())
		_, body := h.get(ses, "/", "Accept-Language", "en")
		return regexp.MustCompile(`class="share"[^>]*aria-label="([^"]*)"`).FindString(body)
	}
	before := share()
	if before == "" {
		t.Fatal("the overview shows no share")
	}
	opened := func(prefix string) {
		var rows []lake.Row
		for i := range 40 {
			h.seq++
			id := fmt.Sprintf("%sx%d", prefix, i)
			rows = append(rows, lake.Row{Seq: h.seq, Event: &ocsf.Event{
				ClassUID: ocsf.WebResourcesActivity, ActivityID: ocsf.AccessRead, Time: h.Now().UnixMilli() - 1000, Metadata: ocsf.Metadata{UID: id},
				Actor: ocsf.Actor{User: ocsf.User{UID: id}}, Patient: &ocsf.Patient{UID: id + "-1"}, Explanation: &ocsf.Explanation{},
			}})
		}
		h.Lake.Append(rows)
	}
	ok(t, h.Desk.Planting(t.Context(), incident.Plant{ID: "real", Kind: "canary", At: h.Now().UnixMilli()}))
	opened(incident.ReservedPrefix + "real-")
	if after := share(); after != before {
		t.Errorf("before %s, with planted violations %s", before, after)
	}
	opened(incident.ReservedPrefix + "zzz-")
	if after := share(); after == before {
		t.Errorf("names that only look planted are left out: %s", after)
	}
	before = share()
	opened("D9")
	if after := share(); after == before {
		t.Errorf("accesses by others change nothing: %s", after)
	}
}

// TestStatementsAreJudged: the detectors of SQL work in the hospital of these
// tests, as they do at node.
func TestStatementsAreJudged(t *testing.T) {
	h := newHospital(t)
	h.live(1)
	at := h.Now()
	line := at.Format("2006-01-02 15:04:05.000 -07:00") + ` [2102] dba_li@his 10.9.9.9(50011) LOG:  AUDIT: SESSION,2,1,READ,SELECT,,,` +
		`"SELECT p.create_staff_id, i.drug_id, SUM(i.num) FROM dms_medicine_item_record i JOIN dms_medicine_prescription_record p ON p.id = i.prescription_id GROUP BY 1, 2",<none>,4120`
	n, rejects := h.take("pgaudit", "his-db", []byte(line), at)
	if n != 1 {
		t.Fatalf("%d events, %v", n, rejects)
	}
	all := must[[]ocsf.Finding](t)(h.Desk.AllFindings(t.Context(), evidence.Filter{}, false))
	if !slices.ContainsFunc(all, func(f ocsf.Finding) bool { return f.Analytic == "drug-statistics-sql" && f.Risk >= 80 }) {
		t.Error("statistics of prescriptions are not found")
	}
}
