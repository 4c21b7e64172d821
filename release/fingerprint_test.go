package release

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// clinical is a made-up extract of admissions: identifiers, dates, numbers with
// and without decimals, codes and words.
func clinical(t testing.TB, rows int, seed uint64) *Table {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 77))
	pick := func(of ...string) string { return of[int(float64(len(of))*rng.Float64()*rng.Float64())] }
	icd := []string{"I10 高血压", "E11 2型糖尿病", "J18 肺炎", "I25 冠心病", "K35 阑尾炎", "N18 慢性肾病", "C34 肺癌", "S72 股骨骨折", "J44 慢阻肺", "I63 脑梗死"}
	wards := []string{"心内科", "呼吸科", "普外科", "骨科", "神经内科", "肾内科", "内分泌科", "肿瘤科"}
	var out [][]string
	for range rows {
		born := time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rng.IntN(30000))
		in := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rng.IntN(900))
		stay := 1 + int(rng.ExpFloat64()*6)
		out = append(out, []string{
			fmt.Sprintf("P%08d", rng.IntN(1e8)), born.Format("2006-01-02"), pick("M", "F"),
			in.Format("2006-01-02"), in.AddDate(0, 0, stay).Format("2006-01-02"),
			wards[rng.IntN(len(wards))], icd[int(10*rng.Float64()*rng.Float64())],
			fmt.Sprintf("%.1f", 45+rng.NormFloat64()*3+25*rng.Float64()), fmt.Sprint(int(118 + 16*rng.NormFloat64())),
			fmt.Sprintf("%.2f", math.Exp(rng.NormFloat64()*0.5)*1.2), fmt.Sprintf("%.1f", 130+14*rng.NormFloat64()),
			fmt.Sprintf("%.2f", 3000*math.Exp(rng.NormFloat64())), pick("医保", "自费", "新农合", "商业保险"),
		})
	}
	table, err := NewTable([]string{"patient", "born", "sex", "admitted", "discharged", "ward", "diagnosis", "weight", "systolic", "creatinine", "haemoglobin", "cost", "payer"}, out)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func rowsOf(t *Table) [][]string {
	out := make([][]string, t.rows)
	for i := range out {
		for j := range t.Columns {
			out[i] = append(out[i], t.Cell(i, j))
		}
	}
	return out
}

// attack is what somebody does to hide where a piece comes from. It gets rows
// of the copy and may use those of another recipient's.
type attackOn struct {
	name string
	do   func(rng *rand.Rand, header []string, rows, other [][]string) ([]string, [][]string)
	// sure is how often it must be named.
	sure float64
}

func shuffled(rng *rand.Rand, rows [][]string, n int) [][]string {
	out := make([][]string, n)
	at := rng.Perm(len(rows))
	for i := range out {
		out[i] = append([]string(nil), rows[at[i]]...)
	}
	return out
}

// rounded rounds the numbers of a row to two digits, and cuts dates to months
// at random.
func rounded(row []string) {
	for j, v := range row {
		if x, ok := readNumber(v); ok && !strings.HasPrefix(v, "P") {
			if x == 0 {
				continue
			}
			unit := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-1)
			row[j] = fmt.Sprint(math.Round(x/unit) * unit)
		}
	}
}

func attacks() []attackOn { return append(simple(), clever()...) }

// piece is how many rows of a copy are found.
const piece = 200

