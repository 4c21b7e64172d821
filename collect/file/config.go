package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Config of one watched set of files.
type Config struct {
	// Path is a file name or a pattern with * and ? (filepath.Match).
	Path string `yaml:"path"`
	// Format is how to read them; see 'cordon import --help'.
	Format string `yaml:"format"`
	// Mapping names the mapping for json and csv.
	Mapping string `yaml:"mapping"`
	// Mode is follow (log files that grow and rotate, one record a line) or
	// whole (files dropped into a folder, read once they stop growing).
	Mode string `yaml:"mode"`
	// Source is the name shown on the Sources page.
	Source string `yaml:"source"`
	// Poll is how often to look.
	Poll time.Duration `yaml:"poll"`
}

// Default follows files and looks twice a second.
func Default() Config {
	return Config{Format: "syslog", Mode: "follow", Poll: 500 * time.Millisecond}
}

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	if c.Path == "" {
		return errors.New("file: path is empty; give a file or a pattern such as /var/log/his/*.log")
	}
	if _, err := filepath.Match(c.Path, ""); err != nil {
		return fmt.Errorf("file: path %s: %w", c.Path, err)
	}
	if c.Mode != "follow" && c.Mode != "whole" {
		return fmt.Errorf("file: mode %q; use follow or whole", c.Mode)
	}
	if c.Poll < 10*time.Millisecond {
		return errors.New("file: poll is below 10ms")
	}
	return nil
}
