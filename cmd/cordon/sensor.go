package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/node"
)

type sensorCmd struct {
	Server    string        `help:"Address of the server, such as https://cordon.hospital.example:8443." required:"" placeholder:"URL"`
	Token     string        `help:"Token of a user of role sensor." env:"CORDON_TOKEN" hidden:""`
	Interface []string      `help:"Interface to listen on: a mirror port, or the legs of a router. May be repeated." short:"i" placeholder:"NAME"`
	Wireless  string        `help:"Interface in monitor mode, to listen to the air." placeholder:"NAME"`
	Name      string        `help:"Name of the sensor; the host's without it."`
	Enforce   bool          `help:"This machine is a router between zones: take the server's orders about its kernel. Needs root."`
	NetNS     string        `help:"Network namespace that orders are about." name:"netns" placeholder:"NAME"`
	CA        string        `help:"PEM file of the authority of the server's certificate." name:"ca" placeholder:"FILE" type:"path"`
	Dir       string        `help:"Folder for what the server has not taken yet." default:"/var/lib/cordon-sensor" type:"path"`
	SpoolSize int64         `help:"Most of it, in MiB." default:"2048"`
	Interval  time.Duration `help:"How often conversations that go on are reported." default:"1m"`
	Inside    []string      `help:"Network of the hospital with public addresses, such as 198.51.100.0/24. May be repeated; private ones are inside anyway." placeholder:"NETWORK"`
	Learn     time.Duration `help:"How long senders of DICOM, HL7 and SQL are learnt before strangers are an alarm." default:"168h"`
}

// Help is the long text behind the flags.
func (sensorCmd) Help() string {
	return "Watches a part of the network and tells a server: devices, conversations, claims to addresses, statements on databases, and what is wrong. It listens and never sends into the network it watches. The token is read from CORDON_TOKEN; make one with: cordon token create --role sensor NAME. While the server rests, what was seen waits on disk."
}

// Run watches until it is stopped.
func (c sensorCmd) Run(w *world) error {
	if len(c.Interface) == 0 && c.Wireless == "" && !c.Enforce {
		return usage{errors.New("nothing to do: give --interface, --wireless or --enforce")}
	}
	if c.Name == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find the host's name; give --name: %w", err)
		}
		c.Name = name
	}
	s := &node.RemoteSensor{
		Server: c.Server, Token: c.Token, CA: c.CA, Version: version, Name: c.Name, Interfaces: c.Interface, Interval: c.Interval, Learn: c.Learn,
		Inside: c.Inside, Air: c.Wireless, Enforce: c.Enforce, NetNS: c.NetNS,
		Dir: filepath.Join(c.Dir, c.Name), Most: c.SpoolSize << 20, Now: w.now, Log: slog.New(slog.NewTextHandler(w.err, nil)),
	}
	fmt.Fprintf(w.err, "sensor %s listens on %v and tells %s; stop it with Ctrl-C\n", c.Name, c.Interface, c.Server)
	return s.Run(w.ctx)
}
