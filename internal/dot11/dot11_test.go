package dot11

import (
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const deauth = "c0000000ffffffffffff020000000101020000000101f0120700"

func TestRadiotap(t *testing.T) {
	for _, x := range []struct {
		name, header string
		trailer      int
		want         Radio
		err          error
	}{
		{"empty", "0000080000000000", 0, Radio{}, nil},
		// TSFT (8), flags (1), rate (1), channel (2+2), signal (1)
		{"TSFT flags rate channel signal", "00001700" + "2f000000" + "0100000000000000" + "00" + "02" + "6c09a000" + "d6", 0, Radio{TSF: 1, Rate: 2, Frequency: 2412, Signal: -42}, nil},
		// flags, then channel aligned to 2
		{"alignment", "00000f00" + "2a000000" + "00" + "00" + "6c09a000" + "d6", 0, Radio{Frequency: 2412, Signal: -42}, nil},
		{"checksum at the end", "00000900" + "02000000" + "10", 4, Radio{}, nil},
		{"bad checksum", "00000900" + "02000000" + "50", 4, Radio{}, ErrDamaged},
		// two words, the second about an antenna: its signal does not count
		{"two present words", "00000e00" + "200000a0" + "20000000" + "d6" + "c0", 0, Radio{Signal: -42}, nil},
		// a vendor's namespace of three bytes between
		{"vendor namespace", "00001b00" + "000000c0" + "010000a0" + "20000000" + "0017f2000300" + "aabbcc" + "00" + "d6", 0, Radio{}, nil},
		{"words without end", "00000c00" + "00000080" + "00000080", 0, Radio{}, ErrShort},
		{"longer than the frame", "0000ff00" + "00000000", 0, Radio{}, ErrShort},
		{"a field not known", "00000900" + "02000010" + "00", 0, Radio{}, nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := append(unhex(t, x.header), unhex(t, deauth)...)
			b = append(b, make([]byte, x.trailer)...)
			r, body, err := Strip(LinkRadiotap, b)
			if !errors.Is(err, x.err) || r != x.want {
				t.Fatalf("%+v %v", r, err)
			}
			if err == nil && len(body) != len(deauth)/2 {
				t.Errorf("%d bytes", len(body))
			}
		})
	}
}

func TestDeauth(t *testing.T) {
	var f Frame
	if err := Parse(unhex(t, deauth), &f); err != nil {
		t.Fatal(err)
	}
	if f.Type != Deauth || f.Reason != 7 || f.Seq != 0x12f || f.BSSID() != (MAC{2, 0, 0, 0, 1, 1}) || f.A1[0] != 0xff {
		t.Errorf("%+v", f)
	}
}

func TestSecurity(t *testing.T) {
	const (
		rsn2  = "3014" + "0100" + "000fac04" + "0100000fac04" + "0100000fac02" + "0000"
		rsn3  = "3014" + "0100" + "000fac04" + "0100000fac04" + "0100000fac08" + "c000"
		mixed = "3018" + "0100" + "000fac02" + "0200000fac04000fac02" + "0100000fac02" + "0000"
		wpa   = "dd16" + "0050f201" + "0100" + "0050f202" + "01000050f202" + "01000050f202"
		owe   = "3014" + "0100" + "000fac04" + "0100000fac04" + "0100000fac12" + "c000"
	)
	for _, x := range []struct {
		elements string
		privacy  bool
		want     Security
		pmf      bool
	}{
		{"", false, Open, false}, {"", true, GradeWEP, false}, {rsn2, true, GradeWPA2, false}, {rsn3, true, GradeWPA3, true},
		{mixed, true, GradeWPA, false}, {wpa, true, GradeWPA, false}, {owe, true, GradeOWE, true}, {"30020100", true, GradeWPA2, false},
	} {
		var e Elements
		ReadElements(unhex(t, "0004484f5350"+x.elements), &e)
		if e.SSID != "HOSP" || e.Grade(x.privacy) != x.want || e.PMFRequired != x.pmf || e.Cut {
			t.Errorf("%s: %s %+v", x.elements, e.Grade(x.privacy), e)
		}
	}
	var e Elements
	ReadElements(unhex(t, "000400000000"+"dd040017f201"), &e)
	if !e.Hidden || e.SSID != "" || !e.Apple || e.NVendor != 1 {
		t.Errorf("%+v", e)
	}
}

func TestChannel(t *testing.T) {
	for mhz, want := range map[uint16]int{2412: 1, 2472: 13, 2484: 14, 5180: 36, 5825: 165, 5955: 1, 900: 0} {
		if got := Channel(mhz); got != want {
			t.Errorf("%d: %d", mhz, got)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(LinkRadiotap, unhex(f, "0000080000000000"+deauth))
	f.Add(LinkRadiotap, unhex(f, "00001b00"+"000000c0"+"010000a0"+"20000000"+"0017f2000300"+"aabbcc"+"00"+"d6"+deauth))
	f.Add(LinkPPI, unhex(f, "0000080069000000"+deauth))
	f.Add(LinkPrism, unhex(f, "8021100100000040"+deauth))
	f.Add(LinkBare, unhex(f, "80000000ffffffffffff0200000001010200000001010000"+"0101010101010101"+"64001100"+"0004484f5350"+"30140100000fac040100000fac040100000fac020000"))
	f.Fuzz(func(t *testing.T, link int, b []byte) {
		_, body, err := Strip(link, b)
		if err != nil {
			return
		}
		var fr Frame
		var e Elements
		if Parse(body, &fr) == nil {
			ReadElements(fr.Elements, &e)
			_ = e.Grade(true).String()
			_, _ = fr.BSSID(), fr.Station()
		}
	})
}
