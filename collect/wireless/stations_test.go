package wireless

import (
	"testing"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/dot11"
)

// A station of a network for guests is told as one, of another it is not.
func TestGuestsAreToldAsGuests(t *testing.T) {
	for _, guest := range []bool{true, false} {
		a := newAir(Config{Networks: []Network{{SSID: "OPEN", Guest: guest}}})
		ap, sta := mac{0, 0x0b, 0x86, 0, 0, 1}, mac{2, 0, 0, 0, 0, 0x31}
		a.beacon(ap, "OPEN", 6, "")
		a.w.Frame(dot11.LinkRadiotap, a.at, 0, header(0x08, 1, ap, sta, everybody(), a.next(sta)))
		told := ""
		for _, o := range a.out.seen {
			for _, f := range o.Facts {
				if o.MAC == sta && f.Name == asset.FactGuest {
					told = f.Value
				}
			}
		}
		if guest != (told == "OPEN") {
			t.Errorf("guest %v is told as %q", guest, told)
		}
	}
}
