package capture

import (
	"encoding/binary"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// dicomDissector reads the DICOM upper layer (PS3.8) and the commands in it
// (PS3.7): who associates with whom, for what, and what is then done. Data sets
// pass by unread, but for the two questions put to them: whether a C-FIND asks
// for everything, and how many studies are sent.
type dicomDissector struct{ *clinical }

// Name is the protocol's.
func (*dicomDissector) Name() string { return "dicom" }

// The types of PDUs. Source: PS3.8, 9.3.
const (
	dicomRequest = 1 + iota
	dicomAccept
	dicomReject
	dicomData
	dicomReleaseRequest
	dicomReleaseReply
	dicomAbort
)

const (
	dicomHead      = 6         // bytes of a PDU's head, and of a PDV's
	dicomAssociate = 68        // bytes of A-ASSOCIATE before its items
	dicomMostPDU   = 64 << 10  // bytes kept of an A-ASSOCIATE
	dicomMostSet   = 8 << 10   // bytes looked at of a data set
	dicomMostCmd   = 4 << 10   // bytes of a command set
	dicomLongest   = 256 << 20 // a PDU that is longer is none
)

// Probe looks for an association, or for a command within one.
func (*dicomDissector) Probe(s *Stream, client, server []byte) Verdict {
	v := dicomLooks(client)
	if v != Yes && (!s.Whole || v == No) && len(server) > 0 {
		v = max(v, dicomLooks(server))
	}
	if len(client) == 0 && len(server) == 0 {
		return Maybe
	}
	return v
}

// dicomLooks judges what one side said first.
func dicomLooks(b []byte) Verdict {
	if len(b) == 0 {
		return Maybe
	}
	if b[0] < dicomRequest || b[0] > dicomAbort || len(b) > 1 && b[1] != 0 {
		return No
	}
	if len(b) < dicomHead+dicomHead {
		return Maybe
	}
	switch n := binary.BigEndian.Uint32(b[2:]); b[0] {
	case dicomRequest, dicomAccept:
		if n < dicomAssociate || n > 1<<20 || b[7]&1 == 0 || b[6] != 0 {
			return No
		}
		if len(b) < dicomHead+dicomAssociate+1 {
			return Maybe
		}
		if b[0] == dicomRequest && (!dicomTitleOK(b[10:26]) || !dicomTitleOK(b[26:42])) || b[dicomHead+dicomAssociate] != 0x10 {
			return No
		}
		return Yes
	case dicomData:
		if len(b) < 2*dicomHead+8 {
			return Maybe
		}
		if inner := binary.BigEndian.Uint32(b[6:]); inner < 2 || inner > n-4 || b[10]&1 == 0 || b[11] > 3 || b[11]&1 == 0 ||
			binary.LittleEndian.Uint64(b[12:]) != 4<<32 { // (0000,0000), 4 bytes
			return No
		}
		return Yes
	}
	return No
}

func dicomTitleOK(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != 0 || c == 0x7f {
			return false
		}
	}
	return true
}

// Open begins to read an association.
func (d *dicomDissector) Open(s *Stream, out Out) Parser {
	clinicalApp(s, "dicom")
	return &dicomParser{clinical: d.clinical, s: s, notes: s.Notes(), out: out, contexts: map[byte]dicomContext{}}
}

// dicomParser reads one association.
type dicomParser struct {
	*clinical
	s        *Stream // its client is who asked for the association
	notes    *Notes
	out      Out
	flip     bool
	contexts map[byte]dicomContext
	caller   string // AE titles
	called   string
	sides    [2]dicomSide
	studies  map[uint64]bool
}

// dicomContext is what was agreed to be said in a presentation context.
type dicomContext struct {
	abstract string // SOP class
	transfer string // what the data sets are written in
}

// dicomSide is how far one side has been read.
type dicomSide struct {
	head  []byte // of the PDU
	left  int    // of the PDU's body
	body  []byte // of an A-ASSOCIATE
	pdv   []byte // head of the PDV
	inner int    // of the PDV's body
	lost  bool

	cmd     []byte // command set, so far
	last    dicomCommand
	set     []byte // beginning of its data set
	begun   bool   // some of the data set was seen
	cmdHurt bool
}