// simple attacks are what somebody does who does not think of marks.
func simple() []attackOn {
	keep := func(h []string) []string { return append([]string(nil), h...) }
	return []attackOn{
		{"200 rows, in any order", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			return h, shuffled(rng, rows, piece)
		}, 1},
		{"30 % of 200 rows with all cells from elsewhere", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			out := shuffled(rng, rows, piece)
			for i := range piece * 3 / 10 {
				for j := range out[i] {
					out[i][j] = rows[rng.IntN(len(rows))][j]
				}
			}
			return h, out
		}, 1},
		{"30 % of 200 rows rounded", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			out := shuffled(rng, rows, piece)
			for i := range piece * 3 / 10 {
				rounded(out[i])
			}
			return h, out
		}, 1},
		{"200 rows, half of them deleted from a run", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			at := rng.IntN(len(rows) - 2*piece)
			var out [][]string
			for i := range 2 * piece {
				if i%2 == 0 {
					out = append(out, rows[at+i])
				}
			}
			return h, out
		}, 1},
		{"200 rows, 30 % deleted, 30 % of the rest rounded, 30 % of cells swapped among rows", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			out := shuffled(rng, rows, piece*7/10)
			for i := range len(out) * 3 / 10 {
				rounded(out[i])
			}
			for range len(out) * 3 / 10 {
				i, k, j := rng.IntN(len(out)), rng.IntN(len(out)), rng.IntN(len(h))
				out[i][j], out[k][j] = out[k][j], out[i][j]
			}
			return h, out
		}, 0.9},
		{"all numbers of 200 rows rounded to two digits", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			out := shuffled(rng, rows, piece)
			for i := range out {
				rounded(out[i])
			}
			return h, out
		}, 0.9},
		{"upper case, dates day first, header renamed", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			out, names := shuffled(rng, rows, piece), keep(h)
			for i := range out {
				for j, v := range out[i] {
					if day, ok := parseDay(v, "2006-01-02"); ok {
						v = time.Unix(day*86400, 0).UTC().Format("02.01.2006")
					}
					out[i][j] = " " + strings.ToUpper(v)
				}
			}
			for j := range names {
				names[j] = fmt.Sprint("Column ", j+1)
			}
			return names, out
		}, 0.9},
	}
}

// clever attacks take columns away and mix copies.
func clever() []attackOn {
	keep := func(h []string) []string { return append([]string(nil), h...) }
	return []attackOn{
		{"three columns gone, of 400 rows", func(rng *rand.Rand, h []string, rows, _ [][]string) ([]string, [][]string) {
			out, names := shuffled(rng, rows, 2*piece), keep(h)
			for range 3 {
				j := rng.IntN(len(names))
				names = append(names[:j], names[j+1:]...)
				for i := range out {
					out[i] = append(out[i][:j:j], out[i][j+1:]...)
				}
			}
			return names, out
		}, 0.5},
		{"mixed with another copy, row by row, 400 rows", func(rng *rand.Rand, h []string, rows, other [][]string) ([]string, [][]string) {
			return h, append(shuffled(rng, rows, piece), shuffled(rng, other, piece)...)
		}, 0.9},
		{"mixed with another copy, cell by cell, 400 rows", func(rng *rand.Rand, h []string, rows, other [][]string) ([]string, [][]string) {
			var out [][]string
			for _, i := range rng.Perm(min(len(rows), len(other)))[:2*piece] {
				row := append([]string(nil), rows[i]...)
				for j := range row {
					if rng.IntN(2) == 0 {
						row[j] = other[i][j]
					}
				}
				out = append(out, row)
			}
			return h, out
		}, 0.5},
		{"averaged with another copy, 400 rows", func(rng *rand.Rand, h []string, rows, other [][]string) ([]string, [][]string) {
			var out [][]string
			for _, i := range rng.Perm(min(len(rows), len(other)))[:2*piece] {
				row := append([]string(nil), rows[i]...)
				for j := range row {
					x, ok1 := readNumber(rows[i][j])
					y, ok2 := readNumber(other[i][j])
					if ok1 && ok2 {
						row[j] = fmt.Sprintf("%.2f", (x+y)/2)
					}
				}
				out = append(out, row)
			}
			return h, out
		}, 0},
	}
}

