package wireless

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/dot11"
	"github.com/cordon-health/cordon/internal/pcap"
)

// heard collects what a watch says.
type heard struct {
	alarms []asset.Alarm
	seen   []asset.Observation
}

func (h *heard) Alarm(a asset.Alarm)      { h.alarms = append(h.alarms, a) }
func (h *heard) Seen(o asset.Observation) { h.seen = append(h.seen, o) }

func (h *heard) kinds() (list []asset.AlarmKind) {
	for _, a := range h.alarms {
		if !slices.Contains(list, a.Kind) {
			list = append(list, a.Kind)
		}
	}
	slices.Sort(list)
	return list
}

const (
	wpa2 = "\x30\x14\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x02\x00\x00"
	wpa3 = "\x30\x14\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x08\xc0\x00"
	tkip = "\x30\x14\x01\x00\x00\x0f\xac\x02\x01\x00\x00\x0f\xac\x02\x01\x00\x00\x0f\xac\x02\x00\x00"
	ours = "\xdd\x07\x00\x0b\x86\x01\x04\x08\x09" // a maker's own element
)

func ap(n byte) mac  { return mac{0, 0x0b, 0x86, 0, 0, n} }
func foe(n byte) mac { return mac{2, 0x66, 0x66, 0, 0, n} }
func sta(n byte) mac { return mac{2, 0xaa, 0, 0, 0, n} }

func everybody() mac { return mac{255, 255, 255, 255, 255, 255} }

// air builds frames and feeds them.
type air struct {
	w   *Watch
	out *heard
	at  int64
	seq map[mac]uint16
}

func newAir(cfg Config) *air {
	h := &heard{}
	return &air{w: NewWatch(cfg, h), out: h, at: 1.7e18, seq: map[mac]uint16{}}
}

func (a *air) wait(ms int64) { a.at += ms * 1e6 }

func header(kind byte, flags byte, to, from, bssid mac, seq uint16) []byte {
	b := append([]byte{0, 0, 8, 0, 0, 0, 0, 0}, kind, flags, 0, 0)
	b = append(append(append(b, to[:]...), from[:]...), bssid[:]...)
	return binary.LittleEndian.AppendUint16(b, seq<<4)
}

func (a *air) next(m mac) uint16 {
	a.seq[m] = (a.seq[m] + 1) & 0xfff
	return a.seq[m]
}

func beaconFrame(kind byte, to, bssid mac, ssid string, channel byte, rest string, tsf uint64, seq uint16) []byte {
	b := header(kind, 0, to, bssid, bssid, seq)
	b = binary.LittleEndian.AppendUint64(b, tsf)
	caps := byte(0x01)
	if rest != "" && (rest[0] == 0x30 || rest[0] == 'w') {
		caps |= 0x10
	}
	rest = strings.TrimPrefix(rest, "w") // privacy without RSN: WEP
	b = append(b, 100, 0, caps, 0)
	b = append(append(b, 0, byte(len(ssid))), ssid...)
	return append(append(b, 1, 4, 0x82, 0x84, 0x8b, 0x96, 3, 1, channel), rest...)
}

// beacon sends one and lets 102 ms pass.
func (a *air) beacon(bssid mac, ssid string, channel byte, rest string) {
	a.tsf(bssid, ssid, channel, rest, uint64(a.at/1000)-uint64(bssid[5])*1e9)
}

func (a *air) tsf(bssid mac, ssid string, channel byte, rest string, tsf uint64) {
	a.w.Frame(dot11.LinkRadiotap, a.at, 0, beaconFrame(0x80, everybody(), bssid, ssid, channel, rest, tsf, a.next(bssid)))
	a.wait(102)
}

func (a *air) part(kind byte, to, from, bssid mac, flags byte, seq uint16) {
	a.w.Frame(dot11.LinkRadiotap, a.at, 0, append(header(kind, flags, to, from, bssid, seq), 7, 0))
	a.wait(5)
}

func known() Config {
	return Config{Networks: []Network{{SSID: "HOSP-STAFF", BSSIDs: []string{asset.MACText(ap(1)), asset.MACText(ap(2))}, Security: "wpa2", Vendors: []string{"00:0b:86"}}}}
}

