// Command peer runs Sigma rules over events with sigma-go, the Go engine that
// Cordon's own is compared with. It is a module of its own, so that what is only
// compared with never becomes part of the product, nor of what is checked and
// licensed with it. bench.Sigma builds and runs it; nothing else does.
//
// sigma-go has no routing by log source; it is added here, so that both engines
// are asked about the same: a rule is tried on the events of its product,
// category and service.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bradleyjkemp/sigma-go"
	"github.com/bradleyjkemp/sigma-go/evaluator"
)

// answer is what bench.Sigma reads.
type answer struct {
	Loaded, Refused int
	Errors          int64 // of evaluations that failed on an event
	Load, CPU       time.Duration
	Events          int64
	Candidates      int64
	Hits            []string // "LINE RULE"
}

func main() {
	rules := flag.String("rules", "", "folder of rules")
	events := flag.String("events", "", "NDJSON events")
	everywhere := flag.Bool("everywhere", false, "try every rule on every event")
	flag.Parse()
	out, err := run(*rules, *events, *everywhere)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(rules, events string, everywhere bool) (answer, error) {
	var out answer
	begun := cpu()
	list, refused, err := load(rules)
	if err != nil {
		return out, err
	}
	out.Loaded, out.Refused, out.Load = len(list), refused, cpu()-begun
	f, err := os.Open(events)
	if err != nil {
		return out, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 16<<20)
	begun = cpu()
	for line := 1; in.Scan(); line++ {
		if err := out.event(list, in.Bytes(), line, everywhere); err != nil {
			return out, err
		}
	}
	out.CPU = cpu() - begun
	return out, in.Err()
}

func load(dir string) (list []*evaluator.RuleEvaluator, refused int, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".yml" {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rule, err := parse(text)
		if err != nil {
			refused++
			return nil
		}
		list = append(list, evaluator.ForRule(rule, evaluator.WithPlaceholderExpander(nothing)))
		return nil
	})
	return list, refused, err
}

// parse reads a rule; what makes the parser panic is a rule it cannot read.
func parse(text []byte) (rule sigma.Rule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return sigma.ParseRule(text)
}

// nothing is what placeholders stand for.
func nothing(context.Context, string) ([]string, error) { return nil, nil }

func (a *answer) event(list []*evaluator.RuleEvaluator, data []byte, line int, everywhere bool) error {
	d := json.NewDecoder(bytes.NewReader(data))
	var ev map[string]any
	if err := d.Decode(&ev); err != nil {
		return err
	}
	a.Events++
	of := source(ev)
	for _, r := range list {
		if !everywhere && of.other(r.Logsource) {
			continue
		}
		a.Candidates++
		res, err := matches(r, ev)
		if err != nil {
			a.Errors++
			continue
		}
		if res {
			a.Hits = append(a.Hits, fmt.Sprint(line, " ", r.ID))
		}
	}
	return nil
}

func matches(r *evaluator.RuleEvaluator, ev map[string]any) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	res, err := r.Matches(context.Background(), ev)
	return res.Match, err
}

// logsource is what an event is of, as far as it says.
type logsource struct{ product, category, service string }

// other says that a rule is about something else: it names a word that the
// event does not name, or names otherwise. An event that names nothing is shown
// to all rules.
func (l logsource) other(of sigma.Logsource) bool {
	differ := func(event, rule string) bool { return rule != "" && !strings.EqualFold(event, rule) }
	return l != logsource{} && (differ(l.product, of.Product) || differ(l.category, of.Category) || differ(l.service, of.Service))
}

func source(ev map[string]any) logsource {
	text := func(name string) string {
		switch v := ev[name].(type) {
		case string:
			return v
		case float64:
			return fmt.Sprint(int(v))
		}
		return ""
	}
	l := logsource{text("product"), text("category"), text("service")}
	if channel := text("Channel"); channel != "" && l == (logsource{}) {
		l.product = "windows"
		l.service, l.category = channelOf(channel, text("EventID"))
	}
	return l
}

// channelOf is the map of Windows' channels, as far as the sample events go.
func channelOf(channel, id string) (service, category string) {
	switch channel {
	case "Security":
		if id == "4688" {
			return "security", "process_creation"
		}
		return "security", ""
	case "Microsoft-Windows-Sysmon/Operational":
		return "sysmon", map[string]string{
			"1": "process_creation", "2": "file_change", "3": "network_connection", "4": "sysmon_status", "5": "process_termination",
			"6": "driver_load", "7": "image_load", "8": "create_remote_thread", "9": "raw_access_thread", "10": "process_access",
			"11": "file_event", "12": "registry_event", "13": "registry_set", "14": "registry_rename", "15": "create_stream_hash",
			"17": "pipe_created", "18": "pipe_created", "19": "wmi_event", "20": "wmi_event", "21": "wmi_event", "22": "dns_query",
			"23": "file_delete", "25": "process_tampering", "26": "file_delete",
		}[id]
	case "Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational":
		return "powershell", map[string]string{"4103": "ps_module", "4104": "ps_script"}[id]
	case "Windows PowerShell":
		return "powershell-classic", map[string]string{"400": "ps_classic_start", "800": "ps_classic_provider_start"}[id]
	}
	return strings.ToLower(channel), ""
}

// cpu is the processor time this process has had.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
