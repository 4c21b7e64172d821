package config

import (
	"errors"
	"fmt"
)

// Retention is how long events are kept. What goes is written down in
// evidence; records (cases, decisions, explanations) stay.
type Retention struct {
	// Days is how long events are kept, 0 for ever. At least 180: six months
	// are the least that the Cybersecurity Law of China (art. 21) allows for
	// logs; HIPAA (45 CFR 164.316) asks for 2190.
	Days int `yaml:"days"`
	// Classes are other numbers of days for single OCSF classes, by class_uid,
	// e.g. 4001: 180.
	Classes map[uint32]int `yaml:"classes"`
	// Hold lists patients whose events stay whatever their age (legal hold).
	// Sealed records of the watchlist are held without being listed.
	Hold []string `yaml:"hold"`
}

const leastDays = 180

// Empty says that everything is kept for ever.
func (r Retention) Empty() bool { return r.Days == 0 && len(r.Classes) == 0 }

// Check says what is wrong with the settings.
func (r Retention) Check() error {
	var errs []error
	if r.Days != 0 && r.Days < leastDays {
		errs = append(errs, fmt.Errorf("retention.days is %d; keep events %d days at least, or 0 for ever", r.Days, leastDays))
	}
	for class, days := range r.Classes {
		if days != 0 && days < leastDays {
			errs = append(errs, fmt.Errorf("retention.classes.%d is %d; keep events %d days at least, or 0 for ever", class, days, leastDays))
		}
	}
	return errors.Join(errs...)
}
