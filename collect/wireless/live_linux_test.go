package wireless_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/collect/wireless"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/ocsf"
)

// radio is a TAP whose frames are 802.11 with radiotap: what is written to it
// is heard on its interface.
type radio struct {
	t    *testing.T
	name string
	fd   int
	seq  uint16
}

// newRadio makes one; needs root and /dev/net/tun.
func newRadio(t *testing.T) *radio {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a TAP in radiotap mode needs root")
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no TAP here: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	r := &radio{t: t, name: fmt.Sprintf("cw%d", os.Getpid()%100000), fd: fd}
	req, err := unix.NewIfreq(r.name)
	if err != nil {
		t.Fatal(err)
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		t.Skipf("no TAP here: %v", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETLINK, 803); err != nil { // ARPHRD_IEEE80211_RADIOTAP
		t.Skipf("no radiotap on a TAP here: %v", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	req.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *radio) send(kind byte, to, bssid packet.MAC, body []byte) {
	r.t.Helper()
	r.seq = (r.seq + 1) & 0xfff
	b := append([]byte{0, 0, 8, 0, 0, 0, 0, 0}, kind, 0, 0, 0)
	b = append(append(append(b, to[:]...), bssid[:]...), bssid[:]...)
	b = append(binary.LittleEndian.AppendUint16(b, r.seq<<4), body...)
	if _, err := unix.Write(r.fd, b); err != nil {
		r.t.Fatal(err)
	}
}

const rsn = "\x30\x14\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x02\x00\x00"

func (r *radio) beacon(kind byte, bssid packet.MAC, ssid, rest string) {
	b := binary.LittleEndian.AppendUint64(nil, uint64(time.Now().UnixMicro()))
	b = append(b, 100, 0, 0x01, 0, 0, byte(len(ssid)))
	b = append(append(b, ssid...), 1, 2, 0x82, 0x84, 3, 1, 6)
	r.send(kind, packet.MAC{255, 255, 255, 255, 255, 255}, bssid, append(b, rest...))
}

// sink notes when what arrived.
type sink struct {
	t  *testing.T
	mu sync.Mutex
	at map[asset.AlarmKind]time.Time
	n  int
}

func (s *sink) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		var ev ocsf.Event
		if err := json.Unmarshal(it.Data, &ev); err != nil || it.Format != "sensor" {
			s.t.Errorf("%s: %v", it.Data, err)
		}
		s.n++
		if a, ok := asset.AlarmOf(&ev); ok && s.at[a.Kind].IsZero() {
			s.at[a.Kind] = time.Now()
		}
	}
	return make([]collect.Receipt, len(items)), nil
}

func (s *sink) when(k asset.AlarmKind) (time.Time, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at[k], len(s.at)
}

// TestLive: each attack is delivered within a second of its proof, over a real
// packet socket.
func TestLive(t *testing.T) {
	r := newRadio(t)
	ours, foe := packet.MAC{0, 0x0b, 0x86, 0, 0, 1}, packet.MAC{2, 0x66, 0, 0, 0, 1}
	c, err := wireless.New(wireless.Config{Interface: r.name, Networks: []wireless.Network{{SSID: "HOSP", BSSIDs: []string{asset.MACText(ours)}, Security: "wpa2", Vendors: []string{"00:0b:86"}}}},
		time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &sink{t: t, at: map[asset.AlarmKind]time.Time{}}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, s) }()
	time.Sleep(100 * time.Millisecond) // until the socket listens
	for range 5 {
		r.beacon(0x80, ours, "HOSP", rsn)
	}
	time.Sleep(100 * time.Millisecond)
	if _, n := s.when(""); n != 0 {
		t.Errorf("calm: %+v", s.at)
	}
	var late []time.Duration
	for _, x := range []struct {
		kind asset.AlarmKind
		do   func()
	}{
		{asset.RogueAP, func() { r.beacon(0x80, packet.MAC{0, 0x0b, 0x86, 0, 0, 9}, "HOSP", rsn) }},
		{asset.EvilTwin, func() { r.beacon(0x80, foe, "HOSP", rsn) }},
		{asset.OpenNetwork, func() { r.beacon(0x80, foe, "HOSP", "") }},
		{asset.DeauthFlood, func() {
			for range 16 {
				r.send(0xc0, packet.MAC{255, 255, 255, 255, 255, 255}, ours, []byte{7, 0})
			}
		}},
		{asset.Karma, func() {
			for i := range 5 {
				r.beacon(0x50, packet.MAC{2, 0x77, 0, 0, 0, 1}, fmt.Sprint("any-", i), "")
			}
		}},
	} {
		x.do()
		sent := time.Now()
		for at, _ := s.when(x.kind); at.IsZero(); at, _ = s.when(x.kind) {
			if time.Since(sent) > time.Second {
				t.Errorf("%s: not within a second", x.kind)
				break
			}
			time.Sleep(time.Millisecond)
		}
		at, _ := s.when(x.kind)
		late = append(late, at.Sub(sent))
	}
	t.Logf("from the last frame to the delivery: %v, at most %v", late, slices.Max(late))
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestNotWireless: an interface that is no monitor is refused with the way out.
func TestNotWireless(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a packet socket needs root")
	}
	if _, err := net.InterfaceByName("lo"); err != nil {
		t.Skip("no loopback")
	}
	c, err := wireless.New(wireless.Config{Interface: "lo"}, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), &sink{t: t}); err == nil {
		t.Error("loopback is no radio")
	}
}
