package deid

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/internal/pixels"
)

// invented is a file with a patient's data where they are found in practice:
// in their places, in descriptions, in reports, in private elements, in
// attributes that the table does not name.
type invented struct {
	data []byte
	// secret must not be in what is written; same must be.
	secret, same []string
	name, id     string
	charset      string
}

// inventions are the words files are made of.
func inventions() (latin, chinese []string) {
	return []string{"Brackenridge^Philippa", "Vandersloot^Marius", "Quillfeather^Odette", "Thistlewood^Ambrose", "Oyelaran^Temitope", "Lindqvist^Saga"},
		[]string{"欧阳^雪梅", "慕容^志远", "诸葛^明慧", "尉迟^建国", "令狐^晓燕"}
}

func invent(t *testing.T, rnd *rand.Rand, n int) invented {
	t.Helper()
	latin, chinese := inventions()
	charsets := []string{"ISO_IR 100", "ISO_IR 192", "GB18030", `\ISO 2022 IR 58`}
	syntaxes := []string{dicom.ExplicitLE, dicom.ImplicitLE, dicom.ExplicitBE, dicom.DeflatedLE}
	f := invented{charset: charsets[n%len(charsets)], name: latin[rnd.IntN(len(latin))], id: fmt.Sprintf("MR%07d", rnd.IntN(1e7))}
	cs := dicom.NewCharset(f.charset)
	full := f.name
	if n%len(charsets) > 0 {
		full += "=" + chinese[rnd.IntN(len(chinese))]
	}
	family, given, _ := strings.Cut(f.name, "^")
	phone := fmt.Sprintf("138%08d", rnd.IntN(1e8))
	date := fmt.Sprintf("20%02d%02d%02d", 10+rnd.IntN(9), 1+rnd.IntN(12), 1+rnd.IntN(28))
	uid := fmt.Sprintf("1.3.6.1.4.1.99999.%d.%d", n, rnd.IntN(1e9))
	f.secret = []string{family, given, f.id, phone, date, uid, strings.ToUpper(family)}
	f.same = []string{"1.2.840.10008.5.1.4.1.1.4", "ACME Medical", "0.5", "BrainLAB 7"}
	for _, part := range strings.Split(strings.TrimPrefix(full, f.name), "^") {
		if raw, ok := cs.Encode(strings.Trim(part, "=")); ok && len(raw) > 3 {
			f.secret = append(f.secret, string(raw))
		}
	}
	text := func(s string) []byte {
		raw, ok := cs.Encode(s)
		if !ok {
			t.Fatalf("%q cannot be written in %s", s, f.charset)
		}
		return raw
	}
	var out bytes.Buffer
	syntax := syntaxes[rnd.IntN(len(syntaxes))]
	w, err := dicom.NewWriter(&out, syntax, []dicom.Attribute{{Tag: dicom.MediaInstance, VR: dicom.UI, Value: []byte(uid)}, {Tag: dicom.TransferSyntax, VR: dicom.UI, Value: []byte(syntax)}})
	if err != nil {
		t.Fatal(err)
	}
	code := func(tag dicom.Tag, meaning string) error {
		return errors.Join(w.Sequence(tag, false), w.Item(), w.Value(0x00080100, dicom.SH, []byte("121106")), w.Value(0x00080102, dicom.SH, []byte("DCM")),
			w.Value(0x00080104, dicom.LO, text(meaning)), w.End(), w.End())
	}
	for _, err := range []error{
		w.Value(dicom.CharacterSet, dicom.CS, []byte(f.charset)),
		w.Value(tagSOPClass, dicom.UI, []byte(f.same[0])), w.Value(tagSOPInstance, dicom.UI, []byte(uid)),
		w.Value(0x00080020, dicom.DA, []byte(date)), w.Value(0x0008002A, dicom.DT, []byte(date+"101112.5+0800")),
		w.Value(tagAccession, dicom.SH, []byte("A"+f.id[2:])), w.Value(tagModality, dicom.CS, []byte("MR")),
		w.Value(0x00080070, dicom.LO, []byte("ACME Medical")), w.Value(0x00080090, dicom.PN, text(full)),
		w.Value(0x0008103E, dicom.LO, text("T1 sag for "+family)), w.Value(0x00081090, dicom.LO, []byte("BrainLAB 7")),
		w.Value(tagPatientName, dicom.PN, text(full)), w.Value(tagPatientID, dicom.LO, []byte(f.id)),
		w.Value(0x00100030, dicom.DA, []byte("19430102")), w.Value(0x00101000, dicom.LO, []byte(f.id+`\X`+f.id)),
		w.Value(0x00102154, dicom.SH, []byte(phone)), w.Value(0x00104000, dicom.LT, text("call "+given+" "+family+" at "+phone)),
		w.Value(0x00110010, dicom.LO, []byte("ACME 1")), w.Value(0x00111001, dicom.LO, text(full)),
		w.Value(0x00181023, dicom.LO, text("DIGITAL "+strings.ToUpper(family))), w.Value(0x00181030, dicom.LO, text("head "+f.id)),
		w.Value(0x0020000D, dicom.UI, []byte(uid+".1")), w.Value(0x00280030, dicom.DS, []byte(`0.5\0.5`)),
		code(0x00181001, "phantom of "+family),
		w.Sequence(0x00400260, false), w.Item(), w.Value(0x00080104, dicom.LO, text("seen by "+given)), w.Value(0x00081155, dicom.UI, []byte(uid)), w.End(), w.End(),
		w.Sequence(0x0040A730, false), w.Item(), w.Value(0x0040A010, dicom.CS, []byte("CONTAINS")), code(0x0040A043, "Comment"),
		w.Value(tagTextValue, dicom.UT, text("Patient "+family+", "+f.id+", lungs clear")), w.End(), w.End(),
		w.Value(0x60004000, dicom.LT, text(full)),
		w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f.data = out.Bytes()
	return f
}

// values are all values of a file as text, by path.
func values(t *testing.T, in []byte) map[string]string {
	t.Helper()
	r, err := dicom.NewReader(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == dicom.Value {
			b, err := r.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprint(e.Depth, e.Tag)] += string(trimmed(b)) + "\n"
		}
	}
}

