package database

import (
	"fmt"
	"strings"
	"time"
)

// dialect is what differs between the databases.
type dialect struct {
	driver string
	dsn    func(address string) (string, error)
	// readOnly asks the driver for a read-only transaction; begin is a
	// statement that does so where the driver has no option. SQL Server has
	// neither, so there the account's rights are the only guard.
	readOnly bool
	begin    string
	// session bounds how long a statement runs and waits for locks.
	session func(time.Duration) []string
	// tables lists schema, name, owner, rows, bytes, mark, readable (0 or 1);
	// columns lists name and type of one table, by schema and name.
	tables, columns string
	quote           func(string) string
	// text is a column cut to n characters of text, binary cut to n bytes.
	text, binary func(column string, n int) string
	// small reads at most n rows, large about n out of all.
	small func(columns, table string, n int) string
	large func(columns, table string, n int, all int64) string
}

// largeFrom is how many times the sample a table must have to be sampled
// instead of read from its beginning.
const largeFrom = 5

// cell is how many characters of a cell are looked at.
const cell = 64 << 10

func dialects() map[string]dialect {
	pg, my := postgres(), mariadb()
	return map[string]dialect{"postgres": pg, "postgresql": pg, "mysql": my, "mariadb": my, "sqlserver": sqlServer(), "oracle": oracle()}
}

