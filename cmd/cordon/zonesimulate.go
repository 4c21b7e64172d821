package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/zone"
)

// zoneFlows is where conversations come from: a file, or a server's book.
type zoneFlows struct {
	target
	Flows string `help:"Conversations, NDJSON: OCSF events of Cordon's sensors, or what the API lists; - is standard input; .gz and .zst are opened." placeholder:"FILE"`
	Days  int    `help:"How many days back; at least 7 are worth something. A file is taken whole unless given; a server 30."`
}

// zoneTalk is a conversation as the API lists it.
type zoneTalk struct {
	Client     netip.Addr       `json:"client"`
	Server     netip.Addr       `json:"server"`
	Protocol   uint8            `json:"protocol"`
	Port       uint16           `json:"port"`
	App        string           `json:"app"`
	ClientName string           `json:"client_name"`
	ServerName string           `json:"server_name"`
	From       int64            `json:"from"`
	Until      int64            `json:"until"`
	Sessions   int64            `json:"sessions"`
	Refused    int64            `json:"refused"`
	Calls      map[string]int64 `json:"calls"`
}

// zoneConversation reads one line.
func zoneConversation(line []byte) (flow.Conversation, bool) {
	if bytes.Contains(line, []byte(`"class_uid"`)) {
		var ev ocsf.Event
		if ocsf.Decode(line, &ev) != nil {
			return flow.Conversation{}, false
		}
		return flow.Of(&ev)
	}
	var t zoneTalk
	if json.Unmarshal(line, &t) != nil || !t.Client.IsValid() || !t.Server.IsValid() || t.Until == 0 {
		return flow.Conversation{}, false
	}
	c := flow.Conversation{From: t.From, Until: t.Until, ClientName: t.ClientName, ServerName: t.ServerName, Sessions: t.Sessions, Refused: t.Refused, Calls: t.Calls}
	c.Client, c.Server, c.Proto, c.Port, c.App = t.Client.Unmap(), t.Server.Unmap(), t.Protocol, t.Port, t.App
	return c, true
}

// zoneLine bounds one line.
const zoneLine = 1 << 20

// read gives the conversations of the file; lines that are none are counted.
func (c zoneFlows) read(w *world, in io.Reader, since int64) (iter.Seq2[flow.Conversation, error], *zoneCount) {
	n := &zoneCount{}
	return func(yield func(flow.Conversation, error) bool) {
		lines := bufio.NewScanner(in)
		lines.Buffer(make([]byte, 64<<10), zoneLine)
		for lines.Scan() {
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			talk, ok := zoneConversation(lines.Bytes())
			switch {
			case !ok:
				n.other++
			case talk.Until < since:
				n.old++
			default:
				n.taken++
				if !yield(talk, nil) {
					return
				}
			}
		}
		if err := lines.Err(); err != nil {
			yield(flow.Conversation{}, fmt.Errorf("read %s: %w", c.Flows, err))
		}
	}, n
}

// zoneCount counts the lines of a file.
type zoneCount struct{ taken, other, old int }

func (n *zoneCount) tell(w *world) error {
	if n.other > 0 {
		fmt.Fprintf(w.err, "%d lines are no conversations and were left out\n", n.other)
	}
	if n.taken == 0 {
		return errors.New("no conversation in the file; make one with a sensor, or see cordon zone simulate --help")
	}
	return nil
}

// with opens the file and hands its conversations to f.
func (c zoneFlows) with(w *world, f func(iter.Seq2[flow.Conversation, error]) error) error {
	in, bar, err := openInput(w, c.Flows)
	if err != nil {
		return usage{err}
	}
	defer in.Close()
	since := int64(0)
	if c.Days > 0 {
		since = w.now().AddDate(0, 0, -c.Days).UnixMilli()
	}
	flows, n := c.read(w, in, since)
	err = f(flows)
	bar.end()
	if err != nil {
		return err
	}
	return n.tell(w)
}

type zoneSimulateCmd struct {
	zoneFlows
	Policy string `arg:"" optional:"" help:"The policy; on a server, the staged one unless given." type:"path"`
	JSON   bool   `help:"The report as one line of JSON." name:"json"`
	HTML   string `help:"Also write the report to print." name:"html" placeholder:"FILE" type:"path"`
}

// Help is the long text behind the flags.
func (zoneSimulateCmd) Help() string {
	return "Says what people would notice, the worst first, and the conduit to add for each. Nothing is changed anywhere."
}

