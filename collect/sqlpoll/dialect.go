package sqlpoll

import (
	"database/sql"
	"fmt"
	"strings"
)

// dialect is what differs between the databases.
type dialect struct {
	driver string // database/sql's name
	param  string // the first placeholder
	top    bool   // TOP (n) behind SELECT
	fetch  bool   // FETCH FIRST n ROWS ONLY at the end; else LIMIT n
	// readOnly asks the driver for a read-only transaction; begin is a
	// statement that does so where the driver has no option. SQL Server has
	// neither, so there the account's rights are the only guard.
	readOnly bool
	begin    string
}

func dialects() map[string]dialect {
	return map[string]dialect{
		"postgres":  {driver: "pgx", param: "$1", readOnly: true},
		"mysql":     {driver: "mysql", param: "?", readOnly: true},
		"sqlserver": {driver: "sqlserver", param: "@p1", top: true},
		"oracle":    {driver: "oracle", param: ":1", fetch: true, begin: "SET TRANSACTION READ ONLY"},
		"sqlite":    {driver: "sqlite", param: "?", readOnly: true},
	}
}

// statement reads at most n rows from a cursor value on; with first there is
// no value.
func (d dialect) statement(c Config, first bool, n int) string {
	var b strings.Builder
	b.WriteString("SELECT ")
	if d.top {
		fmt.Fprintf(&b, "TOP (%d) ", n)
	}
	if cols := c.columns(); len(cols) > 0 {
		b.WriteString(strings.Join(cols, ", "))
	} else {
		b.WriteString("*")
	}
	b.WriteString(" FROM " + c.Table)
	if !first {
		b.WriteString(" WHERE " + c.Cursor + " >= " + d.param)
	}
	b.WriteString(" ORDER BY " + c.Cursor)
	switch {
	case d.fetch:
		fmt.Fprintf(&b, " FETCH FIRST %d ROWS ONLY", n)
	case !d.top:
		fmt.Fprintf(&b, " LIMIT %d", n)
	}
	return b.String()
}

func (d dialect) options() *sql.TxOptions { return &sql.TxOptions{ReadOnly: d.readOnly} }