// TestDICOMInvented de-identifies invented files under several choices of
// options: none of the patient's data is left anywhere, what is no data of a
// patient stays, and names, numbers and dates come out as everywhere else.
func TestDICOMInvented(t *testing.T) {
	job := dicomJob(t)
	rnd := rand.New(rand.NewPCG(11, 12))
	checked, missed := 0, 0
	for n := range 120 {
		f := invent(t, rnd, n)
		for _, set := range [][]string{nil, {cleanDescriptors, cleanStructured, cleanGraphics, retainModDates, retainDevice, retainPatient, retainSafePrivate}, {cleanDescriptors, cleanStructured}} {
			out, _, err := applyDICOM(t, job, f.data, set...)
			if err != nil {
				t.Fatal(err)
			}
			have := values(t, out)
			whole := strings.Builder{}
			for _, v := range have {
				whole.WriteString(v)
			}
			for _, secret := range f.secret {
				if checked++; strings.Contains(whole.String(), secret) || bytes.Contains(out, []byte(secret)) {
					missed++
					for path, v := range have {
						if strings.Contains(v, secret) {
							t.Errorf("file %d (%s) %v: a planted value is left in %s: %q", n, f.charset, set, path, v)
						}
					}
				}
			}
			for _, same := range f.same {
				if checked++; !strings.Contains(whole.String(), same) {
					missed++
					t.Errorf("file %d %v: %q was not kept", n, set, same)
				}
			}
			name, _, _ := strings.Cut(have["0 (0010,0010)"], "=")
			wantName := string(job.Key.Pseudonym(classify.Name, []byte(f.name)))
			wantID := string(job.Key.Pseudonym(classify.MRN, []byte(f.id)))
			if checked += 2; strings.TrimSpace(name) != wantName || have["0 (0010,0020)"] != wantID+"\n" {
				missed++
				t.Errorf("file %d: %q %q, want %q %q", n, name, have["0 (0010,0020)"], wantName, wantID)
			}
		}
	}
	t.Logf("%d checks, %d missed", checked, missed)
}

