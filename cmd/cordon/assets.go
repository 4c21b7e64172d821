package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
)

type assetsCmd struct {
	List            assetsListCmd   `cmd:"" default:"withargs" help:"List devices, medical ones first."`
	Show            assetsShowCmd   `cmd:"" help:"One device with everything known: what it is and why, addresses, weaknesses."`
	Kinds           assetsKindsCmd  `cmd:"" help:"The kinds of devices there may be."`
	Set             assetsSetCmd    `cmd:"" help:"Say what a device is, whose, where, how critical; merge it, keep it apart."`
	Undo            assetsUndoCmd   `cmd:"" help:"Take the last change by hand back."`
	Import          assetsImportCmd `cmd:"" help:"Take a list in: CSV, CycloneDX bill of materials, nmap -oX."`
	Export          assetsExportCmd `cmd:"" help:"Give devices out: CSV, NetBox (CSV or JSON), JSON lines."`
	Vulnerabilities assetsWeakCmd   `cmd:"" help:"Compare all software with offline lists: OSV, and what is known to be exploited (KEV)."`
}

type assetsListCmd struct {
	target
	Text       string `arg:"" optional:"" help:"In name, address, vendor, model, location."`
	Kind       string `help:"Only of this kind; unknown for those nobody knows."`
	Department string `help:"Only of this department."`
	Only       string `help:"Only those: medical, unknown, aging, weak, exploited, life-support, new, unowned, retired." placeholder:"WORD"`
	JSON       bool   `help:"One device a line." name:"json"`
}

// Run lists devices.
func (c assetsListCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		q := url.Values{"q": {c.Text}, "kind": {c.Kind}, "department": {c.Department}, "only": {c.Only}}
		path := "/api/v1/network/devices?" + q.Encode()
		if c.JSON {
			return s.pour(w.ctx, w.out, "GET", path, nil)
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(tab, "ID\tKIND\tSURE\tNAME\tVENDOR\tMODEL\tIP\tDEPARTMENT\tWEAK")
		n := 0
		err := eachValue(s, w, path, func(d asset.Device) error {
			n++
			_, err := fmt.Fprintf(tab, "%s\t%s\t%.0f%%\t%s\t%s\t%s\t%s\t%s\t%d\n", d.ID, cmp.Or(d.What.Kind, "unknown"), 100*d.What.Confidence, d.Name, d.What.Vendor,
				d.What.Model, strings.Join(d.IPs, " "), d.Department, len(d.Weaknesses))
			return err
		})
		if n == 0 && err == nil {
			fmt.Fprintln(w.err, "nothing found")
		}
		return errors.Join(err, tab.Flush())
	})
}

// eachValue reads an answer of JSON lines.
func eachValue[T any](s *session, w *world, path string, fn func(T) error) error {
	res, err := s.call(w.ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	d := json.NewDecoder(bufio.NewReader(res.Body))
	for {
		var v T
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if err := fn(v); err != nil {
			return err
		}
	}
}

type assetsShowCmd struct {
	target
	Device string `arg:"" help:"Its id, MAC or IP."`
	JSON   bool   `help:"Print JSON." name:"json"`
}

// Run shows a device.
func (c assetsShowCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		path := "/api/v1/network/devices/" + url.PathEscape(c.Device)
		if c.JSON {
			return s.pour(w.ctx, w.out, "GET", path, nil)
		}
		d, err := get[asset.Device](s, w.ctx, "GET", path, nil)
		if err != nil {
			return err
		}
		return printDevice(w.out, d)
	})
}