// Run simulates a policy.
func (c zoneSimulateCmd) Run(w *world) error {
	sim, err := c.simulate(w)
	if err != nil {
		return err
	}
	if c.HTML != "" {
		text, err := zonePage(sim, language(), w.now())
		if err != nil {
			return err
		}
		if err := writeOut(w, c.HTML, text); err != nil {
			return err
		}
	}
	if c.JSON {
		enc := json.NewEncoder(w.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(sim)
	}
	printSimulation(w.out, sim)
	return nil
}

func (c zoneSimulateCmd) simulate(w *world) (sim zone.Simulation, err error) {
	if c.Flows == "" {
		return c.onServer(w)
	}
	if c.Policy == "" {
		return sim, usage{errors.New("name the policy to simulate")}
	}
	r, err := compileZonePolicy(w, c.Policy)
	if err != nil {
		return sim, err
	}
	err = c.with(w, func(flows iter.Seq2[flow.Conversation, error]) error {
		sim, err = zone.Simulate(w.ctx, r, flows, zone.Nobody{}, zone.SimulateOptions{Site: time.Local})
		return err
	})
	return sim, err
}

// onServer has the server simulate, which knows the devices by name.
func (c zoneSimulateCmd) onServer(w *world) (sim zone.Simulation, err error) {
	wish := api.SimulationWish{Days: c.Days}
	if wish.Days == 0 {
		wish.Days = 30
	}
	if c.Policy != "" {
		if _, err := compileZonePolicy(w, c.Policy); err != nil {
			return sim, err
		}
		text, err := os.ReadFile(c.Policy)
		if err != nil {
			return sim, usage{err}
		}
		wish.Text = string(text)
	}
	err = c.target.with(w, func(s *session) error {
		begun, err := get[struct{ ID string }](s, w.ctx, "POST", "/api/v1/network/simulations", wish)
		if err != nil {
			return err
		}
		sim, err = c.wait(w, s, begun.ID)
		return err
	})
	return sim, err
}

// wait asks for the report until it is there.
func (c zoneSimulateCmd) wait(w *world, s *session, id string) (zone.Simulation, error) {
	bar := newProgress(w, "simulate", 1000)
	defer bar.end()
	for {
		run, err := get[api.SimulationRun](s, w.ctx, "GET", "/api/v1/network/simulations/"+id, nil)
		switch {
		case err != nil:
			return zone.Simulation{}, err
		case run.Problem != "":
			return zone.Simulation{}, fmt.Errorf("the server could not simulate: %s", run.Problem)
		case run.Report != nil:
			return *run.Report, nil
		}
		bar.step("simulate", int64(run.Share*1000), 1000)
		select {
		case <-w.ctx.Done():
			return zone.Simulation{}, w.ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

type zoneLearnCmd struct {
	zoneFlows
	Policy string `arg:"" optional:"" help:"A policy to complete; zones are proposed too unless given." type:"path"`
	Out    string `help:"File to write, which must not exist; standard output unless given." placeholder:"FILE" type:"path"`
}

// Run proposes a policy.
func (c zoneLearnCmd) Run(w *world) error {
	if c.Out != "" {
		if _, err := os.Stat(c.Out); err == nil {
			return usage{fmt.Errorf("%s exists already; give another name or remove it", c.Out)}
		}
	}
	if c.Flows == "" {
		return c.fromServer(w)
	}
	var p zone.Policy
	if c.Policy != "" {
		var err error
		if p, err = readZonePolicy(c.Policy); err != nil {
			return err
		}
	}
	var got zone.Proposal
	err := c.with(w, func(flows iter.Seq2[flow.Conversation, error]) (err error) {
		got, err = zone.Learn(w.ctx, p, flows, zone.Nobody{}, zone.LearnOptions{Now: w.now(), Site: time.Local})
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(w.err, "%d conduits proposed, %d kinds of conversation left out; %d of %d sessions would pass\n", len(got.New), len(got.Left), got.Covered, got.Sessions)
	return writeOut(w, c.Out, got.Text())
}

// fromServer takes the proposal that the server keeps.
func (c zoneLearnCmd) fromServer(w *world) error {
	if c.Policy != "" {
		return usage{errors.New("a server learns from its own conversations; leave the policy out, or give --flows FILE")}
	}
	return c.target.with(w, func(s *session) error {
		state, err := get[api.PolicyState](s, w.ctx, "GET", "/api/v1/network/policies", nil)
		if err != nil {
			return err
		}
		if state.Learnt == nil || state.Learnt.Text == "" {
			return errors.New("the server has learnt nothing yet: no conversation has come from a sensor, or the first proposal is still being made. " +
				"It proposes from the first conversation on, when asked and every hour; a month of them, with its end, makes one to rely on. --flows FILE learns from a file now")
		}
		return writeOut(w, c.Out, state.Learnt.Text)
	})
}
