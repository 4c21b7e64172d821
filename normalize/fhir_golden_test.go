package normalize

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

func testNormalizer() *Normalizer {
	return New(Options{Key: keyed.Key{1, 2, 3}})
}

// TestGoldenFHIR holds every sample to who, what, which patient, when and
// outcome.
func TestGoldenFHIR(t *testing.T) {
	n := testNormalizer()
	var b strings.Builder
	b.WriteString("# sample | who | what | patient | when | outcome\n")
	for _, path := range samples(t, "fhir-auditevent") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		events, rejects := n.Normalize(Input{Format: "fhir-auditevent", Source: "test", Received: 1, Data: data})
		for _, e := range events {
			fmt.Fprintf(&b, "%s | %s\n", filepath.Base(path), auditLine(e))
		}
		for _, r := range rejects {
			t.Errorf("%s: rejected: %s", filepath.Base(path), r.Reason)
		}
	}
	compareGolden(t, filepath.Join("testdata", "golden-fhir-auditevent.txt"), b.String())
}

func auditLine(e *ocsf.Event) string {
	patient := "-"
	if e.Patient != nil {
		patient = e.Patient.UID
		if len(e.Patient.AltUIDs) > 0 {
			patient += "=" + strings.Join(e.Patient.AltUIDs, "=")
		}
		if e.Patient.Encounter != "" {
			patient += " visit " + e.Patient.Encounter
		}
	}
	outcome := map[int]string{0: "unknown", 1: "success", 2: "failure", 99: "other"}[e.StatusID]
	when := time.UnixMilli(e.Time).UTC().Format("2006-01-02T15:04:05Z")
	return strings.Join([]string{goldenWho(e), goldenWhat(e), patient, when, outcome}, " | ")
}

func goldenWho(e *ocsf.Event) string {
	var parts []string
	u := e.Actor.User
	if u.Account != "" {
		parts = append(parts, u.Account)
	}
	if u.FullName != "" {
		parts = append(parts, "("+u.FullName+")")
	}
	if u.Type != "" {
		parts = append(parts, u.Type)
	}
	if len(u.Roles) > 0 {
		parts = append(parts, "as "+strings.Join(u.Roles, ","))
	}
	if u.Org != "" {
		parts = append(parts, "of "+u.Org)
	}
	if b := e.Actor.OnBehalfOf; b != nil {
		parts = append(parts, "for "+b.Account)
	}
	if e.Actor.AppName != "" {
		parts = append(parts, "app "+e.Actor.AppName)
	}
	if e.SrcEndpoint != (ocsf.Endpoint{}) {
		parts = append(parts, "at "+goldenEndpoint(e.SrcEndpoint))
	}
	return strings.Join(parts, " ")
}

func goldenEndpoint(e ocsf.Endpoint) string {
	address := e.IP
	if address == "" {
		address = e.Hostname
	}
	return strings.Trim(e.Name+" "+address, " ")
}

func goldenWhat(e *ocsf.Event) string {
	parts := []string{strconv.Itoa(int(e.ClassUID)) + "/" + strconv.Itoa(e.ActivityID), e.Metadata.EventCode}
	for _, r := range slices.Concat(e.WebResources, e.Resources) {
		parts = append(parts, r.Type+"/"+r.UID)
	}
	if e.QueryInfo != nil {
		parts = append(parts, "query "+e.QueryInfo.Text)
	}
	if x := e.Access; x != nil {
		if len(x.Purpose) > 0 {
			parts = append(parts, "purpose "+strings.Join(x.Purpose, ","))
		}
		if x.BreakGlass {
			parts = append(parts, "break-glass")
		}
		if x.Incidental {
			parts = append(parts, "incidental")
		}
	}
	if id := e.Metadata.CorrelationUID; id != "" {
		parts = append(parts, "request "+id)
	}
	return strings.Join(parts, " ")
}