func printDevice(out io.Writer, d asset.Device) error {
	tab := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" && value != "0" {
			fmt.Fprintf(tab, "%s\t%s\n", name, value)
		}
	}
	row("id", d.ID)
	row("name", d.Name)
	row("kind", fmt.Sprintf("%s, %.0f%% sure", cmp.Or(d.What.Kind, "unknown"), 100*d.What.Confidence))
	for _, why := range d.What.Because {
		row("because", why.In(language()))
	}
	for _, g := range d.Uncertain {
		row("or", fmt.Sprintf("%s, %.0f%%", g.Kind, 100*g.Confidence))
	}
	for _, x := range [][2]string{{"vendor", d.What.Vendor}, {"model", d.What.Model}, {"system", d.What.OS}, {"serial", d.Serial}, {"firmware", d.Firmware}, {"mac", strings.Join(d.MACs, " ")},
		{"ip", strings.Join(d.IPs, " ")}, {"switch port", d.Switch}, {"zone", d.Zone}, {"owner", d.Owner}, {"department", d.Department}, {"location", d.Location}, {"criticality", fmt.Sprint(d.Criticality)},
		{"life support", yesOf(d.LifeSupport)}, {"retired", yesOf(d.Retired)}, {"end of life", d.EndOfLife}, {"support ends", d.SupportEnds}, {"notes", d.Notes}, {"first seen", when(d.First)}, {"last seen", when(d.Last)}} {
		row(x[0], x[1])
	}
	for _, p := range d.Together {
		row("part", p.ID+": "+p.Why.In(language()))
	}
	for _, a := range d.Addresses {
		row("had", strings.TrimSpace(fmt.Sprintf("%s %s from %s to %s (%s)", a.IP, a.MAC, when(a.First), when(a.Last), a.By)))
	}
	for _, x := range d.Weaknesses {
		row("weak", weaknessText(x))
	}
	for _, x := range d.Changed {
		row("changed", fmt.Sprintf("%s by %s: %s", when(x.At), x.By, x.What))
	}
	return tab.Flush()
}

func weaknessText(x asset.Weakness) string {
	text := x.ID + " " + x.Software
	if x.Severity > 0 {
		text += fmt.Sprintf(", severity %.1f", x.Severity)
	}
	if x.Exploited {
		text += ", known to be exploited"
	}
	if x.Unsure {
		text += ", version not compared"
	}
	if x.Fixed != "" {
		text += ", mended in " + x.Fixed
	}
	return text
}

func yesOf(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func when(ms int64) string { return time.UnixMilli(ms).Format("2006-01-02 15:04") }

type assetsKindsCmd struct {
	target
}

// Run lists the kinds.
func (c assetsKindsCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		kinds, err := get[[]api.DeviceKind](s, w.ctx, "GET", "/api/v1/network/kinds", nil)
		if err != nil {
			return err
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		for _, k := range kinds {
			medical := ""
			if k.Medical {
				medical = "medical"
			}
			fmt.Fprintf(tab, "%s\t%s\t%s\n", k.Name, k.Title.In(language()), medical)
		}
		return tab.Flush()
	})
}

type assetsSetCmd struct {
	target
	Device string            `arg:"" help:"Its id, as listed."`
	Fields map[string]string `arg:"" help:"What to set: kind=ct owner=S1 department=Radiology location=B2 criticality=high life_support=yes end_of_life=2027-12-31 into=ID apart=yes; an empty value takes it back." placeholder:"FIELD=VALUE"`
	Reason string            `help:"Why."`
}

// Run sets fields.
func (c assetsSetCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		d, err := get[asset.Device](s, w.ctx, "POST", "/api/v1/network/devices/"+url.PathEscape(c.Device)+"/fields", api.DeviceFields{Fields: c.Fields, Reason: c.Reason})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.out, "%s %s\n", d.ID, cmp.Or(d.What.Kind, "unknown"))
		return err
	})
}

type assetsUndoCmd struct {
	target
	Device string `arg:"" help:"Its id, as listed."`
	Reason string `help:"Why."`
}

// Run takes a change back.
func (c assetsUndoCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "POST", "/api/v1/network/devices/"+url.PathEscape(c.Device)+"/undo", map[string]string{"reason": c.Reason})
	})
}

type assetsImportCmd struct {
	target
	Format    string `help:"csv, cyclonedx or nmap." enum:"csv,cyclonedx,nmap" required:""`
	Name      string `help:"What the list is called; its file name otherwise. A second import of one name takes its place."`
	Device    string `help:"The device that a bill of materials belongs to."`
	DryRun    bool   `help:"Tell what would change, and change nothing."`
	Overwrite bool   `help:"Take the list's word against people's."`
	JSON      bool   `help:"Print JSON." name:"json"`
	File      string `arg:"" help:"The list; - is standard input."`
}