// calm is what is always there: two access points of ours.
func (a *air) calm(times int) {
	for range times {
		a.beacon(ap(1), "HOSP-STAFF", 1, wpa2+ours)
		a.beacon(ap(2), "HOSP-STAFF", 6, wpa2+ours)
	}
}

func TestAttacks(t *testing.T) {
	wired := known()
	wired.Wired = []string{"00:1a:2b:00:00:10"}
	for _, x := range []struct {
		name string
		cfg  Config
		do   func(*air)
		want []asset.AlarmKind
	}{
		{"an access point of our make, not listed", known(), func(a *air) { a.beacon(ap(9), "HOSP-STAFF", 11, wpa2+ours) }, []asset.AlarmKind{asset.RogueAP}},
		{"one on our cable, under another name", wired, func(a *air) { a.beacon(mac{2, 0x1a, 0x2b, 0, 0, 0x11}, "linksys", 11, wpa2) }, []asset.AlarmKind{asset.RogueAP}},
		{"a twin of another make", known(), func(a *air) { a.beacon(foe(1), "HOSP-STAFF", 11, wpa2) }, []asset.AlarmKind{asset.EvilTwin}},
		{"an open twin", known(), func(a *air) { a.beacon(foe(1), "HOSP-STAFF", 1, "") }, []asset.AlarmKind{asset.EvilTwin, asset.OpenNetwork}},
		{"a twin that copies the BSSID, on another channel", known(), func(a *air) {
			for range 3 {
				a.beacon(ap(1), "HOSP-STAFF", 11, wpa2+ours)
				a.beacon(ap(1), "HOSP-STAFF", 1, wpa2+ours)
			}
		}, []asset.AlarmKind{asset.EvilTwin}},
		{"a twin that copies BSSID and channel, but not the clock", known(), func(a *air) {
			for range 4 {
				a.tsf(ap(1), "HOSP-STAFF", 1, wpa2+ours, uint64(a.at/1000)%1e6)
				a.beacon(ap(1), "HOSP-STAFF", 1, wpa2+ours)
			}
		}, []asset.AlarmKind{asset.EvilTwin}},
		{"our access point, suddenly open", known(), func(a *air) { a.beacon(ap(1), "HOSP-STAFF", 1, "") }, []asset.AlarmKind{asset.OpenNetwork}},
		{"WEP", known(), func(a *air) { a.beacon(ap(1), "HOSP-STAFF", 1, "w"+ours) }, []asset.AlarmKind{asset.OpenNetwork}},
		{"TKIP", known(), func(a *air) { a.beacon(ap(1), "HOSP-STAFF", 1, tkip+ours) }, []asset.AlarmKind{asset.OpenNetwork}},
		{"nothing configured: a protected network's name without protection", Config{}, func(a *air) { a.beacon(foe(1), "HOSP-STAFF", 1, "") }, []asset.AlarmKind{asset.EvilTwin, asset.OpenNetwork}},
		{"parted one by one, for everybody", known(), func(a *air) {
			for i := range 12 {
				a.part(0xc0, everybody(), ap(1), ap(1), 0, uint16(i))
			}
		}, []asset.AlarmKind{asset.DeauthFlood}},
		{"parted both ways", known(), func(a *air) {
			for range 8 {
				a.part(0xa0, sta(1), ap(1), ap(1), 0, a.next(ap(1)))
				a.part(0xa0, ap(1), sta(1), ap(1), 0, a.next(sta(1)))
			}
		}, []asset.AlarmKind{asset.DeauthFlood}},
		{"forged numbers", known(), func(a *air) {
			for i := range 6 {
				a.part(0xc0, sta(1), ap(1), ap(1), 0, 2000+uint16(i))
			}
		}, []asset.AlarmKind{asset.DeauthFlood}},
		{"it answers to any name", known(), func(a *air) {
			for i := range 5 {
				a.w.Frame(dot11.LinkRadiotap, a.at, 0, beaconFrame(0x50, sta(1), foe(7), fmt.Sprintf("cafe-%d", i), 1, "", uint64(a.at/1000), a.next(foe(7))))
				a.wait(50)
			}
		}, []asset.AlarmKind{asset.Karma}},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := newAir(x.cfg)
			a.calm(5)
			if len(a.out.alarms) != 0 {
				t.Fatalf("before: %+v", a.out.alarms)
			}
			from := a.at
			x.do(a)
			if got := a.out.kinds(); !slices.Equal(got, x.want) {
				t.Errorf("%v\n%+v", got, a.out.alarms)
			}
			for _, al := range a.out.alarms {
				if al.At-from > 1e9 || len(al.Args) < 2 || al.Count == 0 || al.Culprit.MAC == (mac{}) {
					t.Errorf("late or incomplete: %+v", al)
				}
			}
		})
	}
}

