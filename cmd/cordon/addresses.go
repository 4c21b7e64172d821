package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/binding"
)

type addressesCmd struct {
	List     addressesListCmd    `cmd:"" default:"withargs" help:"Who addresses belong to: learnt, bound, locked."`
	Who      addressesWhoCmd     `cmd:"" help:"Who had an address, when, who is responsible and who approved it."`
	Networks addressesNetsCmd    `cmd:"" help:"Networks with addresses, how many are reviewed, and which networks are locked."`
	Disputed addressesClashCmd   `cmd:"" help:"Claims against what is bound, and addresses that two devices use."`
	Confirm  addressesConfirmCmd `cmd:"" help:"Say that bindings are right, and who is responsible."`
	Lock     addressesLockCmd    `cmd:"" help:"Lock bindings, or a whole network: what differs is an alarm."`
	Unlock   addressesUnlockCmd  `cmd:"" help:"Take a lock back."`
	End      addressesEndCmd     `cmd:"" help:"Say that bindings hold no longer."`
	Import   addressesImportCmd  `cmd:"" help:"Take a CSV in: mac,ip,port,vlan,person_id,department,note."`
	Export   addressesExportCmd  `cmd:"" help:"Give bindings out as the CSV that import takes."`
}

type addressesListCmd struct {
	target
	State string `help:"Only those: learnt, bound, locked, ended." enum:"learnt,bound,locked,ended," default:""`
	JSON  bool   `help:"One binding a line." name:"json"`
}

// Run lists bindings.
func (c addressesListCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		path := "/api/v1/network/bindings?" + url.Values{"state": {c.State}}.Encode()
		if c.JSON {
			return s.pour(w.ctx, w.out, "GET", path, nil)
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(tab, "ID\tSTATE\tIP\tMAC\tVLAN\tPORT\tPERSON\tDEPARTMENT\tDECIDED BY")
		n := 0
		err := eachValue(s, w, path, func(b binding.Binding) error {
			if b.State == binding.Ended && c.State == "" {
				return nil
			}
			n++
			_, err := fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.ID, b.State, cmp.Or(b.IP, "any leased"), b.MAC, vlanText(b.VLAN), b.Port, b.Person, b.Department, b.DecidedBy)
			return err
		})
		if n == 0 && err == nil {
			fmt.Fprintln(w.err, "nothing found; addresses are learnt from a sensor (cordon sensor) or taken in: cordon addresses import FILE")
		}
		return errors.Join(err, tab.Flush())
	})
}

func vlanText(v uint16) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprint(v)
}

type addressesWhoCmd struct {
	target
	Address string `arg:"" help:"An IP or a MAC."`
	At      string `help:"When: a date, or RFC 3339. Any time without it."`
	JSON    bool   `help:"Print JSON." name:"json"`
}

// Run says who had an address.
func (c addressesWhoCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		list, err := get[[]api.AddressUse](s, w.ctx, "POST", "/api/v1/network/addresses/history", map[string]string{"address": c.Address, "at": c.At})
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(w.out).Encode(list)
		}
		if len(list) == 0 {
			fmt.Fprintln(w.err, "nobody is known to have had it")
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		for _, u := range list {
			fmt.Fprintf(tab, "%s\t%s\tfrom %s\tto %s\t%s\t%s\n", u.IP, u.MAC, when(u.First), when(u.Last), cmp.Or(u.Name, u.Device), approvedText(u.Binding, u.Reason))
		}
		return tab.Flush()
	})
}

// approvedText says who stands behind a binding.
func approvedText(b *binding.Binding, reason string) string {
	switch {
	case b == nil:
		return "nobody decided about it"
	case b.DecidedBy == "":
		return string(b.State) + ", nobody decided about it"
	}
	text := fmt.Sprintf("%s by %s %s", b.State, b.DecidedBy, when(b.Decided))
	if b.Person != "" {
		text += ", responsible " + b.Person
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}

type addressesNetsCmd struct {
	target
	JSON bool `help:"Print JSON." name:"json"`
}

// Run lists networks.
func (c addressesNetsCmd) Run(w *world) error {
	return listing(c.target, w, c.JSON, "/api/v1/network/subnets", "NETWORK\tZONE\tLEARNT\tBOUND\tLOCKED\tNETWORK LOCKED BY", func(n api.Subnet) string {
		by := "–"
		if n.Locked {
			by = n.By + " " + when(n.At)
		}
		return fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t%s", n.Prefix, n.Zone, n.Learnt, n.Bound, n.Kept, by)
	})
}

type addressesClashCmd struct {
	target
	JSON bool `help:"Print JSON." name:"json"`
}

// Run lists disputes.
func (c addressesClashCmd) Run(w *world) error {
	return listing(c.target, w, c.JSON, "/api/v1/network/bindings/conflicts", "AT\tWHAT\tIP\tCLAIMED BY\tBELONGS TO\tPORT\tTIMES", func(x api.AddressConflict) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%d", when(x.At), x.Kind, x.IP, x.MAC, x.Bound, x.Port, x.Count)
	})
}

