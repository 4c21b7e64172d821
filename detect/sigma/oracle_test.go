package sigma

// The rules with every optimisation on must decide as the plain way does: JSON
// decoded by the standard library into a tree, fields found by comparing names,
// each rule's condition walked as it is written, wildcards always by the general
// way, regular expressions without gates, routing computed anew for each event.

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree is a JSON value as the standard library reads it, members in order.
type jsonTree struct {
	scalar  any // json.Number, string, bool or nil
	kind    byte
	names   []string
	members []*jsonTree
}

func readTree(data []byte) (*jsonTree, error) {
	if !json.Valid(data) {
		return nil, errors.New("not valid")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return readValue(dec)
}

func readValue(dec *json.Decoder) (*jsonTree, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	d, ok := tok.(json.Delim)
	if !ok {
		return &jsonTree{scalar: tok}, nil
	}
	t := &jsonTree{kind: byte(d)}
	for dec.More() {
		if t.kind == '{' {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			t.names = append(t.names, name.(string))
		}
		m, err := readValue(dec)
		if err != nil {
			return nil, err
		}
		t.members = append(t.members, m)
	}
	_, err = dec.Token()
	return t, err
}

// member is the last member of a name.
func (t *jsonTree) member(name string) *jsonTree {
	for i := len(t.names) - 1; i >= 0; i-- {
		if t.names[i] == name {
			return t.members[i]
		}
	}
	return nil
}

func (t *jsonTree) text() string {
	switch x := t.scalar.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		if x {
			return "true"
		}
		return "false"
	}
	return ""
}

// plainRead enters a tree's values as look.read does.
func (l *look) plainRead(t *jsonTree) {
	l.plainObject(t, nil, "")
}

func (l *look) plainObject(t *jsonTree, path []string, called string) {
	for i, name := range t.names {
		m := t.members[i]
		switch base, isAttrs := strings.CutSuffix(name, "_attributes"); {
		case name == "#attributes":
			l.plainAttributes(m, path, called, true)
		case name == "#text":
			l.plainAny(m, path, called)
		case strings.HasPrefix(name, "@") && len(name) > 1 && len(path) > 0 && !l.names(name):
			l.plainAny(m, attributePath(path, called, name[1:], true), name[1:])
		case name == "Data" && m.kind != 0:
			l.plainData(m, path)
		case isAttrs && m.kind == '{':
			l.plainAttributes(m, path, base, false)
		default:
			l.plainAny(m, extend(path, name), name)
		}
	}
}

// names says that a rule has this piece in the name of a field.
func (l *look) names(piece string) bool { return l.e.paths.find([]byte(piece)) != 0 }

func (l *look) plainAttributes(t *jsonTree, path []string, called string, inside bool) {
	for i, name := range t.names {
		l.plainAny(t.members[i], attributePath(path, called, name, inside), name)
	}
}

func attributePath(path []string, element, name string, inside bool) []string {
	if inside && len(path) > 0 {
		path = path[:len(path)-1]
	}
	return extend(path, element+"_"+name)
}

func (l *look) plainData(t *jsonTree, path []string) {
	list := []*jsonTree{t}
	if t.kind == '[' {
		list = t.members
	}
	for _, m := range list {
		name, value := "", (*jsonTree)(nil)
		for i, n := range m.names {
			switch x := m.members[i]; n {
			case "#attributes":
				name = ""
				if y := x.member("Name"); y != nil {
					name = y.text()
				}
			case "@Name", "Name":
				name = x.text()
			case "#text", "text", "content":
				value = x
			}
		}
		if m.kind == '{' && name != "" && value != nil {
			l.plainAny(value, extend(path, name), name)
		} else {
			l.plainAny(m, extend(path, "Data"), "Data")
		}
	}
}

// extend is a path with the pieces of a name; no piece of a name that is one
// for a rule as it stands is cut.
func extend(path []string, name string) []string {
	name = strings.ReplaceAll(name, " ", "")
	return append(slices.Clip(slices.Clone(path)), strings.Split(name, ".")...)
}

func (l *look) plainAny(t *jsonTree, path []string, called string) {
	if len(l.leaves) >= maxLeaves {
		return
	}
	switch t.kind {
	case '{':
		l.plainNote(path, -1)
		l.plainObject(t, path, called)
		return
	case '[':
		l.plainNote(path, -1)
		for _, m := range t.members {
			l.plainAny(m, path, called)
		}
		return
	}
	v := value{text: t.text(), null: t.scalar == nil}
	if n, ok := t.scalar.(json.Number); ok {
		v.text = canonical(n.String())
	}
	l.leaves = append(l.leaves, v)
	l.plainNote(path, len(l.leaves)-1)
}

func (l *look) plainNote(path []string, leaf int) {
	whole := strings.Join(path, ".")
	if len(path) == 0 {
		return
	}
	for n, name := range l.e.names {
		if rank, ok := plainRank(whole, strings.TrimPrefix(name, "unmapped."), l.e.others[name]); ok {
			l.enter(n, rank, leaf)
		}
	}
}

func plainRank(path, name string, others []string) (int, bool) {
	switch {
	case path == name:
		return rankWhole, true
	case strings.HasSuffix(path, "."+name):
		return rankEnd, true
	}
	for _, o := range others {
		if o = strings.ReplaceAll(o, " ", ""); path == o || strings.HasSuffix(path, "."+o) {
			return rankOther, true
		}
	}
	return 0, false
}

// plainly decides about a line the plain way.
func (l *look) plainly(data []byte) (hits []string, ok bool) {
	l.begin()
	t, err := readTree(data)
	if err != nil || t.kind != '{' {
		return nil, false
	}
	l.plainRead(t)
	l.texts = [2]int{0, len(l.leaves)}
	return idsOf(l.decide()), true
}

