package capture

import (
	"encoding/binary"
)

// The procedures that carry statements. Source: MS-TDS 2.2.6.6.
const (
	tdsCursorOpen     = 2
	tdsCursorPrepare  = 3
	tdsCursorExecute  = 4
	tdsCursorPrepExec = 5
	tdsExecuteSQL     = 10
	tdsPrepare        = 11
	tdsExecute        = 12
	tdsPrepExec       = 13
	tdsPrepExecRPC    = 14
	tdsUnprepare      = 15
)

// call reads a remote call: the statement in it, or the name of the procedure.
// Values are passed over. Of several calls in one message the first is read.
func (p *tdsParser) call(b []byte, cut bool) {
	if len(b) < 4 {
		return
	}
	id, name := uint16(0), ""
	n := int(binary.LittleEndian.Uint16(b))
	b = b[2:]
	if n == 0xffff {
		id = binary.LittleEndian.Uint16(b)
		b = b[2:]
	} else {
		if n > 512 || 2*n > len(b) {
			return
		}
		name = clinicalText([]byte(tdsText(b[:2*n])))
		b = b[2*n:]
	}
	if len(b) < 2 {
		return
	}
	params := tdsParams{b: b[2:]}
	a := &sqlAsked{at: p.at, code: "execute", activity: 4}
	if id == 0 {
		id = tdsProcedure(name)
	}
	var t sqlText
	switch id {
	case tdsExecuteSQL:
		t = p.text(params.next())
	case tdsCursorOpen, tdsPrepExecRPC:
		params.next()
		t = p.text(params.next())
	case tdsPrepare, tdsPrepExec, tdsCursorPrepare:
		params.next()
		params.next()
		t = p.text(params.next())
	case tdsCursorPrepExec:
		for range 3 {
			params.next()
		}
		t = p.text(params.next())
	case tdsExecute, tdsCursorExecute, tdsUnprepare:
		if v := params.next(); len(v.value) == 4 {
			handle := binary.LittleEndian.Uint32(v.value)
			t = p.named[handle]
			p.sqlRoom -= len(t.text)
			if id == tdsUnprepare {
				p.drop(t)
				p.drop(t)
				delete(p.named, handle)
				p.ask(&sqlAsked{at: p.at})
				return
			}
		}
	case 0:
		t = p.keep([]byte("EXEC "+name), len("EXEC ")+len(name))
	default: // cursors: fetched from, closed
		p.ask(&sqlAsked{at: p.at})
		return
	}
	if a.sqlText = t; t.text != "" {
		a.activity = 0
	}
	switch id {
	case tdsPrepare, tdsPrepExec, tdsCursorPrepare, tdsCursorPrepExec:
		p.drop(p.pending)
		p.pending = t
		p.sqlRoom -= len(t.text)
		if id == tdsPrepare || id == tdsCursorPrepare {
			a.code = "prepare"
		}
	}
	p.ask(a)
}

// text keeps the statement in a parameter.
func (p *tdsParser) text(v tdsValue) sqlText {
	text := tdsText(v.value)
	if !v.wide {
		text = string(v.value)
	}
	t := p.keep([]byte(text), len(text))
	t.clipped += v.missing
	return t
}

// tdsProcedure is the number of a procedure that is called by its name.
func tdsProcedure(name string) uint16 {
	switch name {
	case "sp_executesql":
		return tdsExecuteSQL
	case "sp_prepare":
		return tdsPrepare
	case "sp_execute":
		return tdsExecute
	case "sp_prepexec":
		return tdsPrepExec
	case "sp_unprepare":
		return tdsUnprepare
	case "sp_cursoropen":
		return tdsCursorOpen
	}
	return 0
}

// tdsParams goes through the parameters of a call.
type tdsParams struct {
	b []byte
}

// tdsValue is a parameter's value.
type tdsValue struct {
	value   []byte
	wide    bool // it is UTF-16
	missing int  // characters that were not kept
}

// next reads a parameter: name, flags, type, value. What it cannot read has no
// value, nor have those behind it.
func (r *tdsParams) next() (v tdsValue) {
	name := r.take(1)
	if name == nil || r.take(2*int(name[0])) == nil || r.take(1) == nil {
		return v
	}
	kind := r.take(1)
	if kind == nil {
		return v
	}
	switch kind[0] {
	case 0x26, 0x68, 0x6d, 0x6e, 0x6f: // whole numbers, bits, floats, money, times that may be null
		r.take(1)
		return tdsValue{value: r.short()}
	case 0x30, 0x32: // tinyint, bit
		return tdsValue{value: r.take(1)}
	case 0x34:
		return tdsValue{value: r.take(2)}
	case 0x38, 0x3b:
		return tdsValue{value: r.take(4)}
	case 0x3c, 0x3d, 0x3e, 0x7f:
		return tdsValue{value: r.take(8)}
	case 0xe7, 0xef: // nvarchar, nchar
		return r.text(true)
	case 0xa7, 0xaf: // varchar, char
		return r.text(false)
	case 0x63, 0x23: // ntext, text
		r.take(9)
		n := r.take(4)
		if n == nil {
			return v
		}
		return r.long(int(binary.LittleEndian.Uint32(n)), kind[0] == 0x63)
	}
	r.b = nil
	return v
}

// text reads a value with its largest size and collation before it.
func (r *tdsParams) text(wide bool) tdsValue {
	most := r.take(2)
	if most == nil || r.take(5) == nil {
		return tdsValue{}
	}
	if binary.LittleEndian.Uint16(most) == 0xffff {
		return r.chunks(wide)
	}
	n := r.take(2)
	if n == nil {
		return tdsValue{}
	}
	size := int(binary.LittleEndian.Uint16(n))
	if size == 0xffff {
		return tdsValue{}
	}
	return r.long(size, wide)
}

// chunks reads a value in pieces.
func (r *tdsParams) chunks(wide bool) tdsValue {
	v := tdsValue{wide: wide}
	if r.take(8) == nil {
		return v
	}
	for {
		n := r.take(4)
		if n == nil {
			return v
		}
		size := int(binary.LittleEndian.Uint32(n))
		if size == 0 {
			return v
		}
		piece := r.long(size, wide)
		v.value, v.missing = append(v.value, piece.value...), v.missing+piece.missing
	}
}

// long takes n bytes, or those that were kept of them.
func (r *tdsParams) long(n int, wide bool) tdsValue {
	v := tdsValue{wide: wide}
	if n > len(r.b) {
		v.missing = n - len(r.b)
		if wide {
			v.missing /= 2
		}
		n = len(r.b)
	}
	v.value = r.take(n)
	return v
}

// short takes a value with its length in one byte before it.
func (r *tdsParams) short() []byte {
	n := r.take(1)
	if n == nil {
		return nil
	}
	return r.take(int(n[0]))
}

// take takes n bytes; nil where there are fewer, and then always.
func (r *tdsParams) take(n int) []byte {
	if n < 0 || n > len(r.b) || r.b == nil {
		r.b = nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}