// Data reads on.
func (p *dicomParser) Data(fromClient bool, at int64, b []byte) bool {
	d := p.side(fromClient)
	if d.lost {
		if len(b) < dicomHead || b[0] < dicomRequest || b[0] > dicomAbort || b[1] != 0 || dicomLooks(b) == No && b[0] <= dicomData {
			return true
		}
		d.lost = false
	}
	for len(b) > 0 {
		if len(d.head) < dicomHead {
			n := min(dicomHead-len(d.head), len(b))
			d.head = append(d.head, b[:n]...)
			if b = b[n:]; len(d.head) < dicomHead {
				return true
			}
			size := binary.BigEndian.Uint32(d.head[2:])
			if d.head[0] < dicomRequest || d.head[0] > dicomAbort || size > dicomLongest {
				d.reset()
				d.lost = true
				return true
			}
			d.left = int(size)
		}
		n := min(d.left, len(b))
		if d.head[0] == dicomData {
			p.fragments(d, fromClient, at, b[:n])
		} else if room := dicomMostPDU - len(d.body); room > 0 {
			d.body = append(d.body, b[:min(n, room)]...)
		}
		d.left -= n
		b = b[n:]
		if d.left == 0 {
			kind, body := d.head[0], d.body
			d.head, d.body, d.pdv, d.inner = d.head[:0], nil, d.pdv[:0], 0
			if kind != dicomData && !p.pdu(kind, body, fromClient, at) {
				return false
			}
		}
	}
	return true
}

func (p *dicomParser) side(fromClient bool) *dicomSide {
	if fromClient {
		return &p.sides[0]
	}
	return &p.sides[1]
}

func (d *dicomSide) reset() { *d = dicomSide{head: d.head[:0], pdv: d.pdv[:0]} }

// Gap passes over lost bytes where they belong to a data set.
func (p *dicomParser) Gap(fromClient bool, n int) bool {
	d := p.side(fromClient)
	if d.lost {
		return true
	}
	inside := len(d.head) == dicomHead && d.head[0] == dicomData && n <= d.left && len(d.pdv) == dicomHead && n <= d.inner
	if !inside {
		d.reset()
		d.lost = true
		return true
	}
	d.left -= n
	d.inner -= n
	d.set, d.cmdHurt = nil, d.cmdHurt || d.pdv[5]&1 != 0
	if d.inner == 0 {
		d.pdv = d.pdv[:0]
	}
	if d.left == 0 {
		d.head = d.head[:0]
	}
	return true
}

// Close has nothing left to tell.
func (p *dicomParser) Close(int64) {}

// fragments reads a piece of a P-DATA-TF.
func (p *dicomParser) fragments(d *dicomSide, fromClient bool, at int64, b []byte) {
	for len(b) > 0 {
		if len(d.pdv) < dicomHead {
			n := min(dicomHead-len(d.pdv), len(b))
			d.pdv = append(d.pdv, b[:n]...)
			if b = b[n:]; len(d.pdv) < dicomHead {
				return
			}
			d.inner = max(int(binary.BigEndian.Uint32(d.pdv))-2, 0)
		}
		n := min(d.inner, len(b))
		p.fragment(d, at, b[:n])
		d.inner -= n
		b = b[n:]
		if d.inner == 0 {
			context, flags := d.pdv[4], d.pdv[5]
			d.pdv = d.pdv[:0]
			if flags&2 != 0 {
				p.finished(d, context, flags&1 != 0, fromClient, at)
			}
		}
	}
}

// fragment takes some bytes of a command or a data set.
func (p *dicomParser) fragment(d *dicomSide, at int64, b []byte) {
	if d.pdv[5]&1 != 0 {
		if room := dicomMostCmd - len(d.cmd); len(b) > room {
			d.cmdHurt = true
		} else {
			d.cmd = append(d.cmd, b...)
		}
		return
	}
	if len(b) > 0 && !d.begun {
		d.begun = true
		if d.last.tellsOfPatients() {
			p.patient(p.s, p.out, at, "dicom")
		}
	}
	if room := dicomMostSet - len(d.set); room > 0 && d.last.wantsSet() {
		d.set = append(d.set, b[:min(len(b), room)]...)
	}
}

// finished acts on a whole command or data set.
func (p *dicomParser) finished(d *dicomSide, context byte, command, fromClient bool, at int64) {
	if !command {
		p.dataset(d, context, at)
		d.set, d.begun, d.last = nil, false, dicomCommand{}
		return
	}
	cmd, hurt := d.cmd, d.cmdHurt
	d.cmd, d.cmdHurt, d.set, d.begun = d.cmd[:0], false, nil, false
	if hurt {
		d.last = dicomCommand{}
		return
	}
	d.last = dicomReadCommand(cmd)
	p.command(&d.last, context, at)
	if !d.last.hasSet {
		p.dataset(d, context, at)
		d.last = dicomCommand{}
	}
}

