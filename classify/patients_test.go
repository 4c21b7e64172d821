package classify

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/internal/keyed"
)

// crowdOf is a sequence of invented patients.
func crowdOf(n int) iter.Seq[Patient] {
	return func(yield func(Patient) bool) {
		for i := range n {
			if !yield(Patient{
				MRN: fmt.Sprintf("M%09d", i*7), ResidentID: fmt.Sprintf("1101051990%08d", i), Phone: fmt.Sprintf("138%08d", i),
				Honey: i%1000 == 999,
			}) {
				return
			}
		}
	}
}

func TestPatients(t *testing.T) {
	key := keyed.Key{1}
	index, err := BuildPatients(key, slices.Values([]Patient{
		{MRN: "00123456", ResidentID: "11010519491231002X", Phone: "+86 138-1234-5678", Name: "王小明", BirthDate: "1949-12-31", Others: []string{"ZY2026001"}},
		{Phone: "010-65520000", Name: "O'Neil José", BirthDate: "1980-02-03", Honey: true},
		{},
	}))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := index.Save(&file); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadPatients(key, bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Patients{index, loaded} {
		if p.Len() != 2 {
			t.Errorf("%d patients, want 2", p.Len())
		}
		checkMatches(t, p)
	}
	if _, err := LoadPatients(keyed.Key{2}, bytes.NewReader(file.Bytes())); !errors.Is(err, errPatients) {
		t.Errorf("another key opens the file: %v", err)
	}
	for _, secret := range []string{"00123456", "11010519491231002X", "13812345678", "王小明"} {
		if bytes.Contains(file.Bytes(), []byte(secret)) {
			t.Errorf("the file holds %s in clear", secret)
		}
	}
}

func checkMatches(t *testing.T, p *Patients) {
	t.Helper()
	want, _, _ := p.Match(MRN, []byte("00123456"))
	for _, c := range []struct {
		kind  Kind
		value string
	}{
		{Visit, "00123456"}, {MRN, "00-123456"}, {ResidentID, "11010519491231002x"}, {ResidentID, "１１０１０５１９４９１２３１００２Ｘ"},
		{ResidentID15, "110105491231002"}, {Mobile, "13812345678"}, {Mobile, "0086 13812345678"}, {Admission, "zy2026001"},
	} {
		if who, honey, ok := p.Match(c.kind, []byte(c.value)); !ok || who != want || honey {
			t.Errorf("%s %s is patient %d (%v, honey %v), want %d", c.kind, c.value, who, ok, honey, want)
		}
	}
	for _, birth := range []string{"19491231", "1949年12月31日", "12/31/1949", "1949-12-31T00:00:00"} {
		if who, _, ok := p.MatchPerson([]byte("王小明"), []byte(birth)); !ok || who != want {
			t.Errorf("born %s is not found", birth)
		}
	}
	if who, honey, ok := p.Match(Phone, []byte("(010) 65520000")); !ok || !honey || who == want {
		t.Error("the planted patient is not found")
	}
	for _, stranger := range []string{"00123457", "138", "", "王小明"} {
		if _, _, ok := p.Match(MRN, []byte(stranger)); ok {
			t.Errorf("%q is taken for a patient", stranger)
		}
	}
	var column []uint32
	p.MatchAll(MRN, [][]byte{[]byte("00123456"), []byte("x"), []byte("00123457"), []byte("ZY2026001")}, func(i int, who uint32, honey bool) {
		if column = append(column, uint32(i)); who != want || honey {
			t.Errorf("of a column, %d is patient %d (%v)", i, who, honey)
		}
	})
	if !slices.Equal(column, []uint32{0, 3}) {
		t.Errorf("of a column, %v are patients", column)
	}
	if _, _, ok := p.Match(Mobile, []byte("00123456")); ok {
		t.Error("a record number is taken for a telephone number")
	}
	if _, _, ok := p.MatchPerson([]byte("王小明"), []byte("1949-12-30")); ok {
		t.Error("another day of birth is taken for the patient's")
	}
}

// TestPatientsAreFew: strangers are not taken for patients, and the index keeps
// its size.
func TestPatientsAreFew(t *testing.T) {
	const people = 100_000
	p, err := BuildPatients(keyed.Key{3}, crowdOf(people))
	if err != nil {
		t.Fatal(err)
	}
	if perPerson := float64(p.Memory()) / people; perPerson > 22 {
		t.Errorf("%.1f bytes a patient", perPerson)
	}
	i, honeys := 0, 0
	seen := map[uint32]bool{}
	for person := range crowdOf(people) {
		a, honey, ok := p.Match(MRN, []byte(person.MRN))
		b, _, ok2 := p.Match(ResidentID, []byte(person.ResidentID))
		c, _, ok3 := p.Match(Mobile, []byte(person.Phone))
		if !ok || !ok2 || !ok3 || a != b || b != c || honey != person.Honey {
			t.Fatalf("patient %d is %d, %d, %d", i, a, b, c)
		}
		if honey {
			honeys++
		}
		seen[a] = true
		i++
	}
	if len(seen) != people || honeys != people/1000 {
		t.Errorf("%d distinct patients, %d planted", len(seen), honeys)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for range 2_000_000 {
		var b [9]byte
		for k := range b {
			b[k] = 'A' + byte(random.IntN(26))
		}
		if _, _, ok := p.Match(MRN, b[:]); ok {
			t.Fatalf("a stranger is taken for a patient")
		}
	}
}

// TestPatientsInText: a number that nothing names is found if it is a
// patient's, and none that is so short that any may be one.
func TestPatientsInText(t *testing.T) {
	index, err := BuildPatients(keyed.Key{3}, crowdOf(5000))
	if err != nil {
		t.Fatal(err)
	}
	short, err := BuildPatients(keyed.Key{3}, slices.Values([]Patient{{MRN: "1234567"}, {MRN: "20260317"}, {MRN: "123456"}}))
	if err != nil {
		t.Fatal(err)
	}
	text := "see M000000007, M000000008 and 123456, 1234567, 20260317"
	for want, p := range map[string]*Patients{"patient M000000007": index, "patient 1234567": short} {
		e := newEngine(t, Config{Patients: p})
		if got := spelled(e, e.Scan(nil, []byte(text), Discover), text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzLoadPatients(f *testing.F) {
	p, err := BuildPatients(keyed.Key{1}, crowdOf(100))
	if err != nil {
		f.Fatal(err)
	}
	var file bytes.Buffer
	if err := p.Save(&file); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:200])
	f.Add([]byte(patientsMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := LoadPatients(keyed.Key{1}, bytes.NewReader(data)); err == nil {
			p.Match(MRN, data[:min(len(data), 20)])
		}
	})
}

// BenchmarkPatients looks up two million patients, and as many strangers.
func BenchmarkPatients(b *testing.B) {
	people := 2_000_000
	if os.Getenv("FEW") != "" {
		people = 2000
	}
	p, err := BuildPatients(keyed.Key{3}, crowdOf(people))
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d patients of three identifiers: %.1f MB", p.Len(), float64(p.Memory())/1e6)
	random := rand.New(rand.NewPCG(7, 8))
	for _, of := range []string{"hit", "miss", "hit together", "miss together"} {
		const many = 1 << 20
		values := make([]byte, 0, many*10)
		for range many {
			values = fmt.Appendf(values, "%c%09d", map[byte]byte{'h': 'M', 'm': 'X'}[of[0]], random.IntN(people)*7)
		}
		b.Run(of, func(b *testing.B) {
			hits, begun := 0, cpu()
			if strings.Contains(of, "together") {
				column := make([][]byte, 256)
				for done := 0; done < b.N; done += len(column) {
					for i := range column {
						k := (done + i) & (many - 1) * 10
						column[i] = values[k : k+10]
					}
					p.MatchAll(MRN, column, func(int, uint32, bool) { hits++ })
				}
				b.ReportMetric(float64(b.N)/1e6/(cpu()-begun).Seconds(), "M/cpu-s")
				return
			}
			for i := range b.N {
				k := i & (many - 1) * 10
				if _, _, ok := p.Match(MRN, values[k:k+10]); ok {
					hits++
				}
			}
			b.ReportMetric(float64(b.N)/1e6/(cpu()-begun).Seconds(), "M/cpu-s")
			b.ReportMetric(float64(hits)/float64(b.N), "found")
		})
	}
}
