package lake

import (
	"errors"
	"time"
)

// Config is the lake's part of the configuration. The zero value works.
type Config struct {
	// Dir is a local folder for files being written and for copies of remote
	// files. It may be emptied while the lake is closed.
	Dir string `yaml:"-"`
	// Engine answers SQL; nil means that SQL is refused with ErrNoEngine.
	Engine Engine `yaml:"-"`
	// ReadOnly opens a lake that another process writes: nothing is deleted,
	// Append and Flush are not used.
	ReadOnly bool `yaml:"-"`
	// FlushRows is how many events are kept in memory before they are written
	// to files. Default 200000, about 50 MB. Events of several days may grow
	// to twice as many, so that their files do not become too small.
	FlushRows int `yaml:"flush_rows"`
	// FlushAge is how long an event stays in memory at most. Default 5m.
	FlushAge time.Duration `yaml:"flush_age"`
	// CacheBytes bounds the local copies of files in object storage. Default
	// 8 GiB. Without object storage there are none.
	CacheBytes int64 `yaml:"cache_bytes"`
	// IndexBytes bounds the memory for filters and event ids of files, which
	// make finding repeats and single events fast. Default 96 MiB.
	IndexBytes int64 `yaml:"index_bytes"`
	// SQLTime is how long a query may take, with reading its rows. Default 2m.
	SQLTime time.Duration `yaml:"sql_time"`
	// SQLAtOnce is how many queries run at the same time. Default 2.
	SQLAtOnce int `yaml:"sql_at_once"`
}

// Check tells what is wrong with the settings.
func (c Config) Check() error {
	if c.FlushRows < 0 || c.FlushAge < 0 || c.CacheBytes < 0 || c.IndexBytes < 0 || c.SQLTime < 0 || c.SQLAtOnce < 0 {
		return errors.New("lake: flush_rows, flush_age, cache_bytes, index_bytes, sql_time and sql_at_once cannot be negative")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.FlushRows == 0 {
		c.FlushRows = 200_000
	}
	if c.FlushAge == 0 {
		c.FlushAge = 5 * time.Minute
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 8 << 30
	}
	if c.IndexBytes == 0 {
		c.IndexBytes = 96 << 20
	}
	if c.SQLTime == 0 {
		c.SQLTime = 2 * time.Minute
	}
	if c.SQLAtOnce == 0 {
		c.SQLAtOnce = 2
	}
	return c
}
