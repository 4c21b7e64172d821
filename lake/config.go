package lake

import "time"

// Config is the lake's part of the configuration. The zero value works.
type Config struct {
	// Dir is a local folder for scratch and for copies of remote files.
	Dir string `yaml:"-"`
	// Engine answers SQL; nil means that SQL is refused with ErrNoEngine.
	Engine Engine `yaml:"-"`
	// FlushRows is how many rows are buffered before a new file is written.
	FlushRows int `yaml:"flush_rows"`
	// FlushAge is how long a row is buffered at most.
	FlushAge time.Duration `yaml:"flush_age"`
	// CacheBytes bounds the local copies of files in object storage.
	CacheBytes int64 `yaml:"cache_bytes"`
	// IndexBytes bounds the memory for filters and sets of event ids.
	IndexBytes int64 `yaml:"index_bytes"`
}
