package classify

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/cordon-health/cordon/internal/keyed"
)

// tellNews adds sightings and gives the records.
func tellNews(t *testing.T, n *PatientNews, all ...Sighting) []byte {
	t.Helper()
	var lines []byte
	if err := n.Add(all, 1_700_000_000_000, func(b []byte) error { lines = append(lines, b...); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestPatientNews(t *testing.T) {
	build := func() (*Patients, *PatientNews) {
		p, err := BuildPatients(keyed.Key{1}, slices.Values([]Patient{{MRN: "OLD-1", Phone: "13800000001"}, {MRN: "OLD-2"}}))
		if err != nil {
			t.Fatal(err)
		}
		return p, p.News()
	}
	p, n := build()
	log := tellNews(t, n,
		Sighting{Numbers: []string{"NEW-1", "LOCAL-1"}, IDs: []string{"11010519491231002X"}, Names: []string{"王小明"}, BirthDate: "19491231", Phones: []string{"13800000001"}},
		Sighting{Numbers: []string{"OLD-2"}, Visits: []string{"V20261"}},
		Sighting{Numbers: []string{"NEW-2"}})
	if again := tellNews(t, n, Sighting{Numbers: []string{"LOCAL-1", "NEW-1"}}); again != nil {
		t.Error("what is known is written again")
	}
	log = append(log, tellNews(t, n, Sighting{Numbers: []string{"NEW-1", "CARD-9"}}, Sighting{Numbers: []string{"OLD-1"}, Was: "NEW-2"}, Sighting{Numbers: []string{"OLD-1"}, Was: "GONE-7"})...)
	loaded, again := build()
	torn := append(slices.Clone(log), log[:NewsLine/2]...)
	if damaged, err := again.Load(bytes.NewReader(torn)); err != nil || damaged != 0 {
		t.Fatal(damaged, err)
	}
	for name, p := range map[string]*Patients{"as told": p, "read again": loaded} {
		who := func(kind Kind, value string) int {
			if who, _, ok := p.Match(kind, []byte(value)); ok {
				return int(who)
			}
			return -1
		}
		one, two := who(MRN, "OLD-1"), who(MRN, "OLD-2")
		for value, want := range map[string]int{"NEW-1": 2, "LOCAL-1": 2, "CARD-9": 2, "V20261": two, "NEW-2": one, "GONE-7": one, "NOBODY": -1} {
			if got := who(MRN, value); got != want {
				t.Errorf("%s: %s is patient %d, want %d", name, value, got, want)
			}
		}
		if who(ResidentID, "11010519491231002X") != 2 || who(Mobile, "13800000001") != one {
			t.Errorf("%s: identity number or shared telephone is another's", name)
		}
		if got, _, ok := p.MatchPerson([]byte("王小明"), []byte("1949-12-31")); !ok || got != 2 {
			t.Errorf("%s: name and birth date say %d %v", name, got, ok)
		}
		found := map[int]uint32{}
		p.MatchAll(MRN, [][]byte{[]byte("CARD-9"), []byte("NOBODY"), []byte("OLD-2")}, func(i int, who uint32, _ bool) { found[i] = who })
		if len(found) != 2 || found[0] != 2 || int(found[2]) != two {
			t.Errorf("%s: together %v", name, found)
		}
	}
	log[3]++
	_, broken := build()
	if damaged, err := broken.Load(bytes.NewReader(log)); err != nil || damaged != 1 {
		t.Error(damaged, err)
	}
	for _, secret := range []string{"NEW-1", "OLD-2", "王小明"} {
		if bytes.Contains(log, []byte(secret)) {
			t.Error("records hold a value in clear")
		}
	}
}

func TestPlantedNews(t *testing.T) {
	p, err := BuildPatients(keyed.Key{1}, slices.Values([]Patient{{MRN: "OLD-1"}}))
	if err != nil {
		t.Fatal(err)
	}
	n := p.News()
	tellNews(t, n, Sighting{Numbers: []string{"DECOY-1"}, Phones: []string{"19900000001"}})
	n.Plant([]string{"DECOY-1", "OLD-1"})
	for _, value := range []string{"DECOY-1", "OLD-1"} {
		if _, honey, ok := p.Match(MRN, []byte(value)); !ok || !honey {
			t.Errorf("%s is not planted", value)
		}
	}
	if _, honey, _ := p.Match(Mobile, []byte("19900000001")); !honey {
		t.Error("the telephone of a planted patient is not theirs")
	}
	n.Plant(nil)
	if _, honey, _ := p.Match(MRN, []byte("OLD-1")); honey {
		t.Error("who is no longer planted still is")
	}
}

// TestManyNews adds enough for compact tables, while others look up.
func TestManyNews(t *testing.T) {
	p, err := BuildPatients(keyed.Key{1}, crowdOf(10))
	if err != nil {
		t.Fatal(err)
	}
	n := p.News()
	const many = newsFull + 5000
	var all []Sighting
	for i := range many {
		all = append(all, Sighting{Numbers: []string{fmt.Sprintf("T%08d", i)}})
	}
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					p.Match(MRN, []byte(all[i%many].Numbers[0]))
				}
			}
		})
	}
	var log []byte
	for part := range slices.Chunk(all, 50_000) {
		log = append(log, tellNews(t, n, part...)...)
	}
	close(stop)
	readers.Wait()
	check := func(p *Patients) {
		for i, s := range all {
			if who, _, ok := p.Match(MRN, []byte(s.Numbers[0])); !ok || int(who) != 10+i {
				t.Fatalf("patient %d is %d %v", i, who, ok)
			}
		}
	}
	check(p)
	t.Logf("%d identifiers: %.1f MB", n.Entries(), float64(n.Memory())/1e6)
	again, _ := BuildPatients(keyed.Key{1}, crowdOf(10))
	if _, err := again.News().Load(bytes.NewReader(log)); err != nil {
		t.Fatal(err)
	}
	check(again)
	t.Logf("read again: %.1f MB", float64(again.news.Memory())/1e6)
}

