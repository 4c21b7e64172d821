package sqlpoll

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config of one polled table or view.
type Config struct {
	// Driver is postgres, mysql (also MariaDB), sqlserver, oracle or sqlite.
	Driver string `yaml:"driver"`
	// DSN is the connection string of the driver. $NAME takes the value of an
	// environment variable and @FILE the first line of a file, so that no
	// password stands in the configuration. Use an account that may only read.
	DSN string `yaml:"dsn"`
	// Table is the audit table or view; schema.name is allowed.
	Table string `yaml:"table"`
	// Columns are the columns the mapping needs; empty reads all.
	Columns []string `yaml:"columns"`
	// Cursor is the column rows are read in the order of: a growing number,
	// or a time of writing.
	Cursor string `yaml:"cursor"`
	// Start is where to begin the first time; empty is the first row.
	Start string `yaml:"start"`
	// Overlap is how far behind the last row seen each poll begins, because
	// transactions may commit out of order: a number of cursor steps for a
	// number, a duration such as 5m for a time. Rows seen again are dropped by
	// their event id.
	Overlap string `yaml:"overlap"`
	// Mapping names the mapping file that reads a row.
	Mapping string `yaml:"mapping"`
	// Source is the name shown on the Sources page.
	Source string `yaml:"source"`
	// Interval between polls, and rows of one poll.
	Interval time.Duration `yaml:"interval"`
	Batch    int           `yaml:"batch"`
	// Timeout of one poll.
	Timeout time.Duration `yaml:"timeout"`
}

// Default polls every five seconds, 1000 rows at a time.
func Default() Config {
	return Config{Interval: 5 * time.Second, Batch: 1000, Timeout: 30 * time.Second}
}

// identifier keeps configuration from becoming SQL: names are put into the
// statement as they stand.
var identifier = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_$#]*(\.[\p{L}_][\p{L}\p{N}_$#]*){0,2}$`)

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	if _, ok := dialects()[c.Driver]; !ok {
		return fmt.Errorf("sqlpoll: driver %q; use postgres, mysql, sqlserver, oracle or sqlite", c.Driver)
	}
	for _, name := range append([]string{c.Table, c.Cursor}, c.Columns...) {
		if !identifier.MatchString(name) {
			return fmt.Errorf("sqlpoll: %q is not a table or column name; give table, cursor and columns as plain names", name)
		}
	}
	switch {
	case c.DSN == "":
		return errors.New("sqlpoll: dsn is empty")
	case c.Mapping == "":
		return errors.New("sqlpoll: mapping is empty; name one from content/mappings or your own file")
	case c.Batch < 1 || c.Batch > 10000:
		return errors.New("sqlpoll: batch must be 1 to 10000")
	case c.Interval < 10*time.Millisecond:
		return errors.New("sqlpoll: interval is below 10ms")
	}
	_, err := parseOverlap(c.Overlap)
	return err
}

func (c Config) columns() []string {
	if len(c.Columns) == 0 || slices.Contains(c.Columns, c.Cursor) {
		return c.Columns
	}
	return append(slices.Clone(c.Columns), c.Cursor)
}

// dsn resolves $NAME and @FILE.
func (c Config) dsn() (string, error) {
	switch {
	case strings.HasPrefix(c.DSN, "$"):
		v := os.Getenv(c.DSN[1:])
		if v == "" {
			return "", fmt.Errorf("sqlpoll: environment variable %s is not set", c.DSN[1:])
		}
		return v, nil
	case strings.HasPrefix(c.DSN, "@"):
		data, err := os.ReadFile(c.DSN[1:])
		if err != nil {
			return "", fmt.Errorf("sqlpoll: read dsn: %w", err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		return strings.TrimSpace(line), nil
	}
	return c.DSN, nil
}
