package capture

import (
	"encoding/binary"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// dicomAssociation is what an A-ASSOCIATE-RQ or -AC says.
type dicomAssociation struct {
	called, calling string
	application     string
	contexts        []dicomProposal
	class, version  string // of the implementation
	maxPDU          uint32
	roles           int  // SOP classes whose roles are negotiated
	identity        byte // type of the user's identity, 0 for none
	password        bool // and a passcode with it
}

// dicomProposal is a presentation context as proposed or answered.
type dicomProposal struct {
	id, result byte
	abstract   string
	transfer   []string
}

const dicomMostContexts = 128

// dicomReadAssociate reads the body of an A-ASSOCIATE (PS3.8, 9.3.2 and 9.3.3).
func dicomReadAssociate(b []byte) (a dicomAssociation, ok bool) {
	if len(b) < dicomAssociate {
		return a, false
	}
	a.called, a.calling = dicomTitle(b[4:20]), dicomTitle(b[20:36])
	dicomItems(b[dicomAssociate:], func(kind byte, item []byte) {
		switch kind {
		case 0x10:
			a.application = dicomUID(item)
		case 0x20, 0x21:
			a.context(item)
		case 0x50:
			dicomItems(item, a.user)
		}
	})
	return a, true
}

// dicomItems goes through items of type, reserved, length, value.
func dicomItems(b []byte, each func(kind byte, item []byte)) {
	for len(b) >= 4 {
		kind, n := b[0], int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if n > len(b) {
			n = len(b) // the end was not kept, or lies
		}
		each(kind, b[:n])
		b = b[n:]
	}
}

func (a *dicomAssociation) context(b []byte) {
	if len(b) < 4 || len(a.contexts) >= dicomMostContexts {
		return
	}
	c := dicomProposal{id: b[0], result: b[2]}
	dicomItems(b[4:], func(kind byte, item []byte) {
		switch {
		case kind == 0x30:
			c.abstract = dicomUID(item)
		case kind == 0x40 && len(c.transfer) < 64:
			c.transfer = append(c.transfer, dicomUID(item))
		}
	})
	a.contexts = append(a.contexts, c)
}

// user reads a sub-item of the user information (PS3.7, D.3.3). Of an identity
// only its type is read, never its value.
func (a *dicomAssociation) user(kind byte, b []byte) {
	switch kind {
	case 0x51:
		if len(b) == 4 {
			a.maxPDU = binary.BigEndian.Uint32(b)
		}
	case 0x52:
		a.class = dicomUID(b)
	case 0x54:
		a.roles++
	case 0x55:
		a.version = clinicalText(b)
	case 0x58:
		if len(b) > 0 {
			a.identity, a.password = b[0], b[0] == 2
		}
	}
}

// facts are what the implementation says of itself.
func (a *dicomAssociation) facts() []asset.Fact {
	return []asset.Fact{{Name: asset.FactImplUID, Value: a.class}, {Name: asset.FactImplVersion, Value: a.version}}
}

// dicomTitle is an AE title without its filling.
func dicomTitle(b []byte) string { return clinicalText(b) }

// dicomUID is a UID, "" for what is none.
func dicomUID(b []byte) string {
	t := strings.Trim(string(b[:min(len(b), 66)]), " \x00")
	if len(t) > 64 || strings.Trim(t, "0123456789.") != "" {
		return ""
	}
	return t
}
