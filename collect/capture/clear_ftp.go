package capture

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// clearFTP reads the control connection of FTP: sign-ins in clear, files that
// come and go, and where their contents pass.
type clearFTP struct{ *clinical }

// Name is the protocol's.
func (*clearFTP) Name() string { return "clear-ftp" }

// Probe looks for a greeting and the first command; SMTP greets alike.
func (*clearFTP) Probe(_ *Stream, client, server []byte) Verdict {
	switch {
	case len(server) > 0 && !bytes.HasPrefix(server, []byte("220")[:min(3, len(server))]):
		return No
	case len(client) == 0:
		return Maybe
	}
	word, _ := clearWord(bytes.TrimRight(client[:min(len(client), 16)], "\r\n"))
	switch word {
	case "USER", "AUTH", "FEAT", "SYST", "OPTS", "CLNT", "HOST":
	default:
		return No
	}
	if len(server) < 3 {
		return Maybe
	}
	return Yes
}

// Open begins to read a control connection.
func (d *clearFTP) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "ftp")
	return &clearFTPParser{clinical: d.clinical, s: s, out: out, client: clearLines{most: 256}, server: clearLines{most: 256}}
}

type clearFTPParser struct {
	*clinical
	s              *Stream
	out            Out
	client, server clearLines
	guest          bool // signs in as anonymous
	tls            bool // asked for
	at             int64
}

// Data reads on.
func (p *clearFTPParser) Data(fromClient bool, at int64, b []byte) bool {
	p.at = at
	if fromClient {
		return p.client.feed(b, p.command)
	}
	return p.server.feed(b, p.reply)
}

func (p *clearFTPParser) command(line []byte) bool {
	word, rest := clearWord(line)
	switch word {
	case "USER":
		name := strings.ToLower(string(rest[:min(len(rest), 16)]))
		p.guest = name == "anonymous" || name == "ftp"
	case "PASS":
		if !p.guest {
			p.password(p.s, p.out, p.at, "ftp")
		}
	case "AUTH":
		p.tls = true
	case "STOR", "RETR", "APPE", "STOU", "DELE", "LIST", "NLST", "MLSD":
		p.s.Notes().Call(word, 1)
	case "PORT":
		p.announce(clearPortOf(rest))
	case "EPRT":
		if parts := bytes.Split(rest, rest[:min(1, len(rest))]); len(rest) > 0 && len(parts) >= 4 {
			p.announce(clearEndpoint(string(parts[2]), string(parts[3])))
		}
	}
	return true
}

func (p *clearFTPParser) reply(line []byte) bool {
	switch {
	case bytes.HasPrefix(line, []byte("234")) && p.tls:
		return false // encrypted from here on
	case bytes.HasPrefix(line, []byte("227")):
		if i := bytes.IndexAny(line[3:], "0123456789"); i >= 0 {
			a := clearPortOf(line[3+i:])
			p.announce(netip.AddrPortFrom(p.s.Server.Addr(), a.Port())) // the address may be that behind NAT
		}
	case bytes.HasPrefix(line, []byte("229")):
		if _, tail, ok := bytes.Cut(line, []byte("|||")); ok {
			port, _, _ := bytes.Cut(tail, []byte{'|'})
			p.announce(clearEndpoint(p.s.Server.Addr().String(), string(port)))
		}
	}
	return true
}

// announce notes where the next file passes.
func (p *clearFTPParser) announce(a netip.AddrPort) {
	if !a.IsValid() || a.Port() == 0 {
		return
	}
	const most = 256
	if len(p.ftpData) >= most {
		p.ftpData = append(p.ftpData[:0], p.ftpData[most/2:]...)
	}
	p.ftpData = append(p.ftpData, clearPort{a, p.at})
}

// Gap goes on with the next line.
func (p *clearFTPParser) Gap(bool, int) bool { return true }

// Close has nothing left to tell.
func (p *clearFTPParser) Close(int64) {}

// clearPort is where a file is announced to pass, and when that was said.
type clearPort struct {
	to netip.AddrPort
	at int64
}

// clearPortOf reads h1,h2,h3,h4,p1,p2.
func clearPortOf(b []byte) netip.AddrPort {
	var n [6]byte
	parts := strings.SplitN(string(b[:min(len(b), 32)]), ",", 6)
	if len(parts) < 6 {
		return netip.AddrPort{}
	}
	for i, part := range parts {
		if i == 5 {
			part = part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		}
		v, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return netip.AddrPort{}
		}
		n[i] = byte(v)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n[:4])), uint16(n[4])<<8|uint16(n[5]))
}

func clearEndpoint(addr, port string) netip.AddrPort {
	a, err := netip.ParseAddr(addr)
	n, err2 := strconv.ParseUint(port, 10, 16)
	if err != nil || err2 != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, uint16(n))
}

// clearData looks at files that pass for themselves: the data connections of
// FTP, and DICOM files on any port.
type clearData struct{ *clinical }

// Name is the protocol's.
func (*clearData) Name() string { return "ftp-data" }

// Probe says yes to announced connections, and to the preamble of a DICOM file.
func (d *clearData) Probe(s *Stream, client, server []byte) Verdict {
	for _, a := range d.ftpData {
		if a.to == s.Server && s.Opened-a.at < 10*60*1e9 {
			return Yes
		}
	}
	v := max(clearPreamble(client), clearPreamble(server))
	if len(client) == 0 && len(server) == 0 {
		return Maybe
	}
	return v
}

// clearPreamble looks for the 128 bytes and the mark a DICOM file begins with.
func clearPreamble(b []byte) Verdict {
	const preamble = 128
	if len(b) == 0 || len(b) >= preamble+4 && string(b[preamble:preamble+4]) != "DICM" {
		return No
	}
	switch string(b[:min(len(b), 4)]) {
	case "\x00\x00\x00\x00", "II*\x00", "MM\x00*", "\x00\x00\x00", "\x00\x00", "\x00":
	default:
		return No
	}
	if len(b) < preamble+4 {
		return Maybe
	}
	return Yes
}

// Open begins to look.
func (d *clearData) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "ftp-data")
	return &clearStream{clinical: d.clinical, s: s, out: out, protocol: "ftp"}
}

// clearStream looks for patient data in both sides of a stream.
type clearStream struct {
	*clinical
	s        *Stream
	out      Out
	protocol string
	scan     clearScan
}

// Data looks at the next bytes.
func (p *clearStream) Data(fromClient bool, at int64, b []byte) bool {
	side := 0
	if !fromClient {
		side = 1
	}
	if p.scan.data(side, at, b) {
		p.patient(p.s, p.out, at, p.protocol)
	}
	return true
}

// Gap goes on behind it.
func (p *clearStream) Gap(bool, int) bool { return true }

// Close has nothing left to tell.
func (p *clearStream) Close(int64) {}
