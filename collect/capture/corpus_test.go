package capture

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/packettest"
	"github.com/cordon-health/cordon/internal/pcap"
)

// corpusFiles reads the captures that are shared beside the repository.
func corpusFiles(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "pcap", "captures.tar.zst"))
	if err != nil {
		t.Skip("no sample data: ../shared/data/pcap/captures.tar.zst is missing")
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files := map[string][]byte{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(tr); err != nil {
			t.Fatal(err)
		} else if _, err := pcap.Bytes(b); err == nil {
			files[h.Name] = b
		}
	}
}

// everyDissector is all that exist.
func everyDissector() (all []any) {
	packets, streams := Dissectors(ClinicalOptions{Sensor: "test"})
	for _, p := range packets {
		all = append(all, p)
	}
	for _, s := range streams {
		all = append(all, s)
	}
	return all
}

// TestCorpus runs every shared capture, fuzzed ones too: no panic, no file that
// ends early, and every packet and byte of an IP packet in a conversation.
func TestCorpus(t *testing.T) {
	files := corpusFiles(t)
	packets, bad, told := int64(0), int64(0), 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &heard{}
		e := engineFor(t, h, Config{}, everyDissector()...)
		if err := e.Read(context.Background(), bytes.NewReader(files[name]), func() {}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		e.Flush()
		s := e.Stats()
		if s.Defects != 0 || s.Held != 0 || s.Reading != 0 || s.Connections != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		whole := corpusIP(t, files[name])
		if got := corpusCounted(h); got != whole {
			t.Errorf("%s: %d packets in conversations, %d with IP addresses", name, got, whole)
		}
		packets, bad, told = packets+s.Packets, bad+s.Bad, told+len(h.flows)
	}
	t.Logf("%d files, %d packets, %d bad, %d conversations", len(files), packets, bad, told)
}

// corpusIP counts the frames with IP addresses.
func corpusIP(t *testing.T, b []byte) (n int64) {
	r, err := pcap.Bytes(b)
	if err != nil {
		t.Fatal(err)
	}
	var f packet.Frame
	for p := (pcap.Packet{}); r.Next(&p); {
		packet.Decode(p.Link, p.At, p.Size, p.Data, &f)
		if f.From.IsValid() {
			n++
		}
	}
	return n
}

func corpusCounted(h *heard) (n int64) {
	for _, f := range h.flows {
		n += f.PacketsIn + f.PacketsOut
	}
	return n
}

// TestCorpusAgainstCapinfos counts what the reader reads with what Wireshark's
// reads, where that can read the file at all.
func TestCorpusAgainstCapinfos(t *testing.T) {
	tool, err := exec.LookPath("capinfos")
	if err != nil {
		t.Skip("capinfos (apt-get install tshark) is not here")
	}
	if testing.Short() {
		t.Skip("asks capinfos about every capture")
	}
	files := corpusFiles(t)
	dir := t.TempDir()
	var args []string
	for i, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, _ := exec.Command(tool, append([]string{"-T", "-M", "-c", "-r"}, args...)...).Output() // damaged files make it fail, after the others
	agreed := 0
	for line := range strings.Lines(string(out)) {
		path, count, ok := strings.Cut(strings.TrimSpace(line), "\t")
		want, err := strconv.ParseInt(count, 10, 64)
		if !ok || err != nil {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, bad := corpusRecords(b)
		switch {
		case got == want:
			agreed++
		case bad == 0 || got < want:
			t.Errorf("%s: %d records, capinfos reads %d", corpusName(files, b), got, want)
		}
	}
	if agreed < len(files)*9/10 {
		t.Errorf("agreed about %d of %d files only", agreed, len(files))
	}
}

func corpusName(files map[string][]byte, b []byte) string {
	for name, x := range files {
		if bytes.Equal(x, b) {
			return name
		}
	}
	return ""
}

func corpusRecords(b []byte) (n, bad int64) {
	r, err := pcap.Bytes(b)
	if err != nil {
		return 0, 0
	}
	for p := (pcap.Packet{}); r.Next(&p); n++ {
	}
	bad, _ = r.Bad()
	return n, bad
}

// FuzzEngine sends frames cut out of the input through an engine with every
// dissector: no panic of theirs or ours, and nothing kept at the end.
func FuzzEngine(f *testing.F) {
	pack := func(frames [][]byte) (b []byte) {
		for _, x := range frames {
			b = append(append(b, byte(len(x)>>8), byte(len(x))), x...)
		}
		return b
	}
	f.Add(pack(talk))
	long := packettest.Pieces(packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(5000, 53, make([]byte, 600))), 7, 200)
	f.Add(pack([][]byte{packettest.Ether(packettest.MAC(1), packettest.MAC(2), long[2]), packettest.Ether(packettest.MAC(1), packettest.MAC(2), long[0]), packettest.Ether(packettest.MAC(1), packettest.MAC(2), long[1], 7)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := &heard{}
		e := engineFor(t, h, Config{Connections: 8, Memory: 4 << 10}, append(everyDissector(), newUpper())...)
		at := begun
		for len(b) > 2 {
			n := min(int(b[0])<<8|int(b[1]), len(b)-2)
			at += int64(b[1]) * 1e6
			e.Frame(at, packet.LinkEthernet, n, b[2:2+n])
			b = b[2+n:]
		}
		e.Flush()
		if s := e.Stats(); s.Defects != 0 || s.Held != 0 || s.Reading != 0 || s.Connections != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// FuzzReassembly has a stream arrive in pieces that the input cuts, repeats and
// reorders: what is read is always a part of what was said, in order.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte{0, 4, 4, 4, 2, 8, 10, 3})
	f.Add([]byte{8, 8, 0, 8, 16, 8, 255, 1, 0, 0})
	text := "UP " + strings.Repeat("abcdefghijklmnopqrstuvwxyz0123456789", 10)
	f.Fuzz(func(t *testing.T, b []byte) {
		u := newUpper()
		frames := append([][]byte{}, talk[:3]...)
		for ; len(b) >= 2; b = b[2:] {
			from := min(int(b[0]), len(text))
			part := text[from:min(len(text), from+int(b[1]))]
			frames = append(frames, packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.1.0.5", "10.2.0.9", packettest.TCP(40000, 104, 1001+uint32(from), 9001, packet.ACK, []byte(part)))))
		}
		h := replay(t, frames, u)
		at := 0
		for _, s := range *u.said {
			if n, ok := strings.CutPrefix(s, "gap:true:"); ok {
				k, _ := strconv.Atoi(n)
				at += k
				continue
			}
			s = s[2:]
			if at == 0 && !strings.HasPrefix(text, s) { // began behind a gap
				at = strings.Index(text, s)
			}
			if at < 0 || !strings.HasPrefix(text[at:], s) {
				t.Fatalf("%q at %d", s, at)
			}
			at += len(s)
		}
		if h.stats.Held != 0 || h.stats.Defects != 0 {
			t.Errorf("%+v", h.stats)
		}
	})
}
