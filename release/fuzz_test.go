package release

import (
	"strings"
	"testing"
)

func FuzzReadTable(f *testing.F) {
	for _, s := range []string{"a;b\n1;2\n", "a,b\n\"x\ny\",2\n", "\xff\xfea\x00,\x00b\x00\n\x00", "a\tb\n\xd5\xc5\t1\n", "\"", "a\n\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := ReadTable(strings.NewReader(string(data)), 0, Bounds{Rows: 100, Columns: 20, Cell: 200, Distinct: 1 << 16}, nil)
		if err != nil {
			return
		}
		for _, c := range table.Columns {
			if len(c.Cells) != table.Rows() {
				t.Fatal("columns of different length")
			}
		}
		marked, marks, err := Marker{Honey: 0}.Mark(table, "r", "a")
		if err == nil {
			Secret{}.Trace(marked, []Marks{marks})
			if marked.Rows() != table.Rows() {
				t.Fatal("marking changed the number of rows")
			}
		}
		Profile(table, 2)
	})
}

func FuzzReadHierarchy(f *testing.F) {
	for _, s := range []string{"a;x;*\nb;x;*\n", "a\n", "a,b\nc,b", "\"", "a;b;c\nd;b;e"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ReadHierarchy(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		// What is one at a level is one above it.
		for level := 1; level < h.Levels(); level++ {
			up := map[string]string{}
			for _, row := range h.labels {
				if was, ok := up[row[level-1]]; ok && was != row[level] {
					t.Fatal("no tree")
				}
				up[row[level-1]] = row[level]
			}
		}
	})
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{"k: 2\ncolumns:\n  a: {kind: quasi}\n", "k: 2\ncolumns: {a: {kind: quasi, hierarchy: {intervals: [1, 2]}}, b: {kind: sensitive, t: {t: .2}}}",
		"k: 1\ncolumns: {a: {kind: quasi, hierarchy: {prefix: [2, 1], file: x}}}", "k: [", "risk: {threshold: 2}"} {
		f.Add([]byte(s))
	}
	table, err := NewTable([]string{"a", "b"}, [][]string{{"12", "x"}, {"13", "y"}, {"2020-01-02", ""}, {"", "x"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := ReadConfig(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for name, c := range cfg.Columns {
			if c.Hierarchy.File != "" || c.T != nil && c.T.Hierarchy.File != "" {
				return
			}
			_ = name
		}
		// Whatever is accepted ends in a result or an error, never in a panic.
		_, _ = Anonymize(t.Context(), table, cfg, nil, nil)
	})
}
