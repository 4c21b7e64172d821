package wireless

import (
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/dot11"
)

// station is a client of an access point.
type station struct {
	bssid  mac
	toldAt int64
}

// joined notes the stations of access points with our names. Passers-by are
// nobody's business.
func (w *Watch) joined(f *dot11.Frame) {
	sta, bssid := f.Station(), f.BSSID()
	if sta == (mac{}) || sta[0]&1 != 0 || bssid[0]&1 != 0 || f.FromDS {
		return
	}
	p := w.points.get(bssid)
	if p == nil || w.own[p.ssid] == nil || w.own[p.ssid].guessed {
		return
	}
	s, _ := w.stations.at(sta)
	if s.bssid == bssid && s.toldAt != 0 && w.now-s.toldAt < 60*minute {
		return
	}
	s.bssid, s.toldAt = bssid, w.now
	facts := []asset.Fact{{Name: asset.FactSSID, Value: p.ssid}, {Name: asset.FactJoined, Value: asset.MACText(bssid)}}
	if w.own[p.ssid].Guest {
		facts = append(facts, asset.Fact{Name: asset.FactGuest, Value: p.ssid})
	}
	w.seen(sta, facts...)
}

// rate counts frames that part a station from its access point.
type rate struct {
	from   int64
	count  int
	last   uint16
	lastAt int64
	forged int // whose number is far from the sender's last
}

const (
	// From manyOne such frames on within rateIn, between the same two, it is
	// no more what access points do: they say it once and repeat it a few
	// times where nobody acknowledges.
	manyOne = 10
	rateIn  = 2 * time.Second
	// From manyForged on where the numbers are somebody else's, or the
	// network requires protection.
	manyForged = 5
	// farSeq is how far the numbers of one sender go in the time between a
	// beacon and the next.
	farSeq = 400
)

// parted judges a deauthentication or disassociation.
func (w *Watch) parted(f *dot11.Frame) {
	if f.Protected {
		return // encrypted by who holds the key
	}
	bssid := f.A3
	k := pair{bssid, f.A1}
	if f.A1 == bssid {
		k.b = f.A2
	}
	r, _ := w.rates.at(k)
	if !within(w.now, r.from, rateIn) {
		*r = rate{from: w.now}
	}
	if f.Retry && f.Seq == r.last && within(w.now, r.lastAt, time.Second) {
		return // the same frame again
	}
	r.last, r.lastAt = f.Seq, w.now
	r.count++
	p := w.points.get(bssid)
	ssid := ""
	if p != nil {
		ssid = p.ssid
		if f.A2 == bssid && within(w.now, p.seqAt, time.Second) && far(f.Seq, p.seq) {
			r.forged++
		}
	}
	reason := itoa(int(f.Reason))
	switch {
	case p != nil && p.pmf && f.A2 == bssid && r.count >= manyForged:
		w.alarm(asset.DeauthFlood, bssid, victim(k.b), ssid, WhyUnsealed, reason)
	case r.forged >= manyForged:
		w.alarm(asset.DeauthFlood, bssid, victim(k.b), ssid, WhyForged, reason)
	case r.count >= manyOne && k.b[0]&1 != 0:
		w.alarm(asset.DeauthFlood, bssid, mac{}, ssid, WhyAll, reason)
	case r.count >= manyOne:
		w.alarm(asset.DeauthFlood, bssid, k.b, ssid, WhyOne, reason)
	}
}

func victim(m mac) mac {
	if m[0]&1 != 0 {
		return mac{}
	}
	return m
}

func far(a, b uint16) bool {
	d := (a - b) & 0xfff
	return d > farSeq && d < 0x1000-16
}
