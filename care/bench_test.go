package care_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/ocsf"
)

const day = int64(24 * 3600 * 1000)

// hospital fills a graph with patients of about ten relations each: a visit,
// two stays, an attending and a consulting doctor, two orders with results, a
// diagnosis, a registration, and the tokens of patient and next of kin.
func hospital(t testing.TB, w *world, patients int) {
	t.Helper()
	w.importFile("directory", staffOf(600))
	w.importFile("roster", rosterOf(600))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range patients {
		for _, ev := range visitOf(i, rng) {
			w.graph.Apply(ev)
		}
	}
}

func staffOf(n int) string {
	var b strings.Builder
	b.WriteString("person_id,account,name,role,department\n")
	for i := range n {
		fmt.Fprintf(&b, "s%d,acc%d,Name %d,nurse,Dept %d\n", i, i, i, i%30)
	}
	return b.String()
}

func rosterOf(n int) string {
	var b strings.Builder
	b.WriteString("person_id,department,start,end\n")
	for i := 0; i < n; i += 2 {
		for d := range 14 {
			fmt.Fprintf(&b, "s%d,Dept %d,2026-03-%02dT08:00:00Z,2026-03-%02dT16:00:00Z\n", i, i%30, d+1, d+1)
		}
	}
	return b.String()
}

func visitOf(i int, rng *rand.Rand) []*ocsf.Event {
	patient, enc := fmt.Sprintf("P%07d", i), fmt.Sprintf("V%08d", i)
	dept := fmt.Sprintf("Dept %d", i%30)
	start := now().UnixMilli() + rng.Int64N(10*day)
	person := func() string { return fmt.Sprintf("s%d", rng.IntN(600)) }
	n := 0
	message := func(at int64, facts ...ocsf.Fact) *ocsf.Event {
		n++
		for j := range facts {
			facts[j].Patient = patient
		}
		return &ocsf.Event{ClassUID: ocsf.APIActivity, Time: at, Metadata: ocsf.Metadata{UID: fmt.Sprintf("hl7:HIS:%09d", i*8+n)}, Care: facts}
	}
	token := func(kind string) ocsf.Key {
		return ocsf.Key{Kind: kind, Token: fmt.Sprintf("TOKEN%011d", rng.Int64N(1e11))}
	}
	return []*ocsf.Event{
		message(start,
			ocsf.Fact{Kind: ocsf.FactEncounter, Encounter: enc, Department: dept, From: start, Code: "I"},
			ocsf.Fact{Kind: ocsf.FactLocation, Encounter: enc, Department: dept, Ward: dept + " A", From: start},
			ocsf.Fact{Kind: ocsf.FactAttending, Encounter: enc, Person: person(), From: start},
			ocsf.Fact{Kind: ocsf.FactRegistrar, Encounter: enc, Person: person(), From: start},
			ocsf.Fact{Kind: ocsf.FactDiagnosis, Encounter: enc, Code: fmt.Sprintf("I%02d.1", i%60), From: start},
			ocsf.Fact{Kind: ocsf.FactDemographics, Keys: []ocsf.Key{token("phone"), token("address"), token("name"), token("national_id")}},
			ocsf.Fact{Kind: ocsf.FactKin, Code: "NK1", Keys: []ocsf.Key{token("phone"), token("name")}}),
		message(start+day, ocsf.Fact{Kind: ocsf.FactLocation, Encounter: enc, Department: dept, Ward: dept + " B", From: start + day},
			ocsf.Fact{Kind: ocsf.FactConsulting, Encounter: enc, Person: person(), From: start + day}),
		message(start+day, ocsf.Fact{Kind: ocsf.FactOrder, Encounter: enc, ID: fmt.Sprintf("ORD%08d", i), Person: person(), From: start + day}),
		message(start+2*day, ocsf.Fact{Kind: ocsf.FactPerformer, Encounter: enc, ID: fmt.Sprintf("ORD%08d", i), Person: person(), From: start + 2*day}),
		message(start+3*day, ocsf.Fact{Kind: ocsf.FactEncounter, Encounter: enc, ID: "discharge", Until: start + 3*day}),
	}
}

func BenchmarkExplain(b *testing.B) {
	w := newWorld(b)
	hospital(b, w, 20_000)
	accesses := func(rng *rand.Rand) []*ocsf.Event {
		var out []*ocsf.Event
		for range 4096 {
			out = append(out, &ocsf.Event{
				ClassUID: ocsf.WebResourcesActivity, Time: now().UnixMilli() + rng.Int64N(12*day), Metadata: ocsf.Metadata{UID: "a"},
			})
			// Somebody of the patient's department, as most accesses are.
			i := rng.IntN(20_000)
			ev := out[len(out)-1]
			ev.Actor.User.Account = fmt.Sprintf("acc%d", i%30+30*rng.IntN(20))
			ev.Patient = &ocsf.Patient{UID: fmt.Sprintf("P%07d", i)}
		}
		return out
	}
	list := accesses(rand.New(rand.NewPCG(3, 4)))
	explained := 0
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if w.graph.Explain(list[i%len(list)]).Explained {
			explained++
		}
	}
	b.ReportMetric(100*float64(explained)/float64(b.N), "%explained")
}

func BenchmarkExplainAttending(b *testing.B) {
	w := newWorld(b)
	hospital(b, w, 100)
	w.graph.Apply(careEvent(b, "2026-03-02T08:00 e1 attending patient=P0000001 person=s1 from=2026-03-02T08:00"))
	ev := accessEvent(b, strings.Fields("2026-03-02T09:00 a1 acc1 P0000001"))
	b.ReportAllocs()
	for b.Loop() {
		w.graph.Explain(ev)
	}
}

func BenchmarkApply(b *testing.B) {
	w := newWorld(b)
	rng := rand.New(rand.NewPCG(1, 2))
	var events []*ocsf.Event
	for i := range 20_000 {
		events = append(events, visitOf(i, rng)...)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		w.graph.Apply(events[i%len(events)])
	}
}

func BenchmarkPatient(b *testing.B) {
	w := newWorld(b)
	hospital(b, w, 1000)
	b.ReportAllocs()
	for b.Loop() {
		w.graph.Patient("P0000001")
	}
}

// BenchmarkMemory reports what 200,000 patients take, and how long saving and
// loading them takes. Run it with -benchtime 1x.
func BenchmarkMemory(b *testing.B) {
	for range b.N {
		w := newWorld(b)
		before := heap()
		hospital(b, w, 200_000)
		b.ReportMetric(float64(heap()-before)/1e6, "MB")
		b.StartTimer()
		if err := w.db.Update(b.Context(), func(tx *sql.Tx) error { return w.graph.Save(tx) }); err != nil {
			b.Fatal(err)
		}
		w.graph.Saved()
		saved := b.Elapsed()
		w.open()
		b.ReportMetric((b.Elapsed() - saved).Seconds(), "s-load")
		b.ReportMetric(float64(heap()-before)/1e6, "MB-loaded")
		runtime.KeepAlive(w)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
