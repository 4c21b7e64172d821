package statement_test

import (
	"strings"
	"testing"

	"github.com/cordon-health/cordon/statement"
)

// TestMaskJoins: SQL that is put together is joined before it is masked, and no
// name gets through in any of its pieces.
func TestMaskJoins(t *testing.T) {
	token := func(string) string { return "~T" }
	for _, c := range []struct {
		d        statement.Dialect
		in, want string
	}{
		{statement.Oracle, "EXECUTE IMMEDIATE 'SEL'||'ECT a FROM dms'||CHR(95)||'item WHERE n='''||'王小明'||''''", "EXECUTE IMMEDIATE 'SELECT a FROM dms_item WHERE n=''~T'''"},
		{statement.Oracle, "EXECUTE IMMEDIATE 'SELECT a FROM t WHERE n=' || p_name USING 'Zhang San'", "EXECUTE IMMEDIATE 'SELECT a FROM t WHERE n= ? ' || p_name USING '~T'"},
		{statement.MySQL, "SET @q=CONCAT('SELECT a FROM dms_','item WHERE n=\"王小明\"'); PREPARE s FROM @q", "SET @q='SELECT a FROM dms_item WHERE n=\"~T\"'; PREPARE s FROM @q"},
		{statement.MySQL, "SET @q='SELECT p.create_staff_id '", "SET @q='SELECT p.create_staff_id '"},
		{statement.MySQL, "SET @q=CONCAT(@q,'from dms_item i where Zhang San')", "SET @q=CONCAT(@q, 'from dms_item i where ~T ~T')"},
		{statement.Oracle, "DECLARE v VARCHAR2(99):='SELECT a FROM dms_'; BEGIN v:=v||'item'; OPEN c FOR v; END;", "DECLARE v VARCHAR2(99):='SELECT a FROM dms_'; BEGIN v:=v || 'item'; OPEN c FOR v; END;"},
		{statement.SQLServer, "EXEC('SELECT a FROM t WHERE n='''+'Zhang'+'''')", "EXEC('SELECT a FROM t WHERE n=''~T''')"},
		{statement.SQLServer, "UPDATE t SET note = 'Zhang San came with fever'", "UPDATE t SET note = '~T'"},
		{statement.MySQL, "UPDATE t SET note = 'Zhang San had to select a drug from Li Wei'", "UPDATE t SET note = '~T ~T ~T to select a ~T from ~T ~T'"},
		{statement.MySQL, "UPDATE t SET note = 'select Zhang Hong from the list'", "UPDATE t SET note = 'select ~T ~T from ~T ~T'"},
		{statement.MySQL, "UPDATE t SET note = CONCAT('张', '三')", "UPDATE t SET note = CONCAT('~T', '~T')"},
		{statement.PostgreSQL, "DO $x$BEGIN EXECUTE format('SELECT %I FROM t WHERE n=%L', 'num', '王小明'); END$x$", "DO $x$BEGIN EXECUTE 'SELECT num FROM t WHERE n=''~T'''; END$x$"},
		{statement.SQLServer, "EXEC(0x53454c454354206120f6)", "EXEC('SELECT a ?')"},
		{statement.MySQL, "SELECT 0xe78e8be5b08fe6988ee58db0", "SELECT '~T'"},
		{statement.MySQL, "SELECT a FROM \"dms_item\" WHERE b = \"dms_item\"", "SELECT a FROM \"dms_item\" WHERE b = \"~T\""},
		{statement.SQLServer, "EXEC sp_rename 'dbo.dms_item', 'zz1'; SELECT 'li_wei'", "EXEC sp_rename 'dbo.dms_item', 'zz1'; SELECT '~T'"},
	} {
		got := statement.Mask(c.in, c.d, token)
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
		for _, name := range []string{"王小明", "Zhang", "Wei", "Li ", "张"} {
			if strings.Contains(got, name) {
				t.Errorf("%s got through: %s", name, got)
			}
		}
	}
}