func doubled(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func limited(columns, table string, n int) string {
	return fmt.Sprintf("SELECT %s FROM %s LIMIT %d", columns, table, n)
}

// share is the percentage of rows that gives n, with some room because pages
// are not equally full.
func share(n int, all int64, least float64) float64 {
	return min(100, max(least, 130*float64(n)/float64(max(all, 1))))
}

func postgres() dialect {
	return dialect{
		driver: "pgx", dsn: plainDSN, readOnly: true,
		session: func(t time.Duration) []string {
			return []string{fmt.Sprintf("SET statement_timeout = %d", t.Milliseconds()), fmt.Sprintf("SET lock_timeout = %d", min(t, 5*time.Second).Milliseconds()),
				"SET application_name = 'cordon scan'"}
		},
		tables: `SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), greatest(coalesce((SELECT sum(greatest(p.reltuples, 0)) FROM pg_partition_tree(c.oid) t
				JOIN pg_class p ON p.oid = t.relid WHERE c.relkind = 'p'), c.reltuples), 0),
			CASE WHEN c.relkind = 'p' THEN (SELECT sum(pg_total_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t) ELSE pg_total_relation_size(c.oid) END,
			'', CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') THEN 1 ELSE 0 END
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')
			AND n.nspname NOT LIKE 'pg\_temp%' AND n.nspname NOT LIKE 'pg\_toast%' ORDER BY 1, 2`,
		columns: `SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
			JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
		quote:  doubled,
		text:   func(c string, n int) string { return fmt.Sprintf("left(%s::text, %d)", c, n) },
		binary: func(c string, n int) string { return fmt.Sprintf("substring(%s from 1 for %d)", c, n) },
		small:  limited,
		large: func(columns, table string, n int, all int64) string {
			return fmt.Sprintf("SELECT %s FROM %s TABLESAMPLE SYSTEM (%.6f) LIMIT %d", columns, table, share(n, all, 0.000001), n)
		},
	}
}

func mariadb() dialect {
	return dialect{
		driver: "mysql", dsn: mysqlDSN, readOnly: true,
		session: func(t time.Duration) []string {
			return []string{fmt.Sprintf("SET SESSION max_statement_time = %.3f", t.Seconds()), fmt.Sprintf("SET SESSION max_execution_time = %d", t.Milliseconds()),
				"SET SESSION lock_wait_timeout = 5", "SET SESSION innodb_lock_wait_timeout = 5"}
		},
		tables: `SELECT TABLE_SCHEMA, TABLE_NAME, '', TABLE_ROWS, DATA_LENGTH, '', 1 FROM information_schema.TABLES
			WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')
			AND (DATABASE() IS NULL OR TABLE_SCHEMA = DATABASE()) ORDER BY 1, 2`,
		columns: `SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
		quote:   func(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" },
		text:    func(c string, n int) string { return fmt.Sprintf("LEFT(CAST(%s AS CHAR), %d)", c, n) },
		binary:  func(c string, n int) string { return fmt.Sprintf("SUBSTRING(%s, 1, %d)", c, n) },
		small:   limited,
		// Without a key to jump by, see keyset, rows are read from the beginning.
		large: func(columns, table string, n int, _ int64) string { return limited(columns, table, n) },
	}
}

func sqlServer() dialect {
	return dialect{
		driver: "sqlserver", dsn: plainDSN,
		session: func(t time.Duration) []string {
			return []string{"SET LOCK_TIMEOUT 5000", "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", "SET DEADLOCK_PRIORITY LOW"}
		},
		tables: `SELECT s.name, t.name, coalesce(USER_NAME(OBJECTPROPERTY(t.object_id, 'OwnerId')), ''),
			(SELECT sum(p.rows) FROM sys.partitions p WHERE p.object_id = t.object_id AND p.index_id IN (0, 1)),
			(SELECT sum(a.used_pages) * 8192.0 FROM sys.partitions p JOIN sys.allocation_units a ON a.container_id = p.partition_id WHERE p.object_id = t.object_id),
			'', coalesce(HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(t.name), 'OBJECT', 'SELECT'), 0)
			FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id WHERE t.is_ms_shipped = 0 ORDER BY 1, 2`,
		columns: `SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = @p1 AND TABLE_NAME = @p2 ORDER BY ORDINAL_POSITION`,
		quote:   func(name string) string { return "[" + strings.ReplaceAll(name, "]", "]]") + "]" },
		text:    func(c string, n int) string { return fmt.Sprintf("LEFT(CAST(%s AS NVARCHAR(MAX)), %d)", c, n) },
		binary:  func(c string, n int) string { return fmt.Sprintf("SUBSTRING(CAST(%s AS VARBINARY(MAX)), 1, %d)", c, n) },
		small: func(columns, table string, n int) string {
			return fmt.Sprintf("SELECT TOP (%d) %s FROM %s", n, columns, table)
		},
		large: func(columns, table string, n int, all int64) string {
			return fmt.Sprintf("SELECT TOP (%d) %s FROM %s TABLESAMPLE (%.6f PERCENT)", n, columns, table, share(n, all, 0.000001))
		},
	}
}

func oracle() dialect {
	return dialect{
		driver: "oracle", dsn: plainDSN, begin: "SET TRANSACTION READ ONLY",
		session: func(time.Duration) []string { return nil }, // the context's deadline ends a statement
		tables: `SELECT t.OWNER, t.TABLE_NAME, t.OWNER, t.NUM_ROWS, t.BLOCKS * 8192, '', 1 FROM ALL_TABLES t JOIN ALL_USERS u ON u.USERNAME = t.OWNER
			WHERE u.ORACLE_MAINTAINED = 'N' AND t.NESTED = 'NO' AND t.SECONDARY = 'N' AND (t.IOT_TYPE IS NULL OR t.IOT_TYPE = 'IOT') ORDER BY 1, 2`,
		columns: `SELECT COLUMN_NAME, DATA_TYPE FROM ALL_TAB_COLUMNS WHERE OWNER = :1 AND TABLE_NAME = :2 ORDER BY COLUMN_ID`,
		quote:   doubled,
		text:    func(c string, n int) string { return fmt.Sprintf("SUBSTR(%s, 1, %d)", c, min(n, 4000)) },
		binary:  func(c string, n int) string { return fmt.Sprintf("DBMS_LOB.SUBSTR(%s, %d, 1)", c, min(n, 2000)) },
		small: func(columns, table string, n int) string {
			return fmt.Sprintf("SELECT %s FROM %s WHERE ROWNUM <= %d", columns, table, n)
		},
		large: func(columns, table string, n int, all int64) string {
			return fmt.Sprintf("SELECT %s FROM %s SAMPLE BLOCK (%.6f) WHERE ROWNUM <= %d", columns, table, min(99, share(n, all, 0.000001)), n)
		},
	}
}

// nature is what a column's type says about how to read it.
type nature uint8

const (
	skip   nature = iota // cannot identify anybody: booleans, positions, vectors
	plain                // short: numbers, dates, names
	long                 // text that is cut
	binary               // bytes that may be a document
)

// natureOf reads the name of a type in any of the databases.
func natureOf(typ string) nature {
	typ = strings.ToLower(typ)
	for _, x := range []struct {
		part string
		is   nature
	}{
		{"bytea", binary}, {"blob", binary}, {"binary", binary}, {"image", binary}, {"long raw", binary}, {"raw", binary},
		{"bool", skip}, {"bit", skip}, {"geometry", skip}, {"geography", skip}, {"tsvector", skip}, {"vector", skip}, {"rowversion", skip},
		{"sql_variant", plain}, {"bfile", skip}, {"sdo_", skip}, {"float", skip}, {"double", skip}, {"real", skip}, {"money", skip},
		{"char", long}, {"text", long}, {"clob", long}, {"json", long}, {"xml", long}, {"long", long}, {"enum", plain}, {"set", plain},
	} {
		if strings.Contains(typ, x.part) {
			return x.is
		}
	}
	return plain
}
