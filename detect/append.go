package detect

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// What there is much of writes its JSON by hand; see appender.

func (h *habit) appendJSON(b []byte) []byte {
	b = append(b, '{')
	b = appendSpans(b, `"h":[`, h.Hours)
	b = appendSpans(b, `"d":[`, h.Days)
	b = appendSpans(b, `"e":[`, h.Exported)
	b = appendSketches(append(b, `"u":`...), &h.Usual)
	b = h.Week.appendJSON(append(b, `,"w":`...))
	return append(strconv.AppendInt(append(b, `,"t":`...), h.Newest, 10), '}')
}

func (p *peers) appendJSON(b []byte) []byte {
	b = appendSketches(append(b, `{"u":`...), &p.Usual)
	if len(p.Who) > 0 {
		b = p.Who.appendJSON(append(b, `,"p":`...))
	}
	return append(b, '}')
}

func (f *following) appendJSON(b []byte) []byte {
	b = appendSpans(append(b, '{'), `"d":[`, f.Days)
	b = f.Usual.appendJSON(append(b, `"u":`...))
	return append(strconv.AppendInt(append(b, `,"t":`...), f.Newest, 10), '}')
}

// appendSpans writes a field and the comma behind it, or nothing.
func appendSpans(b []byte, field string, list []span) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, field...)
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"n":`...), s.No, 10)
		if len(s.Set) > 0 {
			b = s.Set.appendJSON(append(b, `,"s":`...))
		}
		b = append(b, '}')
	}
	return append(b, "],"...)
}

func appendSketches(b []byte, list *[measures]Sketch) []byte {
	for i := range list {
		b = append(b, "[,"[min(i, 1)])
		b = list[i].appendJSON(b)
	}
	return append(b, ']')
}

func (m marks) appendJSON(b []byte) []byte {
	raw := make([]byte, 0, 128)
	for _, x := range m {
		raw = binary.LittleEndian.AppendUint16(raw, x)
	}
	return appendBase64(b, raw)
}

func (s *Sketch) appendJSON(b []byte) []byte {
	if len(s.bins) == 0 {
		return append(b, `""`...)
	}
	raw := binary.AppendVarint(make([]byte, 0, 256), s.epoch)
	raw = binary.AppendVarint(raw, s.level)
	last := uint16(0)
	for _, x := range s.bins {
		raw = binary.AppendUvarint(raw, uint64(x.at-last))
		raw = binary.AppendUvarint(raw, uint64(x.weight))
		last = x.at
	}
	return appendBase64(b, raw)
}

func (p *profile) appendJSON(b []byte) []byte {
	b = appendBase64(append(b, `{"h":`...), p.hours[:])
	b = strconv.AppendInt(append(b, `,"e":`...), p.epoch, 10)
	return append(strconv.AppendInt(append(b, `,"l":`...), p.last, 10), '}')
}

func appendBase64(b, raw []byte) []byte {
	return append(base64.RawStdEncoding.AppendEncode(append(b, '"'), raw), '"')
}