// trial counts how the attacks end, for some copies of a table. Attacks from
// the one named on may succeed, but never accuse wrongly.
func trial(t *testing.T, name string, table *Table, m Marker, each int, mayFrom string) {
	t.Helper()
	const copies = 5
	may := false
	var marks []Marks
	var tables [][][]string
	for i := range copies {
		marked, mk, err := m.Mark(table, "R1", fmt.Sprint("recipient ", i))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			t.Logf("%s: %d channels, changed %+v", name, len(mk.Channels), mk.Changed)
		}
		marks, tables = append(marks, mk), append(tables, rowsOf(marked))
	}
	original := rowsOf(table)
	// Other copies, whose secrets answer by chance.
	for i := range 25 {
		other := marks[0]
		other.Release, other.Recipient = "R0", fmt.Sprint("other ", i)
		marks = append(marks, other)
	}
	for _, a := range attacks() {
		rng := rand.New(rand.NewPCG(5, uint64(len(a.name))))
		named, wrong, worst := 0, 0, -1e9
		for n := range each {
			who := n % copies
			mixes := strings.Contains(a.name, "another")
			header, rows := a.do(rng, table.Header(), tables[who], tables[(who+1)%copies])
			fragment, err := NewTable(header, rows)
			if err != nil {
				t.Fatal(err)
			}
			v := m.Secret.Trace(fragment, marks)
			hit := false
			for _, x := range v.Named {
				switch {
				case x.Recipient == marks[who].Recipient:
					hit = true
				case mixes && x.Recipient == marks[(who+1)%copies].Recipient:
				default:
					wrong++
				}
			}
			if hit {
				named++
			} else {
				worst = max(worst, v.Best.Log10False)
			}
		}
		t.Logf("%s: %-80s named %3d of %3d, wrongly %d (best unproven 1e%.1f)", name, a.name, named, each, wrong, worst)
		if wrong > 0 {
			t.Errorf("%s: %s: %d wrong accusations", name, a.name, wrong)
		}
		may = may || a.name == mayFrom
		if !may && float64(named) < a.sure*float64(each) {
			t.Errorf("%s: %s: named %d of %d", name, a.name, named, each)
		}
	}
	// What is not marked names nobody.
	rng := rand.New(rand.NewPCG(6, 6))
	for range each {
		fragment, err := NewTable(table.Header(), shuffled(rng, original, 400))
		if err != nil {
			t.Fatal(err)
		}
		if v := m.Secret.Trace(fragment, marks); len(v.Named) > 0 {
			t.Errorf("%s: a piece of the original was taken for a copy of %s", name, v.Named[0].Recipient)
		}
	}
}

func TestTraceNamesTheRecipient(t *testing.T) {
	secret := Secret{1, 2, 3}
	trial(t, "clinical", clinical(t, 5000, 1), Marker{Secret: secret, Honey: 10}, 10, "")
	// One column of numbers and eight of words: what goes beyond shuffling,
	// deleting and rounding may succeed.
	trial(t, "adult", adult(t), Marker{Secret: secret}, 10, "three columns gone, of 400 rows")
}

// TestMarkingKeepsWhatWasPromised: few texts change, numbers move little and stay
// in range, dates keep their order, kept columns stay, a k-anonymous table stays
// k-anonymous, and the same recipient gets the same copy.
func TestMarkingKeepsWhatWasPromised(t *testing.T) {
	table := clinical(t, 3000, 2)
	m := Marker{Secret: Secret{9}, Keep: []string{"diagnosis"}, Share: 0.03}
	marked, marks, err := m.Mark(table, "R", "A")
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := m.Mark(table, "R", "A")
	if err != nil {
		t.Fatal(err)
	}
	for i := range table.rows {
		if table.Cell(i, 6) != marked.Cell(i, 6) || table.Cell(i, 0) != marked.Cell(i, 0) {
			t.Fatal("a column to be kept, or the identifier, was changed")
		}
		if marked.Cell(i, 3) > marked.Cell(i, 4) {
			t.Fatalf("row %d is discharged before it is admitted", i)
		}
		for j := range table.Columns {
			if marked.Cell(i, j) != again.Cell(i, j) {
				t.Fatal("the same recipient's copy differs the second time")
			}
		}
		a, _ := readNumber(table.Cell(i, 8))
		b, _ := readNumber(marked.Cell(i, 8))
		if math.Abs(a-b) > 2 || strings.Contains(marked.Cell(i, 8), ".") {
			t.Fatalf("a pressure of %v became %v", a, b)
		}
	}
	for _, c := range marks.Changed {
		if col := table.Column(c.Column); len(col.Values) < 20 && c.Share > 0.031 {
			t.Errorf("%.3f of the cells of %s changed, more than was allowed", c.Share, c.Column)
		}
	}
}

