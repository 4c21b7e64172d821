package dicom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// small builds a file by hand: explicit little endian with a sequence in a
// sequence, a UN with implicit content and encapsulated pixels.
func small(t testing.TB, syntax string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, syntax, []Attribute{{MediaClass, UI, []byte("1.2.3")}, {TransferSyntax, UI, []byte(syntax)}})
	if err != nil {
		t.Fatal(err)
	}
	steps := []error{
		w.Value(CharacterSet, CS, []byte("ISO_IR 192")),
		w.Value(0x00080060, CS, []byte("US")),
		w.Sequence(0x00081140, false), w.Item(), w.Value(0x00081155, UI, []byte("1.2.3.4")),
		w.Sequence(0x0040A170, false), w.Item(), w.Value(0x00080100, SH, []byte("X")), w.End(), w.End(),
		w.End(), w.End(),
		w.Value(0x00100010, PN, []byte("Test^Name")),
		w.Value(0x00110010, LO, []byte("ACME")),
		w.Sequence(0x00111001, true), w.Item(), w.Value(0x00100020, LO, []byte("123")), w.End(), w.End(),
		w.Value(0x00280010, US, []byte{1, 0}),
	}
	if syntax == ExplicitLE {
		steps = append(steps, w.Pixels(PixelData, OB), w.Fragment(0, strings.NewReader("")), w.Fragment(4, strings.NewReader("abcd")), w.End())
	}
	for _, err := range append(steps, w.Close()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// TestSyntaxes writes a file in each syntax and reads the same in it again.
func TestSyntaxes(t *testing.T) {
	for _, syntax := range []string{ImplicitLE, ExplicitLE, ExplicitBE, DeflatedLE} {
		in := small(t, syntax)
		out, err := echo(t, in)
		if err != nil || !bytes.Equal(in, out) {
			t.Errorf("%s: %d bytes became %d: %v", syntax, len(in), len(out), err)
		}
		bare := in[132:]
		if out, err := echo(t, bare); err != nil || !bytes.Equal(in, out) {
			t.Errorf("%s without preamble: %v", syntax, err)
		}
	}
}

// TestTruncated cuts a file at every byte: an error with a position, or fewer
// elements; never a panic, never more.
func TestTruncated(t *testing.T) {
	for _, syntax := range []string{ImplicitLE, ExplicitLE, ExplicitBE, DeflatedLE} {
		in := small(t, syntax)
		for n := range in {
			_, err := echo(t, in[:n])
			var where *Error
			if err != nil && !errors.As(err, &where) && !errors.Is(err, ErrNotDICOM) {
				t.Fatalf("%s cut at %d: %v", syntax, n, err)
			}
		}
	}
}

// TestHostileLengths claims what is not there.
func TestHostileLengths(t *testing.T) {
	head := func(tag Tag, vr string, length uint32) []byte {
		b := make([]byte, 12)
		binary.LittleEndian.PutUint16(b, tag.Group())
		binary.LittleEndian.PutUint16(b[2:], uint16(tag))
		copy(b[4:], vr)
		binary.LittleEndian.PutUint32(b[8:], length)
		return b
	}
	deep := head(0x00081140, "SQ", noLength)
	item := []byte{0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF}
	for name, in := range map[string][]byte{
		"value of 4 GB":         head(0x00080060, "UT", 0xFFFFFFFE),
		"undefined UT":          head(0x00080060, "UT", noLength),
		"item beyond sequence":  append(head(0x00081140, "SQ", 12), 0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0x00, 0x00, 0, 0, 0, 0),
		"no item in a sequence": append(head(0x00081140, "SQ", noLength), head(0x00080060, "CS", 0)...),
		"fragment of 4 GB":      append(append(head(0x00080005, "UT", 0), head(PixelData, "OB", noLength)...), 0xFE, 0xFF, 0x00, 0xE0, 0xFE, 0xFF, 0xFF, 0xFF),
		"very deep":             bytes.Repeat(append(deep, item...), 10000),
	} {
		_, err := echo(t, in)
		var where *Error
		if !errors.As(err, &where) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHiddenSequence sees into a UN of defined length that the dictionary
// knows as a sequence.
func TestHiddenSequence(t *testing.T) {
	inner := []byte{0xFE, 0xFF, 0x00, 0xE0, 12, 0, 0, 0, 0x10, 0x00, 0x10, 0x00, 4, 0, 0, 0, 'A', '^', 'B', ' '}
	in := append([]byte{0x08, 0, 0x40, 0x11, 'U', 'N', 0, 0, byte(len(inner)), 0, 0, 0}, inner...)
	r, err := NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	for {
		e, err := r.Next()
		if err != nil {
			t.Fatal("the name inside was not seen: ", err)
		}
		if e.Tag == 0x00100010 {
			if b, err := r.Bytes(); err != nil || string(b) != "A^B " || e.VR != PN {
				t.Errorf("%s %q: %v", e.VR, b, err)
			}
			return
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, syntax := range []string{ImplicitLE, ExplicitLE, ExplicitBE, DeflatedLE} {
		f.Add(small(f, syntax))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := echo(t, in)
		if err != nil {
			return
		}
		again, err := echo(t, out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if !bytes.Equal(out, again) {
			t.Fatal("writing twice gives two files")
		}
	})
}

func FuzzCharset(f *testing.F) {
	f.Add(`\ISO 2022 IR 87`, []byte("\x1b$B;3ED\x1b(B"))
	f.Add("GB18030", []byte("\xcd\xf5"))
	f.Add(`\ISO 2022 IR 149\ISO 2022 IR 58`, []byte("\x1b$)C\xfb\xf3"))
	f.Fuzz(func(t *testing.T, declared string, b []byte) {
		c := NewCharset(declared)
		text := c.Decode(b)
		if raw, ok := c.Encode(text); ok && c.Decode(raw) != text {
			t.Fatalf("%q in %q does not come back", text, declared)
		}
	})
}

// BenchmarkHeaders passes over the headers of a sample.
func BenchmarkHeaders(b *testing.B) {
	in, err := os.ReadFile(samples(b)[4])
	if err != nil {
		b.Fatal(err)
	}
	var r Reader
	for b.Loop() {
		if err := r.Reset(bytes.NewReader(in), int64(len(in))); err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}
