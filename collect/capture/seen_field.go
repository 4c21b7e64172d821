package capture

import (
	"bytes"
	"regexp"

	"github.com/cordon-health/cordon/asset"
)

// Protocols of controllers: Modbus/TCP and S7.

const (
	modbusHead    = 7
	modbusMost    = 254 // of a message after its length
	modbusReadID  = 0x2b
	modbusReadMEI = 0x0e
)

// modbusMessage takes a message off the front. Source: MODBUS Messaging on
// TCP/IP 1.0b, 3.1.3.
func modbusMessage(b []byte) (id uint16, pdu, rest []byte, v Verdict) {
	for i, c := range b[:min(len(b), 5)] {
		if (i == 2 || i == 3 || i == 4) && c != 0 {
			return 0, nil, b, No
		}
	}
	if len(b) < modbusHead {
		return 0, nil, b, Maybe
	}
	n := int(b[5])
	if n < 2 || n > modbusMost {
		return 0, nil, b, No
	}
	if len(b) < 6+n {
		return 0, nil, b, Maybe
	}
	return uint16(b[0])<<8 | uint16(b[1]), b[modbusHead : 6+n], b[6+n:], Yes
}

type modbusDissector struct{}

func newModbus() StreamDissector { return modbusDissector{} }

func (modbusDissector) Name() string { return "modbus" }

// Probe wants a question and its answer: a form so plain proves nothing alone.
func (modbusDissector) Probe(_ *Stream, client, server []byte) Verdict {
	asked, question, _, v := modbusMessage(client)
	if v != Yes {
		return v
	}
	answered, answer, _, v := modbusMessage(server)
	switch {
	case v != Yes:
		return v
	case asked == answered && question[0] != 0 && question[0] < 0x80 && question[0] == answer[0]&0x7f:
		return Yes
	}
	return No
}

func (modbusDissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "modbus")
	return &modbusParser{s: s, out: out}
}

type modbusParser struct {
	s              *Stream
	out            Out
	client, server []byte
	told           bool
}

func (p *modbusParser) Data(fromClient bool, at int64, b []byte) bool {
	side := &p.server
	if fromClient {
		side = &p.client
	}
	for len(b) > 0 {
		n := min(len(b), modbusHead+modbusMost-len(*side))
		*side = append(*side, b[:n]...)
		b = b[n:]
		for {
			_, pdu, rest, v := modbusMessage(*side)
			if v == No {
				return false
			}
			if v == Maybe {
				break
			}
			p.message(fromClient, at, pdu)
			*side = append((*side)[:0], rest...)
		}
	}
	return true
}

func (p *modbusParser) message(fromClient bool, at int64, pdu []byte) {
	if fromClient {
		p.s.Notes().Call(modbusCall(pdu[0]), 1)
		return
	}
	id := pdu[0] == modbusReadID && len(pdu) > 1 && pdu[1] == modbusReadMEI
	if p.told && !id {
		return
	}
	o := seenServes(p.s, at, "modbus")
	if id {
		modbusIdentity(&o, pdu)
	}
	seenTell(p.out, o)
	if !p.told {
		o = seenClient(p.s, at, "modbus")
		seenAdd(&o, asset.FactClientOf, "modbus")
		seenTell(p.out, o)
	}
	p.told = true
}

func modbusCall(function byte) string {
	switch function {
	case 5, 6, 15, 16, 21, 22, 23:
		return "write"
	case 1, 2, 3, 4, 20, 24:
		return "read"
	}
	return "other"
}

// modbusIdentity reads an answer to Read Device Identification. Source: MODBUS
// Application Protocol 1.1b3, 6.21.
func modbusIdentity(o *asset.Observation, pdu []byte) {
	r := seenBytes{b: pdu}
	r.take(6)
	for n := r.u8(); n > 0 && !r.short; n-- {
		kind := r.u8()
		text := seenText(r.take(int(r.u8())))
		switch kind {
		case 0:
			seenAdd(o, asset.FactVendor, text)
		case 1, 4, 5:
			seenAdd(o, asset.FactModel, text)
		case 2:
			seenAdd(o, asset.FactFirmware, text)
		}
	}
}

func (p *modbusParser) Gap(fromClient bool, _ int) bool { return false }
func (p *modbusParser) Close(int64)                     {}

// s7Dissector reads the protocol of Siemens controllers, inside X.224.
type s7Dissector struct{ order *regexp.Regexp }

func newS7() StreamDissector {
	return &s7Dissector{regexp.MustCompile(`6[EGA][SK]7 ?[0-9A-Z]{3}-[0-9A-Z]{5}-[0-9A-Z]{4}`)}
}

func (*s7Dissector) Name() string { return "s7" }

// Probe wants a connection request and then a data packet with the sign of S7.
func (*s7Dissector) Probe(_ *Stream, client, _ []byte) Verdict {
	if len(client) == 0 {
		return Maybe
	}
	if v := bannerStarts(client, "\x03\x00"); v != Yes {
		return v
	}
	if len(client) > 5 && client[5] != rdpRequest {
		return No
	}
	body, rest, ok := rdpPacket(client)
	if !ok {
		if len(client) > 256 {
			return No
		}
		return Maybe
	}
	if !bytes.Contains(body, []byte{0xc1}) && !bytes.Contains(body, []byte{0xc2}) {
		return No
	}
	if len(rest) < 8 {
		return Maybe
	}
	if rest[0] == 3 && rest[5] == 0xf0 && rest[7] == 0x32 {
		return Yes
	}
	return No
}

func (d *s7Dissector) Open(s *Stream, out Out) Parser {
	seenApp(s, "s7")
	return &s7Parser{s: s, out: out, order: d.order}
}

type s7Parser struct {
	s      *Stream
	out    Out
	order  *regexp.Regexp
	server []byte
	told   bool
}

func (p *s7Parser) Data(fromClient bool, at int64, b []byte) bool {
	if fromClient {
		return true
	}
	if !p.told {
		p.told = true
		o := seenServes(p.s, at, "s7")
		seenTell(p.out, o)
		o = seenClient(p.s, at, "s7")
		seenAdd(&o, asset.FactClientOf, "s7")
		seenTell(p.out, o)
	}
	p.server = append(p.server, b[:min(len(b), 4<<10-len(p.server))]...)
	if found := p.order.Find(p.server); found != nil {
		o := seenServes(p.s, at, "s7")
		seenAdd(&o, asset.FactVendor, "Siemens")
		seenAdd(&o, asset.FactModel, seenText(found))
		seenTell(p.out, o)
		return false
	}
	return len(p.server) < 4<<10
}

func (p *s7Parser) Gap(bool, int) bool { return false }
func (p *s7Parser) Close(int64)        {}
