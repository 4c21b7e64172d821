package capture

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// dicomCommand is what matters of a command set (PS3.7, E.1).
type dicomCommand struct {
	field       uint16 // what to do; 0 where it was not seen
	status      uint16
	class       string // SOP class, affected or requested
	destination string // of a C-MOVE
	hasSet      bool
}

// The command fields; a response has dicomResponse added.
const (
	dicomStore    = 0x0001
	dicomGet      = 0x0010
	dicomFind     = 0x0020
	dicomMove     = 0x0021
	dicomEcho     = 0x0030
	dicomEvent    = 0x0100
	dicomNGet     = 0x0110
	dicomNSet     = 0x0120
	dicomNAction  = 0x0130
	dicomNCreate  = 0x0140
	dicomNDelete  = 0x0150
	dicomCancel   = 0x0fff
	dicomResponse = 0x8000
)

// dicomCommandName is how a command is called, "" for an unknown one.
func dicomCommandName(field uint16) string {
	switch field {
	case dicomStore:
		return "C-STORE"
	case dicomGet:
		return "C-GET"
	case dicomFind:
		return "C-FIND"
	case dicomMove:
		return "C-MOVE"
	case dicomEcho:
		return "C-ECHO"
	case dicomEvent:
		return "N-EVENT-REPORT"
	case dicomNGet:
		return "N-GET"
	case dicomNSet:
		return "N-SET"
	case dicomNAction:
		return "N-ACTION"
	case dicomNCreate:
		return "N-CREATE"
	case dicomNDelete:
		return "N-DELETE"
	case dicomCancel:
		return "C-CANCEL"
	}
	return ""
}

// dicomReadCommand reads a command set, which is always implicit VR, little
// endian.
func dicomReadCommand(b []byte) (c dicomCommand) {
	var requested string
	set := uint16(0x0101)
	for len(b) >= 8 {
		group, element, n := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])
		b = b[8:]
		if group != 0 || uint64(n) > uint64(len(b)) {
			break
		}
		value := b[:n]
		b = b[n:]
		number := uint16(0)
		if len(value) == 2 {
			number = binary.LittleEndian.Uint16(value)
		}
		switch element {
		case 0x0002:
			c.class = dicomUID(value)
		case 0x0003:
			requested = dicomUID(value)
		case 0x0100:
			c.field = number
		case 0x0600:
			c.destination = dicomTitle(value)
		case 0x0800:
			set = number
		case 0x0900:
			c.status = number
		}
	}
	c.class = cmp.Or(c.class, requested)
	c.hasSet = set != 0x0101
	return c
}

// tellsOfPatients says whether the command's data set holds patient data.
func (c *dicomCommand) tellsOfPatients() bool {
	switch c.field {
	case dicomStore, dicomFind | dicomResponse:
		return true
	case dicomNCreate, dicomNSet: // performed procedure steps, images to print
		return c.class == "1.2.840.10008.3.1.2.3.3" || strings.HasPrefix(c.class, "1.2.840.10008.5.1.1.4")
	}
	return false
}

// wantsSet says whether a look into the data set is needed.
func (c *dicomCommand) wantsSet() bool { return c.field == dicomFind || c.field == dicomStore }

// command counts what is done.
func (p *dicomParser) command(c *dicomCommand, context byte, at int64) {
	if c.class == "" {
		c.class = p.contexts[context].abstract
	}
	name := dicomCommandName(c.field &^ dicomResponse)
	if name == "" {
		return
	}
	if c.field&dicomResponse != 0 && c.field != dicomCancel {
		p.response(c, name, at)
		return
	}
	p.notes.Call(name, 1)
	if family := dicomFamily(c.class); c.field == dicomStore && family != "" {
		p.notes.Call(name+" "+family, 1)
	}
	switch c.field {
	case dicomFind:
		p.often("often", p.Finds, at)
	case dicomMove:
		p.moved(c.destination, at)
	}
}

// response counts how it ended.
func (p *dicomParser) response(c *dicomCommand, name string, at int64) {
	switch s := c.status; {
	case s == 0xff00 || s == 0xff01: // pending: with C-FIND, one match
		if c.field == dicomFind|dicomResponse {
			p.notes.Call("C-FIND match", 1)
			p.often("results", p.Matches, at)
		}
	case s == 0, s == 1, s == 0x0107, s == 0x0116, s&0xf000 == 0xb000: // success, with a warning
	case s == 0xfe00:
		p.notes.Call(name+" cancelled", 1)
	default:
		p.notes.Call(name+" failed", 1)
	}
}

// moved tells of a destination that images never went to before.
func (p *dicomParser) moved(destination string, at int64) {
	if destination == "" || !p.Memory.strange("move", p.s.Server.String(), destination, at) {
		return
	}
	al := p.alarm(p.s, asset.DICOMMove, at, destination)
	al.Culprit.Name, al.Victim.Name = p.caller, p.called
	p.out.Alarm(al)
}

// dataset looks at the beginning of a data set: nothing of it is kept.
func (p *dicomParser) dataset(d *dicomSide, context byte, at int64) {
	switch d.last.field {
	case dicomFind:
		if len(d.set) == 0 || !dicomSweeps(d.set, p.contexts[context].transfer, d.last.class) {
			return
		}
		al := p.alarm(p.s, asset.DICOMSweep, at, "everything")
		al.Culprit.Name, al.Victim.Name = p.caller, p.called
		p.out.Alarm(al)
	case dicomStore:
		study := dicomStudy(d.set, p.contexts[context].transfer)
		if study == 0 || p.studies[study] || len(p.studies) >= dicomMostStudies {
			return
		}
		if p.studies == nil {
			p.studies = map[uint64]bool{}
		}
		p.studies[study] = true
		p.notes.Call("study", 1)
	}
}

const dicomMostStudies = 1024 // of one association

// dicomFamily is the usual short name of a storage SOP class: CT, MR, US. The
// UIDs are those of PS3.6, annex A.
func dicomFamily(class string) string {
	rest, ok := strings.CutPrefix(class, "1.2.840.10008.5.1.4.1.1.")
	if !ok {
		return ""
	}
	families := []struct{ prefix, name string }{
		{"1", "CR"}, {"1.1", "DX"}, {"1.2", "MG"}, {"1.3", "IO"}, {"2", "CT"}, {"3", "US"}, {"4", "MR"}, {"5", "NM"}, {"6", "US"}, {"7", "SC"},
		{"9", "WF"}, {"11", "PR"}, {"12.1", "XA"}, {"12.2", "RF"}, {"12.3", "XA"}, {"13.1.3", "MG"}, {"20", "NM"}, {"30", "PM"}, {"66", "SEG"},
		{"77.1", "VL"}, {"77.1.6", "SM"}, {"78", "OP"}, {"81.1", "OP"}, {"88", "SR"}, {"88.59", "KO"}, {"104", "DOC"}, {"128", "PT"}, {"130", "PT"},
		{"481", "RT"},
	}
	slices.Reverse(families) // the longer prefix stands behind the shorter one
	for _, f := range families {
		if tail, ok := strings.CutPrefix(rest, f.prefix); ok && (tail == "" || tail[0] == '.') {
			return f.name
		}
	}
	return ""
}