// pdu acts on a PDU that is no data; false ends the reading.
func (p *dicomParser) pdu(kind byte, body []byte, fromClient bool, at int64) bool {
	switch kind {
	case dicomRequest:
		p.requested(body, fromClient, at)
	case dicomAccept:
		p.accepted(body, at)
	case dicomReject:
		p.notes.Call("association rejected", 1)
		p.seen(p.s, p.out, false, at, "dicom", clinicalService(p.s.Server, "dicom"))
	case dicomAbort:
		p.notes.Call("association aborted", 1)
	}
	return true
}

// requested reads an A-ASSOCIATE-RQ.
func (p *dicomParser) requested(body []byte, fromClient bool, at int64) {
	a, ok := dicomReadAssociate(body)
	if !ok {
		return
	}
	if fromClient == p.flip { // the side that was taken for the server asks
		turned := *p.s
		turned.Client, turned.Server = p.s.Server, p.s.Client
		turned.ClientMAC, turned.ServerMAC = p.s.ServerMAC, p.s.ClientMAC
		p.s, p.flip = &turned, !p.flip
	}
	p.caller, p.called = a.calling, a.called
	if !p.flip {
		p.notes.ClientName, p.notes.ServerName = a.calling, a.called
	} else {
		p.notes.ClientName, p.notes.ServerName = a.called, a.calling
	}
	p.notes.Call("association", 1)
	clear(p.contexts)
	facts := append(a.facts(), asset.Fact{Name: asset.FactAETitle, Value: a.calling}, clinicalClientOf("dicom"))
	for _, c := range a.contexts {
		p.contexts[c.id] = dicomContext{abstract: c.abstract}
		facts = append(facts, asset.Fact{Name: asset.FactSOPClass, Value: c.abstract})
	}
	for _, c := range a.contexts {
		for _, t := range c.transfer {
			facts = append(facts, asset.Fact{Name: asset.FactTransfer, Value: t})
		}
	}
	p.seen(p.s, p.out, true, at, "dicom", facts...)
	if a.password {
		p.password(p.s, p.out, at, "dicom")
	}
	p.unknown(at)
}

// unknown tells of an AE title that never called this server from there.
func (p *dicomParser) unknown(at int64) {
	who := p.caller + " " + p.s.Client.Addr().String()
	if !p.Memory.strange("ae", p.s.Server.String(), who, at) {
		return
	}
	al := p.alarm(p.s, asset.UnknownAETitle, at)
	al.Culprit.Name, al.Victim.Name = p.caller, p.called
	p.out.Alarm(al)
}

// accepted reads an A-ASSOCIATE-AC.
func (p *dicomParser) accepted(body []byte, at int64) {
	a, ok := dicomReadAssociate(body)
	if !ok {
		return
	}
	if p.called == "" { // where the request was not seen; the reply repeats it
		p.caller, p.called = a.calling, a.called
	}
	facts := append(a.facts(), asset.Fact{Name: asset.FactAETitle, Value: p.called}, clinicalService(p.s.Server, "dicom"))
	for _, c := range a.contexts {
		was := p.contexts[c.id]
		if c.result != 0 || len(c.transfer) == 0 {
			delete(p.contexts, c.id)
			continue
		}
		was.transfer = c.transfer[0]
		p.contexts[c.id] = was
		facts = append(facts, asset.Fact{Name: asset.FactSOPServed, Value: was.abstract}, asset.Fact{Name: asset.FactTransfer, Value: was.transfer})
	}
	p.seen(p.s, p.out, false, at, "dicom", facts...)
}

// often counts questions and answers of a caller in a minute, and tells of
// more than anybody needs.
func (p *dicomParser) often(what string, most int, at int64) {
	key := what + " " + p.s.Client.Addr().String() + " " + p.s.Server.String()
	if n := p.Memory.rate(key, at, time.Minute); n == most {
		al := p.alarm(p.s, asset.DICOMSweep, at, what)
		al.Culprit.Name, al.Victim.Name, al.Count = p.caller, p.called, int64(n)
		p.out.Alarm(al)
	}
}
