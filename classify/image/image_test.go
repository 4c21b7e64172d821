package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	stdimage "image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
	"github.com/cordon-health/cordon/internal/pixels"
)

// digits are drawn five wide and seven high.
const digits = "" +
	".###. ..#.. .###. .###. ...#. ##### ..##. ##### .###. .###. " +
	"#...# .##.. #...# #...# ..##. #.... .#... ....# #...# #...# " +
	"#..## ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...# " +
	"#.#.# ..#.. ...#. ..##. #..#. ....# ####. ..#.. .###. .#### " +
	"##..# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....# " +
	"#...# ..#.. .#... #...# ...#. #...# #...# ..#.. #...# ...#. " +
	".###. .###. ##### .###. ...#. .###. .###. ..#.. .###. .##.. "

// drawn is a picture with numbers in it.
func drawn(text string, scale int) *stdimage.Gray {
	m := stdimage.NewGray(stdimage.Rect(0, 0, 40+len(text)*7*scale, 200))
	for i := range m.Pix {
		m.Pix[i] = 20
	}
	for i, c := range text {
		for y := range 7 * scale {
			for x := range 5 * scale {
				if digits[y/scale*60+int(c-'0')*6+x/scale] == '#' {
					m.SetGray(20+i*7*scale+x, 60+y, color.Gray{Y: 240})
				}
			}
		}
	}
	return m
}

