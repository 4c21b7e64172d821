// Package canary proves that the alarm path works, all the time: an alarm that
// stopped and nobody saw is the commonest serious complaint about systems of
// this kind.
//
// What it gives: a [Watcher] sends a signed canary through every [Door] once a
// minute, as the senders of that door would: an HL7 message over MLLP, an
// audit message over syslog, an AuditEvent over HTTP, a line in a followed
// file, a row of a polled table. Each comes out at the other end of the
// pipeline where findings are made durable, in their transaction, and is timed
// there. [Watcher.Report] has the figures of a day, door by door; what is wrong
// ([Trouble]) is raised once, through a way that does not need the pipeline.
//
// What it guarantees: nobody can make a canary without the site's key, so
// nothing else is taken for one; canaries teach no detector, open no case of a
// person, are in no list of accesses, and do not make a silent source look
// alive. A canary that comes late behind a long queue is late, not lost.
// A machine that slept has lost nothing.
//
// What it does not do: it does not look whether hospital systems send; the
// detector of silent sources does. It cannot stand outside of itself: for the
// case that the whole machine is gone, [Config.Beat] tells another one every
// minute that all is well.
//
// It owns the table canary_samples.
package canary

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config of the proof of the alarm path.
type Config struct {
	// Off sends no canaries. The front page then says that the alarm path is
	// not proven.
	Off bool `yaml:"off"`
	// Every is how often each door is tried.
	Every time.Duration `yaml:"every"`
	// Late is after how long a canary that did not come out is missed while
	// nothing queues; Lost is after how long it is given up in any case.
	Late time.Duration `yaml:"late"`
	Lost time.Duration `yaml:"lost"`
	// Cert and Key are PEM files of a client certificate for doors that demand
	// one. Without it such doors are listed as not proven.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// Beat is an address that gets a POST every minute while the alarm path is
	// proven. A monitor elsewhere that hears nothing for some minutes should
	// raise the alarm that a dead machine cannot.
	Beat string `yaml:"beat"`
	// TestAlerts is when, each day, all ways in which warnings reach people
	// (mail, webhooks) are tried with a message that says so: "08:00", or
	// empty for never.
	TestAlerts string `yaml:"test_alerts"`
}

// Default tries every door once a minute.
func Default() Config {
	return Config{Every: time.Minute, Late: time.Minute, Lost: 10 * time.Minute, TestAlerts: "08:00"}
}

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	var errs []error
	if c.Every < time.Second {
		errs = append(errs, errors.New("canary.every is below 1s"))
	}
	if c.Late < time.Second || c.Lost < c.Late {
		errs = append(errs, errors.New("canary.late must be at least 1s, and canary.lost no less than late"))
	}
	if (c.Cert == "") != (c.Key == "") {
		errs = append(errs, errors.New("canary.cert and canary.key belong together; give both or neither"))
	}
	if _, err := c.testAt(); err != nil {
		errs = append(errs, err)
	}
	if c.Beat != "" {
		u, err := url.Parse(c.Beat)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			errs = append(errs, errors.New("canary.beat: give an http or https address"))
		}
	}
	return errors.Join(errs...)
}

// testAt is the time of day of TestAlerts, -1 for never.
func (c Config) testAt() (time.Duration, error) {
	if strings.TrimSpace(c.TestAlerts) == "" {
		return -1, nil
	}
	t, err := time.Parse("15:04", c.TestAlerts)
	if err != nil {
		return 0, fmt.Errorf("canary.test_alerts %q is not a time of day like 08:00", c.TestAlerts)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

// DueTest says whether a daily test of the alerts is due: the first look at or
// after the time of day, once a day. last is when it was last done.
func (c Config) DueTest(now, last time.Time) bool {
	at, err := c.testAt()
	if err != nil || at < 0 {
		return false
	}
	year, month, day := now.Date()
	due := time.Date(year, month, day, 0, 0, 0, 0, now.Location()).Add(at)
	return !now.Before(due) && last.Before(due)
}
