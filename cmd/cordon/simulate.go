package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-health/cordon/simulate"
)

type simulateCmd struct {
	Seed     uint64 `help:"The same seed gives the same hospital, byte for byte." default:"1"`
	Days     int    `help:"Days." default:"30"`
	Staff    int    `help:"Members of staff." default:"400"`
	Patients int    `help:"Patients." default:"4000"`
	Start    string `help:"First day." placeholder:"YYYY-MM-DD"`
	Habits   string `help:"What is unlike the textbook: 'seed' for what belongs to the seed, 'plain' for nothing, or names with commas." default:"seed"`
	Out      string `help:"Folder to write." required:"" placeholder:"DIR" type:"path"`
}

// Run writes the hospital.
func (c simulateCmd) Run(w *world) error {
	cfg := simulate.Config{Seed: c.Seed, Days: c.Days, Staff: c.Staff, Patients: c.Patients}
	switch c.Habits {
	case "", "plain":
	case "seed":
		cfg.Habits = simulate.DrawHabits(c.Seed)
	default:
		cfg.Habits = strings.Split(c.Habits, ",")
	}
	if c.Start != "" {
		day, err := time.ParseInLocation(time.DateOnly, c.Start, time.FixedZone("", 8*3600))
		if err != nil {
			return usage{fmt.Errorf("start %q is not a day such as 2026-03-02", c.Start)}
		}
		cfg.Start = day
	}
	if err := free(c.Out); err != nil {
		return err
	}
	h, err := simulate.New(cfg)
	if err != nil {
		return usage{err}
	}
	bar := newProgress(w, "simulate", int64(c.Days))
	defer bar.end()
	if err := h.Write(c.Out, func(done, total int) { bar.step("simulate", int64(done), int64(total)) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.out, "wrote %s; its README.txt says how to import it\n", c.Out)
	return err
}

// free refuses a folder that holds something else than an earlier simulation.
func free(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return nil // it is made, or the trouble shows in writing
	}
	if _, err := os.Stat(filepath.Join(dir, "truth.jsonl")); err != nil {
		return usage{fmt.Errorf("%s is not empty and holds no earlier simulation; give another folder", dir)}
	}
	return nil
}
