package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
)

const note = "姓名：张三丰 身份证号110105194912310021\n"

func readerOf(t *testing.T, name string, data []byte) classify.Reader {
	t.Helper()
	for _, r := range Readers() {
		if r.Claims(name, data[:min(len(data), 4096)]) {
			return r
		}
	}
	t.Fatalf("no reader claims %s", name)
	return nil
}

func members(t *testing.T, name string, data []byte) map[string]string {
	t.Helper()
	rec := classifytest.Read(readerOf(t, name, data), name, data)
	if rec.Err != nil || len(rec.Gaps) > 0 {
		t.Errorf("%s: %v, gaps %v", name, rec.Err, rec.Gaps)
	}
	all := map[string]string{}
	for _, m := range rec.Members {
		if m.Err != nil {
			t.Errorf("%s: %s: %v", name, m.Name, m.Err)
		}
		all[m.Name] = string(m.Data)
	}
	return all
}

func makeZip(t testing.TB, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*zip.FileHeader{{Name: gbk, NonUTF8: true, Method: zip.Deflate}, {Name: "b/plain.txt", Method: zip.Deflate}} {
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, note); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func makeTar(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "notes/一.txt", Size: int64(len(note)), Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, note); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t testing.TB, how string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch how {
	case "gz":
		w = gzip.NewWriter(&b)
	case "xz":
		w, err = xz.NewWriter(&b)
	case "zst":
		w, err = zstd.NewWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZipNamesAreRead(t *testing.T) {
	got := members(t, "a.zip", makeZip(t, "病历.txt"))
	if got["病历.txt"] != note || got["b/plain.txt"] != note {
		t.Errorf("members %q", got)
	}
}

func TestTruncatedZipIsReadFromItsBeginning(t *testing.T) {
	data := makeZip(t, "病历.txt")
	cut := data[:bytes.Index(data, []byte("PK\x01\x02"))]
	rec := classifytest.Read(zipReader{}, "a.zip", cut)
	if len(rec.Gaps) != 1 || len(rec.Members) != 2 || string(rec.Members[1].Data) != note {
		t.Errorf("gaps %v, members %v", rec.Gaps, rec.Members)
	}
}

func TestPackedFiles(t *testing.T) {
	for _, how := range []string{"gz", "xz", "zst", "lz4"} {
		if got := members(t, "note.txt."+how, pack(t, how, []byte(note))); got["note.txt"] != note {
			t.Errorf("%s: %q", how, got)
		}
		if got := members(t, "all.tar."+how, pack(t, how, makeTar(t))); got["notes/一.txt"] != note {
			t.Errorf("tar.%s: %q", how, got)
		}
	}
	if got := members(t, "a.tar", makeTar(t)); got["notes/一.txt"] != note {
		t.Errorf("tar: %q", got)
	}
}

// rar4 writes an archive of version 4 with one stored file.
func rar4(name, content string, flags uint16) []byte {
	le := binary.LittleEndian
	block := func(kind byte, flags uint16, rest []byte) []byte {
		h := []byte{0, 0, kind}
		h = le.AppendUint16(h, flags)
		h = le.AppendUint16(h, uint16(7+len(rest)))
		h = append(h, rest...)
		le.PutUint16(h, uint16(crc32.ChecksumIEEE(h[2:])))
		return h
	}
	out := []byte("Rar!\x1a\x07\x00")
	out = append(out, block(0x73, 0, make([]byte, 6))...)
	file := le.AppendUint32(nil, uint32(len(content)))
	file = le.AppendUint32(file, uint32(len(content)))
	file = append(file, 3)
	file = le.AppendUint32(file, crc32.ChecksumIEEE([]byte(content)))
	file = le.AppendUint32(file, 0x5a000000)
	file = append(file, 20, 0x30)
	file = le.AppendUint16(file, uint16(len(name)))
	file = le.AppendUint32(file, 0o100644)
	file = append(file, name...)
	out = append(out, block(0x74, 0x8000|flags, file)...)
	out = append(out, content...)
	return append(out, block(0x7b, 0x4000, nil)...)
}

// rar5 writes an archive of version 5 with one stored file.
func rar5(name, content string) []byte {
	varint := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	block := func(body []byte) []byte {
		sized := append(varint(len(body)), body...)
		return append(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(sized)), sized...)
	}
	out := []byte("Rar!\x1a\x07\x01\x00")
	out = append(out, block([]byte{1, 0, 0})...)
	file := append([]byte{2, 2}, varint(len(content))...) // type, flags: data follows
	file = append(file, 4)                                // file flags: CRC32
	file = append(file, varint(len(content))...)
	file = append(file, varint(0o100644)...)
	file = binary.LittleEndian.AppendUint32(file, crc32.ChecksumIEEE([]byte(content)))
	file = append(file, 0, 1) // stored, unix
	file = append(file, varint(len(name))...)
	file = append(file, name...)
	out = append(out, block(file)...)
	out = append(out, content...)
	return append(out, block([]byte{5, 0, 0})...)
}

func TestRar(t *testing.T) {
	if got := members(t, "a.rar", rar4("note.txt", note, 0)); got["note.txt"] != note {
		t.Errorf("version 4: %q", got)
	}
	if got := members(t, "a.rar", rar5("病历.txt", note)); got["病历.txt"] != note {
		t.Errorf("version 5: %q", got)
	}
	rec := classifytest.Read(rarReader{}, "a.rar", rar4("secret.txt", note, 4))
	if len(rec.Gaps) != 1 && !errors.Is(rec.Err, classify.Encrypted) {
		t.Errorf("encrypted: %v %v", rec.Gaps, rec.Err)
	}
}

// tool7z runs 7z in a folder that holds a note.
func tool7z(t *testing.T, args ...string) []byte {
	t.Helper()
	tool, err := exec.LookPath("7z")
	if err != nil {
		t.Skip("needs 7z: apt-get install p7zip-full")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "病历.txt"), []byte(strings.Repeat(note, 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, append(append([]string{"a", "-bd", "-y"}, args...), "病历.txt")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("7z: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, args[0]))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestArchivesOf7z(t *testing.T) {
	for _, args := range [][]string{
		{"a.7z"}, {"a.7z", "-m0=lzma"}, {"a.7z", "-m0=ppmd"}, {"a.7z", "-m0=bzip2"}, {"a.7z", "-mhc=off"},
		{"a.zip"}, {"a.zip", "-mm=bzip2"}, {"a.tar"},
	} {
		if got := members(t, args[0], tool7z(t, args...)); got["病历.txt"] != strings.Repeat(note, 50) {
			t.Errorf("%v: %d members", args, len(got))
		}
	}
}

func TestVolumesOf7z(t *testing.T) {
	if _, err := exec.LookPath("7z"); err != nil {
		t.Skip("there is no 7z here: apt-get install p7zip-full")
	}
	dir := t.TempDir()
	noise := make([]byte, 40_000)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	if err := os.WriteFile(filepath.Join(dir, "noise"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("7z", "a", "-bd", "-y", "-v10k", "a.7z", "noise")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("7z: %v\n%s", err, out)
	}
	first, err := os.ReadFile(filepath.Join(dir, "a.7z.001"))
	if err != nil {
		t.Fatal(err)
	}
	rec := classifytest.Read(readerOf(t, "a.7z.001", first), "a.7z.001", first)
	var cause *classify.Cause
	if !errors.As(rec.Err, &cause) || !strings.Contains(cause.Text.EN, "another volume") {
		t.Errorf("the first volume: %v", rec.Err)
	}
	second, err := os.ReadFile(filepath.Join(dir, "a.7z.002"))
	if err != nil {
		t.Fatal(err)
	}
	if r := one("a.7z.002", second[:4096]); r != nil && r.Name() == "7z" {
		t.Error("a later volume is read as an archive of its own")
	}
}

func TestEncryptedIsSaid(t *testing.T) {
	for _, args := range [][]string{{"a.7z", "-psecret"}, {"a.7z", "-psecret", "-mhe=on"}, {"a.zip", "-psecret"}, {"a.zip", "-psecret", "-mem=AES256"}} {
		data := tool7z(t, args...)
		rec := classifytest.Read(readerOf(t, args[0], data), args[0], data)
		said := errors.Is(rec.Err, classify.Encrypted)
		for _, g := range rec.Gaps {
			said = said || errors.Is(g.Why, classify.Encrypted)
		}
		for _, m := range rec.Members {
			said = said || errors.Is(m.Err, classify.Encrypted)
		}
		if !said {
			t.Errorf("%v: err %v, gaps %v, members %v", args, rec.Err, rec.Gaps, rec.Members)
		}
	}
}

func TestHeaderThatAsksForMemory(t *testing.T) {
	// A header of a few bytes that speaks of four thousand million files.
	head := []byte{sevenHeader, sevenFiles, 0xf0, 0xff, 0xff, 0xff, 0xff}
	data := []byte("7z\xbc\xaf\x27\x1c\x00\x04")
	start := binary.LittleEndian.AppendUint64(nil, 0)
	start = binary.LittleEndian.AppendUint64(start, uint64(len(head)))
	start = binary.LittleEndian.AppendUint32(start, crc32.ChecksumIEEE(head))
	data = binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(start))
	data = append(append(data, start...), head...)
	if rec := classifytest.Read(sevenReader{}, "a.7z", data); !errors.Is(rec.Err, classify.Damaged) {
		t.Errorf("err %v", rec.Err)
	}
}

func TestHostile(t *testing.T) {
	good := map[string][]byte{"a.zip": makeZip(t, "a.txt"), "a.tar": makeTar(t), "a.rar": rar5("a", note), "b.rar": rar4("a", note, 0)}
	for _, how := range []string{"gz", "xz", "zst", "lz4"} {
		good["a."+how] = pack(t, how, makeTar(t))
	}
	for name, data := range good {
		classifytest.Hostile(t, readerOf(t, name, data), name, data)
	}
	if _, err := exec.LookPath("7z"); err == nil {
		classifytest.Hostile(t, sevenReader{}, "a.7z", tool7z(t, "a.7z"))
		classifytest.Hostile(t, sevenReader{}, "a.7z", tool7z(t, "a.7z", "-mhc=off"))
	}
}

func one(name string, head []byte) classify.Reader {
	for _, r := range Readers() {
		if r.Claims(name, head) {
			return r
		}
	}
	return nil
}

func FuzzArchive(f *testing.F) {
	f.Add(makeZip(f, "a.txt"))
	f.Add(makeTar(f))
	f.Add(rar4("a", note, 0))
	f.Add(rar5("a", note))
	for _, how := range []string{"gz", "xz", "zst", "lz4"} {
		f.Add(pack(f, how, []byte(note)))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		if r := one("a.tar", data[:min(len(data), 4096)]); r != nil {
			classifytest.Read(r, "a.tar", data)
		}
	})
}
