package asset

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// nmapHost is what is read of a host in nmap's XML output (-oX).
type nmapHost struct {
	Start  int64 `xml:"starttime,attr"`
	Status struct {
		State string `xml:"state,attr"`
	} `xml:"status"`
	Addresses []struct {
		Addr   string `xml:"addr,attr"`
		Type   string `xml:"addrtype,attr"`
		Vendor string `xml:"vendor,attr"`
	} `xml:"address"`
	Names []struct {
		Name string `xml:"name,attr"`
	} `xml:"hostnames>hostname"`
	Ports []nmapPort `xml:"ports>port"`
	OS    []struct {
		Name     string `xml:"name,attr"`
		Accuracy int    `xml:"accuracy,attr"`
	} `xml:"os>osmatch"`
}

type nmapPort struct {
	Protocol string `xml:"protocol,attr"`
	Port     int    `xml:"portid,attr"`
	State    struct {
		State string `xml:"state,attr"`
	} `xml:"state"`
	Service struct {
		Name    string   `xml:"name,attr"`
		Product string   `xml:"product,attr"`
		Version string   `xml:"version,attr"`
		OS      string   `xml:"ostype,attr"`
		Tunnel  string   `xml:"tunnel,attr"`
		CPE     []string `xml:"cpe"`
	} `xml:"service"`
}

// readNmap reads the hosts that are up. It streams, so that a scan of a large
// network takes no memory.
func (l *List) readNmap(r io.Reader) error {
	d := xml.NewDecoder(r)
	d.Strict = true
	seen := false
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "nmaprun":
			seen = true
		case "host":
			var h nmapHost
			if err := d.DecodeElement(&h, &start); err != nil {
				return err
			}
			line, _ := d.InputPos()
			if err := l.host(&h, line); err != nil {
				return err
			}
		}
	}
	if !seen {
		return Mistake{"it is no output of nmap -oX", "不是 nmap -oX 的输出"}
	}
	return nil
}

func (l *List) host(h *nmapHost, line int) error {
	if h.Status.State != "" && h.Status.State != "up" {
		return nil
	}
	if err := l.tooLong(); err != nil {
		return err
	}
	e := Entry{Line: line, Fields: map[string]string{}}
	for _, a := range h.Addresses {
		switch a.Type {
		case "mac":
			if m := ParseMAC(a.Addr); !group(m) {
				e.MAC = m
			}
		case "ipv4", "ipv6":
			if ip := usable(ParseAddr(a.Addr)); ip.IsValid() && !e.IP.IsValid() {
				e.IP = ip
			}
		}
	}
	if MACText(e.MAC) == "" && !e.IP.IsValid() {
		l.warn("line %d: a host without an address, passed over", line)
		return nil
	}
	if h.Start > 0 {
		l.At = max(l.At, h.Start*1000)
	}
	for _, n := range h.Names {
		e.fact(FactHostname, n.Name)
	}
	if len(h.OS) > 0 && h.OS[0].Accuracy >= 95 {
		e.fact(FactOS, h.OS[0].Name)
	}
	for _, p := range h.Ports {
		e.port(p, l.Name)
	}
	l.Entries = append(l.Entries, e)
	return nil
}

func (e *Entry) fact(name FactName, value string) {
	if value = clean(value); value != "" && len(e.Facts) < mostFacts {
		e.Facts = append(e.Facts, Fact{name, value})
	}
}

// port takes an open port: the service, in the words sensors use, and the
// software behind it.
func (e *Entry) port(p nmapPort, list string) {
	if p.State.State != "open" || p.Port <= 0 || p.Port > 0xffff {
		return
	}
	service := p.Service.Name
	switch service {
	case "ms-wbt-server":
		service = "rdp"
	case "microsoft-ds", "netbios-ssn":
		service = "smb"
	case "ms-sql-s":
		service = "mssql"
	case "oracle-tns":
		service = "oracle"
	case "acr-nema":
		service = "dicom"
	}
	if p.Service.Tunnel == "ssl" {
		service = "tls"
	}
	e.fact(FactService, strings.TrimSpace(fmt.Sprintf("%s/%s %s", p.Protocol, strconv.Itoa(p.Port), service)))
	if p.Service.Product == "" || len(e.Software) >= mostFacts {
		return
	}
	s := Software{Name: clean(p.Service.Product), Version: clean(p.Service.Version), From: list}
	for _, cpe := range p.Service.CPE {
		if strings.HasPrefix(cpe, "cpe:/a") {
			s.CPE = clean(cpe)
		}
	}
	s.Version, _, _ = strings.Cut(s.Version, " ") // "8.4p1 Debian 5+deb11u1"
	e.Software = append(e.Software, s)
}
