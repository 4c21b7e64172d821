package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// frame is n bytes that are no record header.
func frame(n int) []byte { return bytes.Repeat([]byte{0xee}, n) }

// classicFile builds a pcap file by hand.
func classicFile(order binary.ByteOrder, magic uint32, records ...[]byte) []byte {
	b := make([]byte, 24)
	order.PutUint32(b, magic)
	order.PutUint16(b[4:], 2)
	order.PutUint16(b[6:], 4)
	order.PutUint32(b[16:], 65535)
	order.PutUint32(b[20:], 1)
	return append(b, bytes.Join(records, nil)...)
}

func rec(order binary.ByteOrder, header int, sec, frac, kept, size uint32, data []byte) []byte {
	b := make([]byte, header)
	for i, v := range []uint32{sec, frac, kept, size} {
		order.PutUint32(b[4*i:], v)
	}
	return append(b, data...)
}

// all reads a file in both ways, which must agree.
func all(t *testing.T, file []byte) ([]Packet, *Reader) {
	t.Helper()
	whole, err := Bytes(file)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := NewReader(iotest.HalfReader(bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	var got []Packet
	var p, q Packet
	for whole.Next(&p) {
		if !stream.Next(&q) || !bytes.Equal(p.Data, q.Data) || p.At != q.At || p.Offset != q.Offset || p.Size != q.Size {
			t.Fatalf("the stream differs at %d: %+v %+v", p.Offset, p, q)
		}
		got = append(got, p)
	}
	more := stream.Next(&q)
	a, _ := whole.Bad()
	b, _ := stream.Bad()
	if more || a != b || whole.Offset() != int64(len(file)) || stream.Offset() != int64(len(file)) {
		t.Fatalf("ends differ: %d and %d bad, at %d and %d of %d", a, b, whole.Offset(), stream.Offset(), len(file))
	}
	return got, whole
}

func TestClassicForms(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		for magic, header := range map[uint32]int{0xa1b2c3d4: 16, 0xa1b23c4d: 16, 0xa1b2cd34: 24} {
			file := classicFile(order, magic, rec(order, header, 7, 5000, 60, 1500, frame(60)), rec(order, header, 8, 0, 20, 20, frame(20)))
			got, _ := all(t, file)
			at := int64(7e9 + 5000*1000)
			if magic == 0xa1b23c4d {
				at = 7e9 + 5000
			}
			if len(got) != 2 || got[0].At != at || got[0].Size != 1500 || len(got[0].Data) != 60 || got[0].Link != 1 {
				t.Errorf("%x %v: %+v", magic, order, got)
			}
		}
	}
}

func TestBadRecordsDoNotEndAFile(t *testing.T) {
	le := binary.LittleEndian
	good := func(sec uint32) []byte { return rec(le, 16, sec, 1, 60, 60, frame(60)) }
	cases := map[string]struct {
		file []byte
		good int
		why  []Reason
	}{
		"kept above size":   {classicFile(le, 0xa1b2c3d4, good(1), rec(le, 16, 2, 0, 60, 40, frame(60)), good(3)), 3, []Reason{Longer}},
		"empty":             {classicFile(le, 0xa1b2c3d4, good(1), rec(le, 16, 2, 0, 0, 0, nil), good(3)), 3, nil},
		"absurd length":     {classicFile(le, 0xa1b2c3d4, good(1), rec(le, 16, 2, 0, 1<<31, 60, frame(60)), good(3), good(4)), 3, []Reason{Absurd}},
		"longer than file":  {classicFile(le, 0xa1b2c3d4, good(1), rec(le, 16, 2, 0, 9000, 9000, frame(60)), good(3), good(4)), 3, []Reason{CutOff}},
		"cut off":           {classicFile(le, 0xa1b2c3d4, good(1), good(2)[:50]), 1, []Reason{CutOff}},
		"header cut off":    {classicFile(le, 0xa1b2c3d4, good(1), good(2)[:9]), 1, []Reason{CutOff}},
		"garbage in middle": {classicFile(le, 0xa1b2c3d4, good(1), frame(333), good(3), good(4)), 3, []Reason{Absurd}},
		"last after damage": {classicFile(le, 0xa1b2c3d4, good(1), frame(333), good(3)), 2, []Reason{Absurd}},
	}
	for name, c := range cases {
		got, r := all(t, c.file)
		n, bad := r.Bad()
		if len(got) != c.good || int(n) != len(c.why) || len(bad) > 0 && bad[0].Reason != c.why[0] {
			t.Errorf("%s: %d packets, bad %v", name, len(got), bad)
		}
	}
}

func TestNoCapture(t *testing.T) {
	odd := classicFile(binary.LittleEndian, 0xa1b2c3d4)
	odd[4] = 9
	for _, b := range [][]byte{nil, []byte("PK\x03\x04 not a capture, by far"), classicFile(binary.LittleEndian, 0xa1b2c3d4)[:20], odd,
		{0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0}} {
		if _, err := Bytes(b); err == nil {
			t.Errorf("%x is taken for a capture", b)
		}
	}
	if _, err := Bytes(nil); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func TestReadErrorIsTold(t *testing.T) {
	file := classicFile(binary.LittleEndian, 0xa1b2c3d4, rec(binary.LittleEndian, 16, 1, 1, 60, 60, frame(60)))
	r, err := NewReader(io.MultiReader(bytes.NewReader(file[:50]), iotest.ErrReader(io.ErrClosedPipe)))
	if err != nil {
		t.Fatal(err)
	}
	if r.Next(new(Packet)) || !errors.Is(r.Err(), io.ErrClosedPipe) {
		t.Error(r.Err())
	}
}

func words(order binary.ByteOrder, v ...uint32) []byte {
	b := make([]byte, 4*len(v))
	for i, w := range v {
		order.PutUint32(b[4*i:], w)
	}
	return b
}

func shb(order binary.ByteOrder) []byte {
	return blockOf(order, sectionHeader, words(order, orderMagic, 1, 0xffffffff, 0xffffffff))
}

// idb describes an interface; options are given as they stand.
func idb(order binary.ByteOrder, link uint16, options ...byte) []byte {
	b := make([]byte, 8)
	order.PutUint16(b, link)
	order.PutUint32(b[4:], 100)
	return blockOf(order, interfaceBlock, append(b, options...))
}

func epb(order binary.ByteOrder, face uint32, stamp uint64, size uint32, data []byte) []byte {
	return blockOf(order, enhancedPacket, append(words(order, face, uint32(stamp>>32), uint32(stamp), uint32(len(data)), size), data...))
}

func option(order binary.ByteOrder, code uint16, v []byte) []byte {
	b := make([]byte, 4)
	order.PutUint16(b, code)
	order.PutUint16(b[2:], uint16(len(v)))
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func blockOf(order binary.ByteOrder, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b := words(order, kind, uint32(len(body)+12))
	return append(append(b, body...), words(order, uint32(len(body)+12))...)
}

func TestNG(t *testing.T) {
	for _, o := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		hour := make([]byte, 8)
		o.PutUint64(hour, 3600)
		old := append(words(o, 0, 0, 5_000_000, 20, 20), frame(20)...)
		file := bytes.Join([][]byte{
			shb(o), idb(o, 1), idb(o, 113, option(o, 9, []byte{9})...), idb(o, 1, option(o, 9, []byte{0x80 | 10})...),
			idb(o, 1, append(option(o, 9, []byte{3}), option(o, 14, hour)...)...),
			epb(o, 0, 1_500_000, 61, frame(61)), epb(o, 1, 1_500_000, 1500, frame(20)), epb(o, 2, 1024+512, 20, frame(20)),
			epb(o, 3, 1500, 20, frame(20)),
			blockOf(o, 5, frame(16)), blockOf(o, oldPacket, old), blockOf(o, simplePacket, append(words(o, 300), frame(100)...)),
			epb(o, 9, 0, 20, frame(20)), // never described
			shb(o), idb(o, 101), epb(o, 0, 2_000_000, 20, frame(20)),
		}, nil)
		got, r := all(t, file)
		want := []int64{1_500_000_000, 1_500_000, 1_500_000_000, 3601_500_000_000, 5_000_000_000, 5_000_000_000, 2_000_000_000}
		if len(got) != len(want) {
			t.Fatalf("%d packets: %+v", len(got), got)
		}
		for i, p := range got {
			if p.At != want[i] {
				t.Errorf("packet %d at %d, not %d", i, p.At, want[i])
			}
		}
		if n, bad := r.Bad(); n != 1 || bad[0].Reason != Interface || got[1].Link != 113 || got[6].Link != 101 || got[5].Size != 300 {
			t.Errorf("bad %v, packets %+v", bad, got)
		}
	}
}

func TestNGDamage(t *testing.T) {
	o := binary.LittleEndian
	good := epb(o, 0, 1, 40, frame(40))
	wrong := bytes.Clone(good)
	wrong[len(wrong)-1] = 9 // its second length
	absurd := bytes.Clone(good)
	absurd[7] = 0xff
	beyond := bytes.Clone(good)
	beyond[20] = 200 // the captured length
	for name, c := range map[string]struct {
		damage []byte
		good   int
		why    Reason
	}{
		"wrong end": {wrong, 3, Broken}, "absurd": {absurd, 2, Broken}, "beyond": {beyond, 2, Beyond}, "garbage": {frame(41), 2, Broken},
	} {
		file := bytes.Join([][]byte{shb(o), idb(o, 1), good, c.damage, good}, nil)
		got, r := all(t, file)
		if n, bad := r.Bad(); name != "wrong end" && (n != 1 || bad[0].Reason != c.why) || len(got) != c.good {
			t.Errorf("%s: %d packets, bad %v", name, len(got), bad)
		}
	}
	got, r := all(t, bytes.Join([][]byte{shb(o), idb(o, 1), good, good[:30]}, nil))
	if n, _ := r.Bad(); n == 0 || len(got) != 1 {
		t.Errorf("a cut off block: %d packets, %d bad", len(got), n)
	}
}

func TestWriter(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(1_000_000_001, 90, frame(60)), w.Write(2_000_000_000, 60, frame(60))); err != nil {
		t.Fatal(err)
	}
	got, _ := all(t, b.Bytes())
	if len(got) != 2 || got[0].At != 1_000_000_001 || got[0].Size != 90 {
		t.Errorf("%+v", got)
	}
}

func FuzzRead(f *testing.F) {
	o := binary.LittleEndian
	f.Add(classicFile(o, 0xa1b2c3d4, rec(o, 16, 1, 1, 60, 60, frame(60)), rec(o, 16, 1, 1, 1<<30, 60, frame(60))))
	f.Add(classicFile(binary.BigEndian, 0xa1b2cd34, rec(binary.BigEndian, 24, 1, 1, 60, 60, frame(60))))
	f.Add(bytes.Join([][]byte{shb(o), idb(o, 1, option(o, 9, []byte{0xff})...), epb(o, 0, 1<<63, 40, frame(40)), epb(o, 0, 1, 40, frame(40))[:33]}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := Bytes(b); err == nil {
			all(t, b)
		}
	})
}