// TestDICOMDirectory refuses a DICOMDIR.
func TestDICOMDirectory(t *testing.T) {
	var out bytes.Buffer
	w, err := dicom.NewWriter(&out, dicom.ExplicitLE, []dicom.Attribute{{Tag: dicom.MediaClass, VR: dicom.UI, Value: []byte(dicomDirectory)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Value(0x00041130, dicom.CS, []byte("TEST")), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := applyDICOM(t, dicomJob(t), out.Bytes()); !errors.Is(err, ErrRefused) {
		t.Errorf("a DICOMDIR: %v", err)
	}
}

// TestDICOMDecoded compares what our decoders give with dcmtk's: the samples,
// and an image compressed anew with every predictor.
func TestDICOMDecoded(t *testing.T) {
	tools := map[string]string{}
	for _, tool := range []string{"dcmdjpeg", "dcmdrle", "dcmcjpeg", "dcmcrle"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			t.Skip("dcmtk is not installed: ", err)
		}
		tools[tool] = path
	}
	dir := t.TempDir()
	var files [][2]string // compressed, and the tool that decompresses it
	for _, name := range []string{"JPGLosslessP14SV1_1s_1f_8b.dcm", "JPEG-LL.dcm", "bad_sequence.dcm"} {
		files = append(files, [2]string{sharedDICOM(t, "dicom", name), "dcmdjpeg"})
	}
	for _, name := range []string{"OBXXXX1A_rle.dcm", "OBXXXX1A_rle_2frame.dcm"} {
		files = append(files, [2]string{sharedDICOM(t, "dicom", name), "dcmdrle"})
	}
	for _, name := range []string{"693_UNCI.dcm", "US1_UNCI.dcm", "emri_small.dcm"} {
		in := sharedDICOM(t, "dicom", name)
		packed := filepath.Join(dir, name+".rle")
		if err := exec.Command(tools["dcmcrle"], in, packed).Run(); err != nil {
			t.Fatal(err)
		}
		files = append(files, [2]string{packed, "dcmdrle"})
		for predictor := 1; predictor <= 7; predictor++ {
			packed := filepath.Join(dir, fmt.Sprint(name, predictor))
			if err := exec.Command(tools["dcmcjpeg"], "+el", "+sv", fmt.Sprint(predictor), "+cn", in, packed).Run(); err != nil {
				t.Fatal(err)
			}
			files = append(files, [2]string{packed, "dcmdjpeg"})
		}
	}
	for _, f := range files {
		native := filepath.Join(dir, "native")
		if err := exec.Command(tools[f[1]], f[0], native).Run(); err != nil {
			t.Fatal(err)
		}
		want, _ := framesOf(t, native)
		got, image := framesOf(t, f[0])
		if want, err := samplesOf(image, want, native, t); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes differ from dcmtk's %d: %v", filepath.Base(f[0]), len(got), len(want), err)
		}
	}
}

// samplesOf brings colours by plane to colours by pixel.
func samplesOf(image pixels.Image, in []byte, native string, t *testing.T) ([]byte, error) {
	t.Helper()
	_, other := framesOf(t, native)
	if !other.ByPlane || image.Samples != 3 {
		return in, nil
	}
	n := image.Rows * image.Columns * image.Bits / 8
	out := make([]byte, 0, len(in))
	for frame := 0; frame < len(in); frame += 3 * n {
		for i := range n {
			out = append(out, in[frame+i], in[frame+n+i], in[frame+2*n+i])
		}
	}
	return out, nil
}

// framesOf reads a file's frames as native pixels.
func framesOf(t *testing.T, path string) ([]byte, pixels.Image) {
	t.Helper()
	in, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var w dicomRewriter
	job := dicomJob(t)
	w.begin(t.Context(), &dicomProfile{}, job, &Report{})
	var all []byte
	if err := w.r.Reset(bytes.NewReader(in), int64(len(in))); err != nil {
		t.Fatal(err)
	}
	var image pixels.Image
	for {
		e, err := w.r.Next()
		if err != nil {
			t.Fatalf("%s: no pixels: %v", filepath.Base(path), err)
		}
		if e.Tag == dicom.PixelData && e.Depth == 0 {
			image.Encapsulated, image.Length, image.Syntax = e.Kind == dicom.PixelStart, e.Length, w.r.Syntax()
			break
		}
		if e.Depth == 0 && e.Kind == dicom.Value && e.Length < 1000 {
			b, err := w.r.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			image.Set(uint32(e.Tag), b, w.r.Order())
		}
	}
	w.frames.Start(&image, &w.r, w.r.NextFragment)
	for {
		frame, err := w.frames.Next(true)
		if errors.Is(err, io.EOF) {
			return all, image
		}
		if err != nil {
			t.Fatalf("%s: %v", filepath.Base(path), err)
		}
		all = append(all, frame...)
	}
}

func FuzzDICOM(f *testing.F) {
	t := new(testing.T)
	for n := range 4 {
		f.Add(invent(t, rand.New(rand.NewPCG(uint64(n), 1)), n).data, uint8(n))
	}
	job := dicomJob(f)
	sets := [][]string{nil, {cleanDescriptors, cleanStructured, cleanGraphics, retainModDates, retainSafePrivate}, {dropPixels, retainUIDs}, {cleanPixels}}
	f.Fuzz(func(t *testing.T, in []byte, set uint8) {
		out, _, err := applyDICOM(t, job, in, sets[int(set)%len(sets)]...)
		if err != nil {
			return
		}
		r, err := dicom.NewReader(bytes.NewReader(out), int64(len(out)))
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
