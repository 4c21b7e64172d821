package dicom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
	"github.com/cordon-health/cordon/internal/dicom"
)

func samples(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "data", "dicom", "*.dcm"))
	if err != nil || len(files) == 0 {
		t.Skip("sample data is not here: ../shared/data/dicom")
	}
	return files
}

// report is a small structured report with private data and a document.
func report(t testing.TB, syntax string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := dicom.NewWriter(&out, syntax, []dicom.Attribute{{Tag: dicom.TransferSyntax, VR: dicom.UI, Value: []byte(syntax)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.Value(dicom.CharacterSet, dicom.CS, []byte("GB18030")),
		w.Value(0x00080060, dicom.CS, []byte("SR")),
		w.Value(0x00100010, dicom.PN, []byte("Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab")),
		w.Value(0x00100020, dicom.LO, []byte("00123456")),
		w.Value(0x00101000, dicom.LO, []byte(`H445566\H778899`)),
		w.Value(0x00110010, dicom.LO, []byte("ACME")),
		w.Value(0x00111001, dicom.UN, []byte("call 13800138000 now")),
		w.Sequence(0x0040A730, false), w.Item(),
		w.Sequence(conceptName, false), w.Item(), w.Value(codeMeaning, dicom.LO, []byte("Patient name")), w.End(), w.End(),
		w.Value(textValue, dicom.UT, []byte("Wang Xiaodong")), w.End(), w.End(),
		w.Value(mimeType, dicom.LO, []byte("application/pdf")),
		w.Value(encapsulated, dicom.OB, []byte("%PDF-1.4 x")),
		w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// TestReport finds every part under its path.
func TestReport(t *testing.T) {
	for _, syntax := range []string{dicom.ExplicitLE, dicom.ImplicitLE, dicom.ExplicitBE, dicom.DeflatedLE} {
		in := report(t, syntax)
		got := classifytest.Read(New(), "x.dcm", in)
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		want := map[string]string{
			"(0010,0010) person-name":    "Wang XiaoDong|王 小东",
			"(0010,0020) mrn":            "00123456",
			"(0010,1000) mrn":            "H445566|H778899",
			"(0011,1001) ":               "call 13800138000 now",
			"(0040,A730)[1].(0040,A160)": "Wang Xiaodong",
		}
		have := map[string]string{}
		for _, p := range got.Parts {
			key := p.Path + " " + p.Kind.String()
			if p.Path == "(0040,A730)[1].(0040,A160)" {
				key = p.Path
				if p.Field != "Patient name" {
					t.Errorf("the field of a content item is %q", p.Field)
				}
			}
			have[key] = strings.TrimPrefix(have[key]+"|"+strings.TrimSpace(string(p.Text)), "|")
			plain := !p.Wide && p.Offset >= 0 && p.Kind != classify.Name
			if plain && !bytes.HasPrefix(in[p.Offset:], p.Text) {
				t.Errorf("%s: not at byte %d", p.Path, p.Offset)
			}
		}
		for key, text := range want {
			if have[key] != text {
				t.Errorf("%s: %q is %q, want %q", syntax, key, have[key], text)
			}
		}
		if len(got.Members) != 1 || !strings.HasPrefix(string(got.Members[0].Data), "%PDF-1.4 x") || !strings.HasSuffix(got.Members[0].Name, "document.pdf") {
			t.Errorf("%s: the document inside was not handed on: %+v", syntax, got.Members)
		}
	}
}

// TestBurnedIn looks at the samples that are known to show writing, and at
// some that show none.
func TestBurnedIn(t *testing.T) {
	shows := map[string]bool{
		"2_ORIGINAL.dcm": true, "GREYSCALE_IMAGE.dcm": true, "RGB_IMAGE.dcm": true, "OBXXXX1A.dcm": true, "OBXXXX1A_rle.dcm": true,
		"JPGLosslessP14SV1_1s_1f_8b.dcm": true, "US1_UNCI.dcm": true, "gdcm-US-ALOKA-16.dcm": true,
		"693_UNCI.dcm": false, "JPEG-LL.dcm": false, "JPEG2000_UNC.dcm": false, "ctbrain1.dcm": false, "emri_small.dcm": false,
		"image1.dcm": false, "image4.dcm": false, "SC_rgb_16bit.dcm": false, "color-pl.dcm": false, "bad_sequence.dcm": false,
	}
	for _, path := range samples(t) {
		in, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := classifytest.Read(New(), filepath.Base(path), in)
		if got.Err != nil {
			t.Errorf("%s: %v", filepath.Base(path), got.Err)
		}
		found := false
		for _, p := range got.Parts {
			found = found || p.Kind == classify.BurnedIn && strings.HasPrefix(p.Path, "(7FE0")
		}
		if want, known := shows[filepath.Base(path)]; known && found != want {
			t.Errorf("%s: writing found: %t, want %t", filepath.Base(path), found, want)
		}
	}
}

// TestHostile cuts and changes good files.
func TestHostile(t *testing.T) {
	for _, syntax := range []string{dicom.ExplicitLE, dicom.ImplicitLE, dicom.DeflatedLE} {
		classifytest.Hostile(t, New(), "x.dcm", report(t, syntax))
	}
}

func FuzzReader(f *testing.F) {
	classifytest.Fuzz(f, New(), "x.dcm", report(f, dicom.ExplicitLE), report(f, dicom.ImplicitLE), report(f, dicom.DeflatedLE))
}
