// Command cordon guards a hospital's patient data: it watches every access,
// explains what is legitimate, warns on the rest, and proves all of it.
//
// This package is thin: each verb stands in a file of its own name, parses its
// words and calls node, or the API of a running server. Only main exits.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// version is set by the linker in releases.
const version = "0.1.0-dev"

// The exit codes of all verbs.
const (
	exitDone  = 0
	exitFound = 1 // found what the command looks for, e.g. broken evidence
	exitUsage = 2
	exitFail  = 3 // could not be done
)

// found is the error of a command that found what it looks for.
type found struct{ what string }

func (f found) Error() string { return f.what }

// usage is a mistake in the words of the command.
type usage struct{ error }

// world is what a command may touch.
type world struct {
	ctx      context.Context
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
	terminal bool // err is a terminal
}

// cli is the list of verbs.
type cli struct {
	Serve      serveCmd      `cmd:"" help:"Run the server: collectors, pipeline, playbooks, console and API."`
	Demo       demoCmd       `cmd:"" help:"Watch a simulated hospital day flow in through the real collectors."`
	Import     importCmd     `cmd:"" help:"Read files into a running server (--server) or a stopped one (--data)."`
	Incidents  incidentsCmd  `cmd:"" help:"List cases, the riskiest first."`
	Findings   findingsCmd   `cmd:"" help:"List what detectors found."`
	Explain    explainCmd    `cmd:"" help:"Say why accesses were legitimate, or that nothing says so."`
	Accesses   accessesCmd   `cmd:"" help:"Who looked at a patient, when, and why it was allowed."`
	Dispute    disputeCmd    `cmd:"" help:"Take down that a patient says of an access: it was not for me."`
	Query      queryCmd      `cmd:"" help:"Ask any question over the events in SQL."`
	Checks     checksCmd     `cmd:"" help:"What laws and standards ask of the controls, answered as of now."`
	Verify     verifyCmd     `cmd:"" help:"Check evidence offline: a data folder or an exported bundle."`
	Evidence   evidenceCmd   `cmd:"" help:"Export the evidence of a case as one signed file."`
	Quality    qualityCmd    `cmd:"" help:"How well the watch works: precision, recall on planted violations, alerts, delays."`
	Plant      plantCmd      `cmd:"" help:"Commit a violation that is none, to see whether it is found."`
	Patients   patientsCmd   `cmd:"" help:"The index of the hospital's own patients: how many it knows; plant one who does not exist."`
	Assets     assetsCmd     `cmd:"" help:"Devices of the network: what each is and why, whose, how old, what is weak in it; lists in and out."`
	Addresses  addressesCmd  `cmd:"" help:"Who an address belongs to: learnt, reviewed, locked, disputed; who had it when; lists in and out."`
	Exceptions exceptionsCmd `cmd:"" help:"What detectors are silent about: list, add, review, end."`
	Quarantine quarantineCmd `cmd:"" help:"List, show, replay or discard input that could not be used."`
	Release    releaseCmd    `cmd:"" help:"Data sets that leave: ask, measure, decide, hand out, prove."`
	Trace      traceCmd      `cmd:"" help:"Whose copy a leaked piece of a table comes from."`
	Scan       scanCmd       `cmd:"" help:"Find patient data: in files, archives, databases, buckets; how sensitive, and whose."`
	Capture    captureCmd    `cmd:"" help:"Look into captures of network traffic, offline: devices, flows, statements, findings."`
	Sensor     sensorCmd     `cmd:"" help:"Watch a part of the network and tell a server."`
	Detect     detectCmd     `cmd:"" help:"Try Sigma rules on a file of events, offline."`
	Anonymize  anonymizeCmd  `cmd:"" help:"Make a table anonymous: k-anonymity, l-diversity, t-closeness, with its cost and risk."`
	Zone       zoneCmd       `cmd:"" help:"Keep departments apart: check, simulate, compile, learn, stage, enforce and verify a zone policy."`
	Simulate   simulateCmd   `cmd:"" help:"Write a synthetic hospital with labelled violations."`
	Deidentify deidentifyCmd `cmd:"" help:"Take patients out of files: DICOM, HL7 v2, FHIR, C-CDA, tables, text."`
	Reidentify reidentifyCmd `cmd:"" help:"Who is behind pseudonyms: ask, have it approved by another user, see the answer once."`
	Token      tokenCmd      `cmd:"" help:"Make, list or revoke bearer tokens."`
	User       userCmd       `cmd:"" help:"Invite people to the console, list or disable them."`
	Config     configCmd     `cmd:"" help:"Check a configuration file, or print all settings."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	w := &world{ctx: ctx, in: os.Stdin, out: os.Stdout, err: os.Stderr, now: time.Now, terminal: isTerminal(os.Stderr)}
	code := run(w, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(w *world, args []string) int {
	var c cli
	var help bool
	parser, err := kong.New(&c, kong.Name("cordon"), kong.Writers(w.out, w.err), kong.UsageOnError(),
		kong.Description("Guards a hospital's patient data. Start with: cordon demo"),
		kong.Exit(func(int) { help = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"formats": strings.Join(formatNames(), ", ")},
		kong.Help(helpWithCodes))
	if err != nil {
		fmt.Fprintln(w.err, "cordon:", err)
		return exitFail
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if help {
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(w.err, "cordon: %v\nsee: cordon %s--help\n", err, verb(args))
		return exitUsage
	}
	return report(w, parsed.Run(w))
}

func helpWithCodes(o kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(o, ctx); err != nil {
		return err
	}
	_, err := io.WriteString(ctx.Stdout, "\nExit codes: 0 done, 1 found what the command looks for, 2 wrong use, 3 could not be done.\n")
	return err
}

// verb is the first word, for the hint after a mistake.
func verb(args []string) string {
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		return args[0] + " "
	}
	return ""
}

func report(w *world, err error) int {
	var f found
	var u usage
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		fmt.Fprintln(w.err, f.what)
		return exitFound
	case errors.As(err, &u):
		fmt.Fprintln(w.err, "cordon:", u.error)
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w.err, "cordon: stopped")
		return exitFail
	}
	fmt.Fprintln(w.err, "cordon:", err)
	return exitFail
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(w *world) error {
	_, err := fmt.Fprintln(w.out, "cordon", version)
	return err
}