func idsOf(hits []*rule) []string {
	out := []string{}
	for _, x := range hits {
		out = append(out, x.id)
	}
	return out
}

// pair is the fast way and the plain way of the same rules.
type pair struct{ fast, plain *look }

func newPair(r *Rules) pair {
	p := pair{r.scan(time.UTC), r.scan(time.UTC)}
	p.plain.oracle = true
	return p
}

func (p pair) compare(t *testing.T, data []byte) (hits int) {
	t.Helper()
	want, wantOK := p.plain.plainly(data)
	found, ok := p.fast.line(data)
	if got := idsOf(found); ok != wantOK || !slices.Equal(got, want) {
		t.Errorf("%.2000s\nis an event: %v, %v the plain way\n%s", data, ok, wantOK, cmp.Diff(want, got))
	}
	return len(want)
}

// TestOptimised compares on all lanes: a few hundred events of each, everything
// with CORDON_LONG=1. Rules are tried as routed, and each on every event.
func TestOptimised(t *testing.T) {
	r, _ := corpus(t)
	n := 30
	if os.Getenv("CORDON_LONG") != "" {
		n = 0
	}
	for _, name := range lanes {
		t.Run(name, func(t *testing.T) {
			hits := compareAll(t, newPair(r), newPair(r.Everywhere()), lane(t, name, n))
			t.Logf("%d matches", hits)
		})
	}
}

func compareAll(t *testing.T, routed, everywhere pair, events [][]byte) (hits int) {
	for i, ev := range events {
		hits += routed.compare(t, ev)
		if os.Getenv("CORDON_LONG") == "" || i%20 == 0 {
			hits += everywhere.compare(t, ev)
		}
		if t.Failed() {
			return hits
		}
	}
	return hits
}

// TestOptimisedRegression compares on the events that SigmaHQ recorded, where
// matches are many, and on what becomes of them by small changes.
func TestOptimisedRegression(t *testing.T) {
	r, _ := corpus(t)
	p := newPair(r)
	rnd := rand.New(rand.NewPCG(1, 2))
	hits := 0
	for name, f := range shared(t, "sigma/regression.tar.zst") {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		for _, ev := range jsonValues(t, f.Data) {
			hits += p.compare(t, ev)
			for range 3 {
				hits += p.compare(t, mutated(ev, rnd))
			}
		}
	}
	t.Logf("%d matches", hits)
	if hits < 250 {
		t.Error("too few matches to mean anything")
	}
}

// mutated is an event with a few bytes changed, moved or doubled.
func mutated(ev []byte, rnd *rand.Rand) []byte {
	out := bytes.Clone(ev)
	for range 1 + rnd.IntN(4) {
		i := rnd.IntN(len(out))
		switch rnd.IntN(5) {
		case 0:
			out[i] ^= 0x20
		case 1:
			j := i + rnd.IntN(min(40, len(out)-i))
			out = slices.Delete(out, i, j)
		case 2:
			j := i + rnd.IntN(min(40, len(out)-i))
			out = slices.Insert(out, i, bytes.Clone(out[i:j])...)
		case 3:
			out = slices.Insert(out, i, []byte([]string{"ſ", "K", "é", `\u00e9`, `\\`, "é", "—"}[rnd.IntN(7)])...)
		default:
			out[i] = byte(' ' + rnd.IntN(95))
		}
	}
	return out
}

// FuzzOptimised mutates events before rules of every kind.
func FuzzOptimised(f *testing.F) {
	files := fstest.MapFS{}
	for i, c := range detectionCases() {
		name := "r" + strconv.Itoa(i)
		files[name+".yml"] = &fstest.MapFile{Data: []byte("title: t\nid: " + name + "\nlogsource: {category: test}\ndetection:\n" + c.detection)}
		for _, ev := range slices.Concat(c.hits, c.misses) {
			f.Add([]byte(ev))
		}
	}
	f.Add([]byte(`{"Event":{"System":{"Provider":{"#attributes":{"Name":"P"}},"EventID":{"#text":7}},"EventData":{"Data":[{"@Name":"a","#text":"Foo"},{"Name":"b","#text":null},"x"]}}}`))
	f.Add([]byte(`{"Provider_attributes":{"Name":"P"},"a b":"x","e.id":7,"@Name":1,"#text":2,"Data":{"#attributes":{"Name":"a"},"#text":"ſFOO"}}`))
	r, refused := Load(files)
	if len(refused) > 0 {
		f.Fatal(refused)
	}
	p := newPair(r)
	f.Fuzz(func(t *testing.T, data []byte) {
		if !deep(data) {
			p.compare(t, data)
		}
	})
}

// deep says that a text nests deeper than we read.
func deep(data []byte) bool {
	return bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > 100
}

// FuzzRules mutates a rule, before events that its seeds fit.
func FuzzRules(f *testing.F) {
	for _, c := range detectionCases() {
		f.Add([]byte(c.detection), []byte(c.hits[0]))
	}
	for _, text := range []string{"  sel: &a [*a]\n  condition: sel", "  sel: &a [{f: x}, *a]\n  condition: sel", "  a: &a [x]\n  b: [*a, *a]\n  condition: a or b"} {
		f.Add([]byte(text), []byte(`{"a":"x"}`))
	}
	f.Fuzz(func(t *testing.T, detection, ev []byte) {
		r, refused := load(string(detection))
		if len(refused) > 0 || deep(ev) {
			return
		}
		newPair(r).compare(t, ev)
	})
}