// Run imports a list.
func (c assetsImportCmd) Run(w *world) error {
	in := io.Reader(w.in)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return usage{err}
		}
		defer f.Close()
		in = f
	}
	if err := c.make(); err != nil {
		return err
	}
	return c.with(w, func(s *session) error {
		q := url.Values{"format": {c.Format}, "name": {cmp.Or(c.Name, filepath.Base(c.File))}, "device": {c.Device}, "dry_run": {fmt.Sprint(c.DryRun)}, "overwrite": {fmt.Sprint(c.Overwrite)}}
		done, err := get[asset.Imported](s, w.ctx, "POST", "/api/v1/network/devices/import?"+q.Encode(), in)
		if err != nil {
			return err
		}
		for _, warning := range done.Warnings {
			fmt.Fprintln(w.err, "warning:", warning)
		}
		if c.JSON {
			return json.NewEncoder(w.out).Encode(done)
		}
		return printImported(w.out, done)
	})
}

func printImported(out io.Writer, done asset.Imported) error {
	for _, l := range done.Lines {
		mark := "~"
		switch {
		case l.New:
			mark = "+"
		case len(l.Changes)+l.Software == 0:
			mark = "="
		}
		if mark == "=" && len(l.Conflicts) == 0 {
			continue
		}
		fmt.Fprintf(out, "%s line %d %s %s\n", mark, l.Line, l.Device, l.Name)
		for _, x := range l.Changes {
			fmt.Fprintln(out, "    "+x)
		}
		if l.Software > 0 {
			fmt.Fprintf(out, "    software: %d\n", l.Software)
		}
		for _, x := range l.Conflicts {
			fmt.Fprintln(out, "    conflict: "+x)
		}
	}
	word := "imported"
	if done.DryRun {
		word = "would be imported"
	}
	_, err := fmt.Fprintf(out, "%s: %d read, %d new, %d changed, %d the same\n", word, done.Read, done.New, done.Changed, done.Same)
	return err
}

type assetsExportCmd struct {
	target
	Format string `help:"csv, netbox-csv, netbox-json or jsonl." enum:"csv,netbox-csv,netbox-json,jsonl" default:"csv"`
	Site   string `help:"Name of the hospital's site in NetBox."`
}

// Run exports devices.
func (c assetsExportCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, w.out, "GET", "/api/v1/network/devices/export?"+url.Values{"format": {c.Format}, "site": {c.Site}}.Encode(), nil)
	})
}

type assetsWeakCmd struct {
	target
	OSV  string `help:"OSV records: a folder, all.zip or one record of osv.dev." type:"path" name:"osv"`
	KEV  string `help:"CISA's known_exploited_vulnerabilities, .json or .csv." type:"path" name:"kev"`
	JSON bool   `help:"One weakness a line." name:"json"`
}

// Run compares the software of all devices with the lists, which are read
// here, and hands in what was found.
func (c assetsWeakCmd) Run(w *world) error {
	if c.OSV == "" && c.KEV == "" {
		return usage{errors.New("give --osv, --kev or both; nothing is fetched from the internet")}
	}
	return c.with(w, func(s *session) error {
		var inv []asset.Inventory
		if err := eachValue(s, w, "/api/v1/network/software", func(i asset.Inventory) error { inv = append(inv, i); return nil }); err != nil {
			return err
		}
		found, m, err := asset.MatchSoftware(w.ctx, inv, c.OSV, c.KEV)
		if err != nil {
			return usage{err}
		}
		if err := s.pour(w.ctx, io.Discard, "POST", "/api/v1/network/weaknesses", api.DeviceWeaknesses{Found: found}); err != nil {
			return err
		}
		if m.Refused > 0 {
			fmt.Fprintf(w.err, "warning: %d records could not be read\n", m.Refused)
		}
		fmt.Fprintf(w.err, "%d records, %d known to be exploited, %d pieces of software: %d weaknesses on %d devices\n", m.Records, m.Exploited, m.Software, m.Found, m.Devices)
		return c.print(w.out, inv, found)
	})
}

func (c assetsWeakCmd) print(out io.Writer, inv []asset.Inventory, found map[string][]asset.Weakness) error {
	e := json.NewEncoder(out)
	for _, i := range inv {
		for _, x := range found[i.Device] {
			var err error
			if c.JSON {
				err = e.Encode(struct {
					Device string `json:"device"`
					asset.Weakness
				}{i.Device, x})
			} else {
				_, err = fmt.Fprintln(out, i.Device, weaknessText(x))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