func TestNoAlarm(t *testing.T) {
	learn := Config{Networks: []Network{{SSID: "HOSP-STAFF"}}}
	for _, x := range []struct {
		name string
		cfg  Config
		do   func(*air)
	}{
		{"our networks, for a minute", known(), func(a *air) { a.calm(300) }},
		{"learnt", learn, func(a *air) { a.calm(300) }},
		{"neighbours, open and closed, with one name", known(), func(a *air) {
			for i := range 20 {
				a.beacon(foe(byte(i)), "cafe", byte(1+i%11), []string{"", wpa2}[i%2])
			}
		}},
		{"a network with WPA3 on one band and WPA2 on the other", learn, func(a *air) {
			for range 20 {
				a.beacon(ap(3), "HOSP-STAFF", 36, wpa3+ours)
				a.calm(1)
			}
		}},
		{"three normal deauthentications, repeated unacknowledged", known(), func(a *air) {
			for i := range 3 {
				seq := a.next(ap(1))
				for r := range 8 {
					a.part(0xc0, sta(byte(i)), ap(1), ap(1), 8*byte(min(r, 1)), seq)
				}
			}
		}},
		{"an access point restarts and says goodbye to forty stations", known(), func(a *air) {
			for i := range 40 {
				a.part(0xc0, sta(byte(i)), ap(1), ap(1), 0, a.next(ap(1)))
			}
			a.wait(20000)
			for i := range 20 {
				a.tsf(ap(1), "HOSP-STAFF", 1, wpa2+ours, uint64(i)*102000)
			}
		}},
		{"it changes its channel", known(), func(a *air) {
			for range 10 {
				a.beacon(ap(1), "HOSP-STAFF", 11, wpa2+ours)
			}
		}},
		{"a clock that stands still", known(), func(a *air) {
			for range 30 {
				a.tsf(ap(1), "HOSP-STAFF", 1, wpa2+ours, 0x0101010101010101)
			}
		}},
		{"one of four networks of one box", known(), func(a *air) {
			for i := range 4 {
				a.beacon(foe(byte(0x10+i)), fmt.Sprintf("box-%d", i), 1, wpa2)
			}
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := newAir(x.cfg)
			a.calm(3)
			x.do(a)
			a.w.Tick(a.at + 100e9)
			for _, al := range a.out.alarms {
				t.Errorf("%+v", al)
			}
		})
	}
}

func TestDevices(t *testing.T) {
	a := newAir(known())
	a.calm(20)
	for _, s := range []mac{sta(1), sta(1)} {
		a.w.Frame(dot11.LinkRadiotap, a.at, 0, append(header(0x88, 1, ap(1), s, sta(9), 1), make([]byte, 20)...))
	}
	a.w.Frame(dot11.LinkRadiotap, a.at, 0, append(header(0x08, 1, foe(1), sta(3), sta(9), 1), make([]byte, 20)...))
	if len(a.out.seen) != 3 {
		t.Fatalf("%+v", a.out.seen)
	}
	if o := a.out.seen[2]; o.MAC != sta(1) || o.Facts[1].Value != asset.MACText(ap(1)) {
		t.Errorf("%+v", o)
	}
}

// captures unpacks the public captures that are there, or skips.
func captures(t *testing.T) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	archive := filepath.Join(dir, "../shared/data/pcap/captures.tar.zst")
	if _, err := os.Stat(archive); err != nil {
		t.Skip("the public captures are not here: ../shared/data/pcap/captures.tar.zst")
	}
	to := t.TempDir()
	if out, err := exec.Command("tar", "-xf", archive, "-C", to).CombinedOutput(); err != nil {
		t.Skipf("tar does not unpack zstd here: %s", out)
	}
	var names []string
	_ = filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	return names
}

