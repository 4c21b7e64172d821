// Package config is the one file a hospital writes: YAML, strict, every
// setting with a working default, so that no file at all is a valid one.
//
// What it gives: [Load], [Default] and [Config]. An unknown key is an error
// that names its line. Each part of the product declares its own settings as
// a commented struct in its own package; this package only puts them
// together, and docs/configuration.md is printed from those comments (a test
// compares). A collector's section stays raw until node hands it to that
// collector's strict decoder, before anything starts.
//
// It reads files and nothing else: no environment, no flags. A file of an
// earlier release always loads.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/release"
	"github.com/cordon-health/cordon/zone"
)

// Config is the whole configuration.
type Config struct {
	// Data is the folder where everything is kept. It needs a disk that
	// survives a power cut; about 60 bytes per event.
	Data string `yaml:"data"`
	Site Site   `yaml:"site"`
	// Console is where people and programs reach Cordon.
	Console Console `yaml:"console"`
	// Store is the engine of records: empty for SQLite inside the process, or
	// postgres://user@host/database.
	Store string `yaml:"store"`
	// Bus is the engine of durable delivery: empty for JetStream inside the
	// process, or the url of a NATS cluster (see bus/jetstream).
	Bus yaml.Node `yaml:"bus"`
	// Blob is where files of events are kept: empty for a folder below data,
	// or endpoint and bucket of object storage (see blob/s3).
	Blob yaml.Node `yaml:"blob"`
	// Collect lists the collectors by kind: syslog, mllp, file, sqlpoll,
	// capture (a mirror port of this machine), wireless, netflow, web. Without it Cordon listens on loopback for MLLP, syslog and HTTP.
	Collect map[string]yaml.Node `yaml:"collect"`
	// Mappings is a folder with a hospital's own mapping files, beside those
	// that come with Cordon.
	Mappings string `yaml:"mappings"`
	// Playbooks is a folder with a hospital's own CACAO playbooks.
	Playbooks string          `yaml:"playbooks"`
	Lake      lake.Config     `yaml:"lake"`
	Retention Retention       `yaml:"retention"`
	Detect    detect.Config   `yaml:"detect"`
	Incident  incident.Config `yaml:"incident"`
	Playbook  playbook.Config `yaml:"playbook"`
	Identity  identity.Config `yaml:"identity"`
	Evidence  Evidence        `yaml:"evidence"`
	// Canary proves the alarm path, all the time.
	Canary canary.Config `yaml:"canary"`
	// Gateway is what may leave by mail and web.
	Gateway gateway.Config `yaml:"gateway"`
	// Zone is how departments are kept apart.
	Zone zone.Settings `yaml:"zone"`
	// Release is about data sets that leave.
	Release release.Settings `yaml:"release"`
	// Directory is where people come from besides CSV imports.
	Directory Directory `yaml:"directory"`
	// Scan is what is searched for patient data, and when.
	Scan classify.ScanConfig `yaml:"scan"`
	Log  Log                 `yaml:"log"`
}

// Site is the hospital.
type Site struct {
	// Name is shown in the console and on printed case files.
	Name string `yaml:"name"`
	// Zone is the time zone of times without one, e.g. Asia/Shanghai.
	Zone string `yaml:"zone"`
	// Language of messages that are not for one known reader: zh or en.
	Language string `yaml:"language"`
}

// Location is the site's time zone.
func (s Site) Location() (*time.Location, error) {
	loc, err := time.LoadLocation(s.Zone)
	if err != nil {
		return nil, fmt.Errorf("site.zone %q is not a time zone; use a name such as Asia/Shanghai or Europe/Berlin", s.Zone)
	}
	return loc, nil
}

// Console is the web server.
type Console struct {
	// Listen is host:port. Anything but loopback needs cert and key.
	Listen string `yaml:"listen"`
	// URL is how people reach it, for links in messages, e.g.
	// https://cordon.hospital.example.
	URL string `yaml:"url"`
	// Cert and Key are PEM files that turn on TLS.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// BehindProxy says that TLS ends at a reverse proxy on this machine.
	BehindProxy bool `yaml:"behind_proxy"`
}

