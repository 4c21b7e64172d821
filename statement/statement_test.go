package statement_test

import (
	"testing"
	"testing/fstest"

	"github.com/cordon-health/cordon/statement"
)

// TestFingerprint: what differs in values, case, comments and lists only is
// the same statement; what differs in a name is another.
func TestFingerprint(t *testing.T) {
	for _, c := range []struct {
		d    statement.Dialect
		a, b string
		same bool
	}{
		{statement.MySQL, "SELECT a FROM t WHERE x = 5", "select  a from T where x=/* y */77 -- z", true},
		{statement.MySQL, "SELECT a FROM t WHERE x IN (1,2,3)", "SELECT a FROM t WHERE x IN ('q')", true},
		{statement.MySQL, "INSERT INTO t (a, b) VALUES (1, 2)", "INSERT INTO t (a, b) VALUES (1, 2), (3, 4), (5, 6);", true},
		{statement.MySQL, `SELECT a FROM t WHERE x = "it's"`, `SELECT a FROM t WHERE x = 'it\'s'`, true},
		{statement.MySQL, "SELECT `a` FROM t", "SELECT a FROM t", true},
		{statement.SQLServer, "SELECT [a] FROM t WHERE x = N'5'", "SELECT a FROM t WHERE x = @p", true},
		{statement.Oracle, "SELECT a FROM t WHERE x = q'[it's]'", "SELECT a FROM t WHERE x = :1", true},
		{statement.PostgreSQL, "SELECT a FROM t WHERE x = $q$ ' $q$", "SELECT a FROM t WHERE x = E'\\''", true},
		{statement.PostgreSQL, "SELECT /* a /* b */ c */ a FROM t", "SELECT a FROM t", true},
		{statement.Generic, "ＳＥＬＥＣＴ a FROM t", "select a from t", true},
		{statement.MySQL, "SELECT a FROM t", "SELECT a FROM u", false},
		{statement.MySQL, "SELECT /*!50000 a, */ b FROM t", "SELECT b FROM t", false},
		{statement.MySQL, "SELECT a FROM t WHERE x = 5", "SELECT a FROM t WHERE x > 5", false},
	} {
		a, b := statement.Normal(c.a, c.d), statement.Normal(c.b, c.d)
		if (a == b) != c.same {
			t.Errorf("%s\n%s\nare %q\n   and %q", c.a, c.b, a, b)
		}
	}
}

func TestMask(t *testing.T) {
	token := func(string) string { return "~T" }
	for _, c := range []struct {
		d        statement.Dialect
		in, want string
	}{
		{statement.MySQL, "SELECT a FROM t WHERE name = '王小明' AND id = 5", "SELECT a FROM t WHERE name = '~T' AND id = 5"},
		{statement.MySQL, `SELECT a FROM t WHERE name = "Li Wei"`, `SELECT a FROM t WHERE name = "~T"`},
		{statement.Oracle, `SELECT "Name" FROM t WHERE d >= '2026-03-01' AND n = q'[O'Neil]'`, `SELECT "Name" FROM t WHERE d >= '2026-03-01' AND n = '~T'`},
		{statement.SQLServer, "EXEC('SELECT a FROM t WHERE name = ''Zhang''')", "EXEC('SELECT a FROM t WHERE name = ''~T''')"},
		{statement.PostgreSQL, "SELECT $$Zhang San$$", "SELECT $$~T$$"},
		{statement.MySQL, "SELECT a /* for Zhang San */ FROM t -- 王小明", "SELECT a /**/ FROM t /**/ "},
		{statement.MySQL, "SELECT /*!50000 a */ FROM t WHERE x = '13'", "SELECT /*!50000 a */ FROM t WHERE x = '13'"},
	} {
		if got := statement.Mask(c.in, c.d, token); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestValues(t *testing.T) {
	r := statement.NewReader(usual(t), nil)
	_, v := r.Read("SELECT i.num FROM dms_medicine_item_record i JOIN dms_medicine_prescription_record p ON p.id = i.prescription_id WHERE i.drug_id IN (7, 8) AND p.create_time BETWEEN '2026-02' AND '2026-03-31' LIMIT 500, 100", statement.MySQL)
	if len(v.Drugs) != 2 || v.Since != 20260201 || v.From != 500 {
		t.Errorf("drugs %d, since %d, from %d", len(v.Drugs), v.Since, v.From)
	}
	_, other := r.Read("SELECT 1 FROM t WHERE x = '2026-99-01' OR y = 'M2026-01-01'", statement.MySQL)
	if other.Since != 0 {
		t.Errorf("%d is no day", other.Since)
	}
}

// TestCatalog: mistakes in a file of tables are told with their place.
func TestCatalog(t *testing.T) {
	for text, ok := range map[string]bool{
		"tables: {a: {kind: items, columns: {b: drug}}}":  true,
		"tables: {a: {kind: item}}":                       false,
		"tables: {a: {kind: items, columns: {b: drugs}}}": false,
		"tables: {a: {kind: items, level: 9}}":            false,
		"patterns: [{match: '(', kind: items}]":           false,
		"columns: [{match: x, is: drug, in: [nothing]}]":  false,
		"columns: [{match: x, is: drug, where: [items]}]": false,
		"ignore: ['']": false,
		"tabels: {}":   false,
	} {
		_, err := statement.LoadCatalog(fstest.MapFS{"x.yaml": {Data: []byte(text)}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	own := fstest.MapFS{"own.yaml": {Data: []byte("tables: {zlxx: {kind: items, columns: {ys: doctor, yp: drug, sl: quantity}}}")}}
	builtin := fstest.MapFS{"a.yaml": {Data: []byte("tables: {zlxx: {kind: other}}")}}
	c, err := statement.LoadCatalog(builtin, own)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := statement.NewReader(c, nil).Read("select ys, yp, sum(sl) from zlxx group by ys, yp", statement.Oracle)
	if s, _ := g.Statistic(); s != statement.ByDoctor {
		t.Errorf("the hospital's own file does not count: %d", s)
	}
}
