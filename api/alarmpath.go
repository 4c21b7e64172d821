package api

import (
	"context"
	"net/http"

	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

// AlarmPath is how the way from an event to a warning does, as signed canaries
// and self-checks prove it.
type AlarmPath struct {
	// Proven: nothing is wrong, and every open door has been proven.
	Proven bool `json:"proven"`
	canary.Report
	// Detectors are counted as they run; Off are switched off, Stopped failed.
	Detectors struct {
		Running int      `json:"running"`
		Off     []string `json:"off"`
		Stopped []string `json:"stopped"`
	} `json:"detectors"`
	Rules struct {
		Loaded  int `json:"loaded"`
		Refused int `json:"refused"`
	} `json:"rules"`
	// Checked is how the last self-check of detectors and rules went.
	Checked SelfCheck `json:"self_check"`
	// Silent are sources that stopped sending.
	Silent []string `json:"silent_sources"`
	// Alerts are the last tests of the ways in which warnings reach people.
	Alerts []playbook.AlertTest `json:"alerts"`
}

// SelfCheck says which detectors and rules found their own examples when they
// were last tried, with the site's settings, on an invented hospital.
type SelfCheck struct {
	// At is in ms, 0 never.
	At int64 `json:"at"`
	// Detectors and Rules count those that found all their examples.
	Detectors int `json:"detectors"`
	Rules     int `json:"rules"`
	// Unproven are rules without examples of their own.
	Unproven int `json:"rules_without_examples"`
	// Failed are those that missed an example.
	Failed []FailedCheck `json:"failed"`
}

// FailedCheck is a detector or rule that missed an example of its own.
type FailedCheck struct {
	ID  string    `json:"id"`
	Why ocsf.Text `json:"why"`
	// BySettings: it finds them with the built-in numbers, or without the
	// site's filters; then it was somebody's decision and raises no alarm.
	BySettings bool `json:"by_settings,omitempty"`
}

// AlarmPathReporter tells and tests the alarm path.
type AlarmPathReporter interface {
	AlarmPath(context.Context) (AlarmPath, error)
	TestAlerts(context.Context) ([]playbook.AlertTest, error)
}

func (c *call) alarmPath() error {
	p, err := c.Alarm.AlarmPath(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, p)
}

func (c *call) testAlerts() error {
	list, err := c.Alarm.TestAlerts(c.r.Context())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, list)
}