// Evidence is the tamper-evident log.
type Evidence struct {
	// Origin names this log for ever, e.g. cordon.hospital.example/log.
	Origin string `yaml:"origin"`
	// WitnessURL and WitnessKey name a C2SP tlog-witness that countersigns.
	WitnessURL string `yaml:"witness_url"`
	WitnessKey string `yaml:"witness_key"`
	// WitnessRequired refuses checkpoints without the witness.
	WitnessRequired bool `yaml:"witness_required"`
}

// Directory is where people come from.
type Directory struct {
	// LDAP is an LDAP or Active Directory server; raw until node decodes it.
	LDAP yaml.Node `yaml:"ldap"`
	// Every is how often it is read.
	Every time.Duration `yaml:"every"`
}

// Log is what Cordon says about itself.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is text for people or json for machines.
	Format string `yaml:"format"`
}

// Default works as it is: everything below ./cordon-data, reachable from this
// machine only.
func Default() Config {
	return Config{
		Data:      "cordon-data",
		Site:      Site{Name: "Hospital", Zone: "Local", Language: "zh"},
		Console:   Console{Listen: "127.0.0.1:8080"},
		Detect:    detect.Default(),
		Incident:  incident.Default(),
		Canary:    canary.Default(),
		Scan:      classify.DefaultScan(),
		Gateway:   gateway.Default(),
		Release:   release.DefaultSettings(),
		Playbook:  playbook.Default(),
		Identity:  identity.Default(),
		Evidence:  Evidence{Origin: "cordon.local/log"},
		Directory: Directory{Every: time.Hour},
		Log:       Log{Level: "info", Format: "text"},
	}
}

// Load reads a file over the defaults; an empty path gives the defaults.
// Relative paths in the file are relative to its folder.
func Load(path string) (Config, error) {
	cfg := Default()
	if path == "" {
		return cfg, cfg.Check()
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return cfg, fmt.Errorf("read configuration: %w", err)
	}
	if err := strict.Unmarshal(data, &cfg); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	cfg.anchor(filepath.Dir(path))
	if err := cfg.Check(); err != nil {
		return cfg, fmt.Errorf("%s: %w", path, err)
	}
	return cfg, nil
}

func (c *Config) anchor(dir string) {
	paths := []*string{&c.Data, &c.Mappings, &c.Playbooks, &c.Console.Cert, &c.Console.Key, &c.Scan.Levels, &c.Scan.Rules}
	for i := range c.Scan.Targets {
		if p := &c.Scan.Targets[i].Path; classify.Scheme(*p) == "" && !strings.HasPrefix(*p, "$") && !strings.HasPrefix(*p, "@") {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

// Check says everything that is wrong, at once.
func (c Config) Check() error {
	var errs []error
	fail := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	_, err := c.Site.Location()
	errs = append(errs, err, c.Lake.Check(), c.Detect.Check(), c.Incident.Check(), c.Playbook.Check(), c.Identity.Check(), c.Canary.Check(), c.Gateway.Check(), c.Release.Check(), c.Zone.Check(), c.Retention.Check())
	fail(c.Data == "", "data is empty; name a folder")
	fail(!slices.Contains([]string{"zh", "en"}, c.Site.Language), "site.language: use zh or en")
	fail((c.Console.Cert == "") != (c.Console.Key == ""), "console: cert and key belong together")
	fail(c.Store != "" && !strings.HasPrefix(c.Store, "postgres://") && !strings.HasPrefix(c.Store, "postgresql://"),
		"store: leave it empty for SQLite, or give postgres://user@host/database")
	fail(c.Console.Cert == "" && !c.Console.BehindProxy && !loopback(c.Console.Listen),
		"console.listen is reachable from other machines without TLS; set console.cert and console.key, or behind_proxy: true where a proxy does it")
	fail(!slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level: use debug, info, warn or error")
	fail(!slices.Contains([]string{"text", "json"}, c.Log.Format), "log.format: use text or json")
	return errors.Join(errs...)
}

func loopback(address string) bool {
	host, _, ok := strings.Cut(address, ":")
	if strings.HasPrefix(address, "[") {
		host, _, ok = strings.Cut(strings.TrimPrefix(address, "["), "]")
	}
	return ok && (host == "localhost" || host == "::1" || strings.HasPrefix(host, "127."))
}