func TestMarkingKeepsKAnonymity(t *testing.T) {
	table := adult(t)
	cfg := adultConfig(table)
	r, err := Anonymize(t.Context(), table, cfg, adultFiles(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := Marker{Secret: Secret{4}, Quasi: table.Header(), K: 5}
	marked, marks, err := m.Mark(r.Table, "R", "A")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, row := range rowsOf(marked) {
		counts[strings.Join(row, "\x00")]++
	}
	for _, n := range counts {
		if n < 5 {
			t.Fatalf("a class has %d rows after marking", n)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{200, 1000, 5000} {
		fragment, err := NewTable(marked.Header(), shuffled(rng, rowsOf(marked), n))
		if err != nil {
			t.Fatal(err)
		}
		v := m.Secret.Trace(fragment, []Marks{marks})
		t.Logf("%d rows of a table with %d classes: %+v", n, len(counts), *v.Best)
	}
	// Such a table says too little to be told apart; that is said.
	if marks.Proven != 0 && marks.Proven < 1000 {
		t.Errorf("a k-anonymous table of few columns names its recipient from %d rows?", marks.Proven)
	}
	if _, marks, err = (Marker{Secret: Secret{4}}).Mark(clinical(t, 2000, 9), "R", "A"); err != nil || marks.Proven != 200 {
		t.Errorf("a clinical extract names its recipient from %d rows, %v", marks.Proven, err)
	}
}

// TestHoneyIsNobody: honey rows are recognised, and none is somebody's.
func TestHoneyIsNobody(t *testing.T) {
	table := clinical(t, 400, 3)
	asked := 0
	real := map[string]bool{}
	for _, row := range rowsOf(table) {
		real[row[0]] = true
	}
	m := Marker{Secret: Secret{7}, Honey: 6, Exists: func(header, row []string) bool {
		asked++
		return real[row[0]]
	}}
	marked, marks, err := m.Mark(table, "R", "A")
	if err != nil {
		t.Fatal(err)
	}
	if marks.Honey != 6 || marked.Rows() != 406 || asked < 6 {
		t.Fatal(marks.Honey, marked.Rows(), asked)
	}
	rows := rowsOf(marked)
	for _, row := range rows[400:] {
		if real[row[0]] {
			t.Error("a honey row has a patient's number")
		}
	}
	fragment, err := NewTable(marked.Header(), rows[400:])
	if err != nil {
		t.Fatal(err)
	}
	if v := m.Secret.Trace(fragment, []Marks{marks}); len(v.Named) != 1 || v.Named[0].Honey != 6 {
		t.Errorf("six honey rows alone: %+v", v)
	}
}

// TestTailIsExact compares the tail of the binomial with fractions.
func TestTailIsExact(t *testing.T) {
	for _, n := range []int{1, 2, 7, 60, 500} {
		for k := 0; k <= n; k += 1 + n/13 {
			sum := new(big.Int)
			for i := k; i <= n; i++ {
				sum.Add(sum, new(big.Int).Binomial(int64(n), int64(i)))
			}
			exact, _ := new(big.Float).SetInt(sum).Float64()
			want := math.Log10(exact) - float64(n)*math.Log10(2)
			got := logTail(n, k, 0.5)
			if k > n/2 && (got < want || got > want+0.01) || got > 1e-9 {
				t.Errorf("at least %d of %d: 10^%.6f, exactly 10^%.6f", k, n, got, want)
			}
		}
	}
}

// TestAccusationsByChance: over many secrets, what a piece of a table that is no
// copy answers is as likely as it says.
func TestAccusationsByChance(t *testing.T) {
	table := clinical(t, 600, 4)
	_, marks, err := Marker{Secret: Secret{1}}.Mark(table, "R", "A")
	if err != nil {
		t.Fatal(err)
	}
	const secrets = 1000
	below := map[float64]int{0.1: 0, 0.01: 0, 0.001: 0}
	for i := range secrets {
		s := Secret{2, byte(i), byte(i >> 8)}
		v := s.Trace(table.head(300), []Marks{marks})
		for p := range below {
			if v.Best.Log10False <= math.Log10(p) {
				below[p]++
			}
		}
	}
	for p, n := range below {
		// Three standard deviations above what chance allows at most.
		if most := secrets*p + 3*math.Sqrt(secrets*p) + 1; float64(n) > most {
			t.Errorf("%d of %d secrets were accused at %v, chance allows %.0f", n, secrets, p, most)
		}
	}
	t.Log(below)
}