// listing prints an answer that is a list.
func listing[T any](t target, w *world, asJSON bool, path, head string, line func(T) string) error {
	return t.with(w, func(s *session) error {
		list, err := get[[]T](s, w.ctx, "GET", path, nil)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(w.out).Encode(list)
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(tab, head)
		for _, x := range list {
			fmt.Fprintln(tab, line(x))
		}
		return tab.Flush()
	})
}

// addressesChoice is what a decision is about.
type addressesChoice struct {
	target
	Which  []string `arg:"" help:"Ids as listed, or one network such as 10.1.0.0/24." name:"id"`
	Reason string   `help:"Why, for the record."`
}

// decide hands a decision in; a network stands for what, or is refused.
func (c addressesChoice) decide(w *world, what, whole string, wish api.BindingWish) error {
	wish.What, wish.Note = what, c.Reason
	if p, err := netip.ParsePrefix(c.Which[0]); err == nil {
		if whole == "" || len(c.Which) > 1 {
			return usage{fmt.Errorf("a network can only be locked or unlocked, one at a time; give ids, which cordon addresses list prints")}
		}
		wish.What, wish.Subnet = whole, p.String()
	} else {
		wish.IDs = c.Which
	}
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, io.Discard, "POST", "/api/v1/network/bindings", wish)
	})
}

type addressesConfirmCmd struct {
	addressesChoice
	Person     string `help:"Who is responsible (person_id)."`
	Department string `help:"Whose it is."`
}

// Run confirms.
func (c addressesConfirmCmd) Run(w *world) error {
	return c.decide(w, api.BindConfirm, "", api.BindingWish{Person: c.Person, Department: c.Department})
}

type addressesLockCmd struct{ addressesChoice }

// Run locks.
func (c addressesLockCmd) Run(w *world) error {
	return c.decide(w, api.BindLock, api.BindSubnet, api.BindingWish{})
}

type addressesUnlockCmd struct{ addressesChoice }

// Run unlocks.
func (c addressesUnlockCmd) Run(w *world) error {
	return c.decide(w, api.BindUnlock, api.BindOpen, api.BindingWish{})
}

type addressesEndCmd struct{ addressesChoice }

// Run ends.
func (c addressesEndCmd) Run(w *world) error {
	return c.decide(w, api.BindEnd, "", api.BindingWish{})
}

type addressesImportCmd struct {
	target
	Reason string `help:"Why, for the record."`
	File   string `arg:"" help:"The list; - is standard input."`
}

// Run imports a list; rows that could not be used make it fail at the end.
func (c addressesImportCmd) Run(w *world) error {
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
	return c.with(w, func(s *session) error { return c.hand(w.ctx, w, s, in) })
}

func (c addressesImportCmd) hand(ctx context.Context, w *world, s *session, in io.Reader) error {
	done, err := get[api.BindingsTaken](s, ctx, "POST", "/api/v1/network/bindings/import?"+url.Values{"reason": {c.Reason}}.Encode(), in)
	if err != nil {
		return err
	}
	for _, r := range done.Rejected {
		fmt.Fprintf(w.err, "line %d: %s\n", r.Line, r.Reason)
	}
	fmt.Fprintf(w.out, "%d bound, %d rows not used\n", done.Taken, len(done.Rejected))
	if len(done.Rejected) > 0 {
		return errors.New("some rows were not used; mend those lines and import the file again, which changes nothing else")
	}
	return nil
}

type addressesExportCmd struct {
	target
	State string `help:"Only those: learnt, bound, locked; without it all that have not ended." enum:"learnt,bound,locked," default:""`
}

// Run exports bindings.
func (c addressesExportCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, w.out, "GET", strings.TrimSuffix("/api/v1/network/bindings/export?"+url.Values{"state": {c.State}}.Encode(), "?state="), nil)
	})
}