func encode(t testing.TB, m stdimage.Image, kind string) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch kind {
	case "png":
		err = png.Encode(&b, m)
	case "jpeg":
		err = jpeg.Encode(&b, m, nil)
	case "gif":
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWritingIsFound(t *testing.T) {
	for _, kind := range []string{"png", "jpeg", "gif"} {
		rec := classifytest.Read(New(nil), "a", encode(t, drawn("13800138000", 4), kind))
		if rec.Err != nil || len(rec.Parts) == 0 || rec.Parts[0].Kind != classify.BurnedIn || rec.Parts[0].Confidence == 0 {
			t.Errorf("%s: %v %v %v", kind, rec.Err, rec.Gaps, rec.Parts)
		}
		rec = classifytest.Read(New(nil), "a", encode(t, drawn("", 4), kind))
		if len(rec.Parts) > 0 || len(rec.Gaps) > 0 {
			t.Errorf("%s without writing: %v %v", kind, rec.Parts, rec.Gaps)
		}
	}
}

func TestWritingIsRead(t *testing.T) {
	ocr, err := pixels.Tesseract()
	if err != nil {
		t.Skip("needs tesseract: apt-get install tesseract-ocr")
	}
	rec := classifytest.Read(New(ocr), "a", encode(t, drawn("13800138000", 6), "png"))
	// A font of blocks is misread here and there.
	if text := rec.Text(); rec.Err != nil || !strings.Contains(text, "138") || len(text) < 10 || len(text) > 16 {
		t.Errorf("%v %v %q", rec.Err, rec.Gaps, text)
	}
}

// place is EXIF with an owner and a place.
func place() []byte {
	le := binary.LittleEndian
	entry := func(tag, kind uint16, count, value uint32) []byte {
		b := le.AppendUint16(nil, tag)
		b = le.AppendUint16(b, kind)
		b = le.AppendUint32(b, count)
		return le.AppendUint32(b, value)
	}
	b := le.AppendUint32([]byte("II*\x00"), 8)
	b = le.AppendUint16(b, 2) // at 8; two entries end at 38
	b = append(b, entry(315, 2, 9, 96)...)
	b = append(b, entry(0x8825, 4, 1, 38)...)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint16(b, 4) // at 38; four entries end at 92
	b = append(b, entry(1, 2, 2, 'N')...)
	b = append(b, entry(2, 5, 3, 108)...)
	b = append(b, entry(3, 2, 2, 'E')...)
	b = append(b, entry(4, 5, 3, 132)...)
	b = append(b, 0, 0, 0, 0, 0, 0)[:96]
	b = append(b, "张三丰\x00\x00\x00"...)
	for _, n := range []uint32{39, 54, 15, 116, 24, 27} {
		b = le.AppendUint32(b, n)
		b = le.AppendUint32(b, 1)
	}
	return b
}

func withSegment(jpg []byte, kind byte, body string) []byte {
	seg := binary.BigEndian.AppendUint16([]byte{0xff, kind}, uint16(len(body)+2))
	return append(append(append([]byte{}, jpg[:2]...), append(seg, body...)...), jpg[2:]...)
}

func withChunk(p []byte, kind, body string) []byte {
	c := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	c = append(append(c, kind...), body...)
	c = binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
	return append(append(append([]byte{}, p[:33]...), c...), p[33:]...)
}

func TestDescriptions(t *testing.T) {
	plain := drawn("", 1)
	jpg := withSegment(encode(t, plain, "jpeg"), 0xe1, "Exif\x00\x00"+string(place()))
	jpg = withSegment(jpg, 0xfe, "patient 13800138000")
	rec := classifytest.Read(New(nil), "a.jpg", jpg)
	if got := rec.Field("Artist"); len(got) != 1 || got[0] != "张三丰" {
		t.Errorf("artist %q", got)
	}
	if p := rec.Part("exif GPS"); string(p.Text) != "39.90417N 116.40750E" || p.Kind != classify.Address {
		t.Errorf("place %+v", p)
	}
	if p := rec.Part("comment"); string(p.Text) != "patient 13800138000" {
		t.Errorf("comment %q", p.Text)
	}
	pic := withChunk(encode(t, plain, "png"), "tEXt", "Author\x00Li Si")
	pic = withChunk(pic, "iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00<?xpacket?><x:xmpmeta/>")
	rec = classifytest.Read(New(nil), "a.png", pic)
	if got := rec.Field("Author"); len(got) != 1 || got[0] != "Li Si" || len(rec.Members) != 1 {
		t.Errorf("png %q %v", got, rec.Members)
	}
	if rec = classifytest.Read(New(nil), "a.tif", place()); len(rec.Field("Artist")) != 1 || len(rec.Gaps) != 1 || !errors.Is(rec.Gaps[0].Why, classify.Unsupported) {
		t.Errorf("tiff %v, gaps %v", rec.Parts, rec.Gaps)
	}
}

// huge is a PNG that says it has a thousand million pixels.
func huge(t testing.TB) []byte {
	b := encode(t, drawn("", 1), "png")
	binary.BigEndian.PutUint32(b[16:], 50_000)
	binary.BigEndian.PutUint32(b[20:], 50_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func bmp() []byte {
	b := make([]byte, 54+4*12)
	copy(b, "BM")
	le := binary.LittleEndian
	le.PutUint32(b[10:], 54)
	le.PutUint32(b[14:], 40)
	le.PutUint32(b[18:], 4)
	le.PutUint32(b[22:], 4)
	le.PutUint16(b[28:], 24)
	return b
}

func TestPicturesOfAnySize(t *testing.T) {
	if rec := classifytest.Read(New(nil), "a.png", huge(t)); len(rec.Gaps) != 1 || !errors.Is(rec.Gaps[0].Why, classify.TooLarge) {
		t.Errorf("huge: %v", rec.Gaps)
	}
	if rec := classifytest.Read(New(nil), "a.bmp", bmp()); rec.Err != nil || len(rec.Gaps) > 0 {
		t.Errorf("bmp: %v %v", rec.Err, rec.Gaps)
	}
}

func TestHostile(t *testing.T) {
	for name, data := range map[string][]byte{"a.tif": place(), "a.bmp": bmp(), "a.gif": encode(t, drawn("1", 1), "gif"),
		"a.jpg": withSegment(encode(t, drawn("1", 1), "jpeg"), 0xe1, "Exif\x00\x00"+string(place()))} {
		classifytest.Hostile(t, New(nil), name, data)
	}
}

func FuzzImage(f *testing.F) {
	classifytest.Fuzz(f, New(nil), "a", place(), bmp(), encode(f, drawn("", 1), "gif"),
		withChunk(encode(f, drawn("", 1), "png"), "iTXt", "a\x00\x00\x00\x00\x00b"),
		withSegment(encode(f, drawn("", 1), "jpeg"), 0xe1, "Exif\x00\x00"+string(place())))
}