// TestNewsAfterImport keeps what is younger than the list's age, under the
// numbers of the new list.
func TestNewsAfterImport(t *testing.T) {
	old, _ := BuildPatients(keyed.Key{1}, crowdOf(5))
	log := tellNews(t, old.News(), Sighting{Numbers: []string{"FRESH-1"}, Phones: []string{"13900000009"}}, Sighting{Numbers: []string{"LISTED-1"}, Phones: []string{"13900000008"}})
	now, err := BuildPatients(keyed.Key{1}, slices.Values([]Patient{{MRN: "A"}, {MRN: "LISTED-1"}}))
	if err != nil {
		t.Fatal(err)
	}
	n := now.News()
	lines, err := n.Take(bytes.NewReader(log), 5, 1_600_000_000_000)
	if err != nil || len(lines) != 3*NewsLine {
		t.Fatal(len(lines)/NewsLine, err)
	}
	a, _, _ := now.Match(MRN, []byte("LISTED-1"))
	b, _, ok := now.Match(Mobile, []byte("13900000008"))
	if fresh, _, there := now.Match(MRN, []byte("FRESH-1")); !ok || a != b || !there || int(fresh) != now.Len() {
		t.Error(a, b, ok, fresh, there)
	}
	if lines, err := n.Take(bytes.NewReader(log), 5, 1_800_000_000_000); err != nil || len(lines) != 0 {
		t.Error("what is older than the list stays", len(lines), err)
	}
}

func FuzzPatientNews(f *testing.F) {
	p, err := BuildPatients(keyed.Key{1}, crowdOf(5))
	if err != nil {
		f.Fatal(err)
	}
	var log []byte
	_ = p.News().Add([]Sighting{{Numbers: []string{"FRESH-1"}}}, 0, func(b []byte) error { log = b; return nil })
	f.Add(log)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, _ := BuildPatients(keyed.Key{1}, crowdOf(5))
		if _, err := p.News().Load(bytes.NewReader(data)); err == nil {
			p.Match(MRN, data[:min(len(data), 20)])
		}
	})
}