// TestCaptures: no public capture, of whatever link type, makes the reader
// fail, those of 802.11 are read, and clean ones stay silent.
func TestCaptures(t *testing.T) {
	files, parted := 0, 0
	for _, name := range captures(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcap.Bytes(data)
		if err != nil {
			continue
		}
		h := &heard{}
		w := NewWatch(Config{}, h)
		var p pcap.Packet
		wifi := false
		for r.Next(&p) {
			wifi = wifi || p.Link == dot11.LinkRadiotap || p.Link == dot11.LinkBare
			for _, link := range []int{p.Link, dot11.LinkRadiotap, dot11.LinkPPI} { // whatever it is, also as what it is not
				if link == p.Link || len(p.Data) < 2048 {
					NewWatch(Config{}, &heard{}).Frame(link, p.At, p.Size, p.Data)
				}
			}
			w.Frame(p.Link, p.At, p.Size, p.Data)
		}
		if !wifi {
			continue
		}
		files++
		if strings.Contains(name, "reason_code") && w.Stats().Deauths+w.Stats().Bad+w.Stats().Damaged > 0 {
			parted += int(w.Stats().Deauths)
		}
		for _, a := range h.alarms {
			t.Errorf("%s: %+v", filepath.Base(name), a)
		}
	}
	t.Logf("%d captures of 802.11, %d deauthentications with reason codes", files, parted)
	if files < 30 || parted < 10 {
		t.Errorf("%d captures of 802.11, %d deauthentications with reason codes", files, parted)
	}
}

// TestAnyFrames: memory stays bounded whatever comes.
func TestAnyFrames(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a := newAir(known())
	for range 60000 {
		m := mac{0, 1, byte(r.IntN(200)), byte(r.IntN(250)), 3, byte(r.IntN(250))}
		switch r.IntN(3) {
		case 0:
			a.beacon(m, fmt.Sprint("n", r.IntN(100)), byte(r.IntN(14)), wpa2)
		case 1:
			a.part(0xc0, m, ap(1), ap(1), 0, uint16(r.IntN(4096)))
		default:
			b := make([]byte, r.IntN(200))
			for i := range b {
				b[i] = byte(r.IntN(256))
			}
			a.w.Frame(dot11.LinkRadiotap, a.at, 0, append([]byte{0, 0, 8, 0, 0, 0, 0, 0}, b...))
		}
	}
	if a.w.points.len() > mostPoints || a.w.rates.len() > mostStations || a.w.said.len() > mostSaid {
		t.Error("memory grows")
	}
}

func FuzzWatch(f *testing.F) {
	f.Add(dot11.LinkRadiotap, beaconFrame(0x80, everybody(), ap(1), "HOSP-STAFF", 1, wpa2, 1, 1))
	f.Add(dot11.LinkRadiotap, append(header(0xc0, 0, everybody(), ap(1), ap(1), 3), 7, 0))
	w := NewWatch(known(), &heard{})
	at := int64(1.7e18)
	f.Fuzz(func(t *testing.T, link int, b []byte) {
		at += 1e6
		w.Frame(link, at, len(b), b)
	})
}

func BenchmarkFrame(b *testing.B) {
	w := NewWatch(known(), &heard{})
	f := beaconFrame(0x80, everybody(), ap(1), "HOSP-STAFF", 1, wpa2+ours, 1, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Frame(dot11.LinkRadiotap, 1.7e18+int64(i)*1e6, 0, f)
	}
}

// TestCodes: the reason and status codes of tcpdump's own test captures are
// read as their names say.
func TestCodes(t *testing.T) {
	right := 0
	for _, name := range captures(t) {
		var code int
		base := filepath.Base(name)
		_, of, ok := strings.Cut(strings.TrimSuffix(base, ".pcap"), "_code-")
		if _, err := fmt.Sscan(of, &code); !ok || err != nil {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := pcap.Bytes(data)
		if err != nil {
			t.Fatal(err)
		}
		var p pcap.Packet
		for r.Next(&p) {
			_, body, err := dot11.Strip(p.Link, p.Data)
			var f dot11.Frame
			if err == nil {
				err = dot11.Parse(body, &f)
			}
			got := f.Reason
			if strings.Contains(base, "status") {
				got = f.Status
			}
			if err != nil || int(got) != code {
				t.Errorf("%s: %+v %v", base, f, err)
				continue
			}
			right++
		}
	}
	if right < 30 {
		t.Errorf("%d captures read right", right)
	}
}
