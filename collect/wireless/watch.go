package wireless

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/dot11"
	"github.com/cordon-health/cordon/internal/packet"
)

type mac = packet.MAC

// The reasons, the first of an alarm's Args; the second is the network's name.
const (
	WhyUnlisted = "unlisted" // our network's name, by an access point not listed; it looks like ours
	WhyOnCable  = "on-cable" // its number is next to one on the cable; Args[2] is that
	WhyUnlike   = "unlike"   // our network's name, and it does not look like ours; Args[2] says in what
	WhyChannels = "channels" // one BSSID on two channels at once; Args[2], Args[3]
	WhyClocks   = "clocks"   // one BSSID with two clocks
	WhyCopied   = "copied"   // one BSSID with two faces in turn; Args[2] says in what
	WhyWeaker   = "weaker"   // Args[2] is the protection offered, Args[3] the one expected
	WhyNoPMF    = "no-pmf"   // protection of management frames is gone
	WhyOne      = "one"      // many such frames to one station; Args[2] is the reason code
	WhyAll      = "all"      // many such frames to everybody; Args[2] is the reason code
	WhyForged   = "forged"   // the same, and their numbers are not the sender's; Args[2] is the reason code
	WhyManyName = "any-name" // Args[2] is how many names it answered to
	WhyUnsealed = "unsealed" // unprotected, though the network requires protection; Args[2] is the reason code
)

const (
	second = int64(1e9) // ns
	minute = 60 * second
)

// Out takes what is heard; collect/capture's Out is one, too. Calls come from
// the goroutine that calls Frame.
type Out interface {
	Seen(o asset.Observation)
	Alarm(a asset.Alarm)
}

// Stats counts what was read.
type Stats struct {
	Frames, Damaged, Bad, Beacons, Deauths int64
}

// The bounds of what is remembered.
const (
	mostPoints   = 8192
	mostStations = 16384
	mostSaid     = 4096
	mostNames    = 12 // that one access point answers to
)

// Watch judges frames of 802.11. It is not safe for concurrent use.
type Watch struct {
	cfg   Config
	out   Out
	own   map[string]*own
	wired map[[5]byte][]mac
	first int64
	now   int64
	stats Stats

	points   table[mac, point]
	stations table[mac, station]
	rates    table[pair, rate]
	said     table[saying, said]
	frame    dot11.Frame
	elements dot11.Elements
}

// own is one of the hospital's networks, as configured or learnt.
type own struct {
	Network
	listed  map[mac]bool
	learns  bool // its access points
	guessed bool // it was not configured, only heard
	grade   dot11.Security
	graded  bool
	learnt  bool // grade and pmf, while learning
	pmf     bool
	pmfs    bool // pmf is known
	ouis    map[[3]byte]bool
	shapes  map[uint32]bool
}

type pair struct{ a, b mac }

type saying struct {
	kind asset.AlarmKind
	who  mac
	net  string
}

type said struct {
	at, held int64
	alarm    asset.Alarm
}

const repeat = minute

// NewWatch starts with what is configured.
func NewWatch(cfg Config, out Out) *Watch {
	if cfg.Learning <= 0 {
		cfg.Learning = Default().Learning
	}
	if cfg.Sensor == "" {
		cfg.Sensor = cfg.Interface
	}
	w := &Watch{
		cfg: cfg, out: out, own: map[string]*own{}, wired: map[[5]byte][]mac{},
		points: newTable[mac, point](mostPoints), stations: newTable[mac, station](mostStations),
		rates: newTable[pair, rate](mostStations), said: newTable[saying, said](mostSaid),
	}
	for _, n := range cfg.Networks {
		w.own[n.SSID] = newOwn(n)
	}
	for _, m := range cfg.Wired {
		w.Wired(asset.ParseMAC(m))
	}
	return w
}

func newOwn(n Network) *own {
	o := &own{Network: n, listed: map[mac]bool{}, ouis: map[[3]byte]bool{}, shapes: map[uint32]bool{}, learns: len(n.BSSIDs) == 0}
	for _, b := range n.BSSIDs {
		o.listed[asset.ParseMAC(b)] = true
	}
	for _, v := range n.Vendors {
		if oui, ok := parseOUI(v); ok {
			o.ouis[oui] = true
		}
	}
	if i := slices.Index(grades(), n.Security); i >= 0 {
		o.grade, o.graded = dot11.Security(i), true
	}
	o.pmf, o.pmfs = n.PMF, n.PMF
	return o
}

// mostWired bounds the neighbours kept of one block of numbers.
const mostWired = 64

// Wired says that a MAC was seen on the cable.
func (w *Watch) Wired(m mac) {
	if m == (mac{}) || m[0]&1 != 0 {
		return
	}
	k := [5]byte(m[:5])
	if l := w.wired[k]; len(l) < mostWired && !slices.Contains(l, m) && (l != nil || len(w.wired) < 1<<16) {
		w.wired[k] = append(l, m)
	}
}

// Stats returns what was counted.
func (w *Watch) Stats() Stats { return w.stats }

// Frame takes the next frame with its radio header; data lives until it
// returns. A frame that cannot be read is counted.
func (w *Watch) Frame(link int, at int64, size int, data []byte) {
	w.stats.Frames++
	radio, body, err := dot11.Strip(link, data)
	if err == dot11.ErrDamaged {
		w.stats.Damaged++
		return
	}
	f := &w.frame
	if err == nil {
		err = dot11.Parse(body, f)
	}
	if err != nil {
		w.stats.Bad++
		return
	}
	if w.first == 0 {
		w.first = at
	}
	w.now = max(w.now, at)
	w.judge(f, &radio)
}

func (w *Watch) judge(f *dot11.Frame, r *dot11.Radio) {
	switch {
	case f.Type == dot11.Beacon || f.Type == dot11.ProbeResp:
		w.stats.Beacons++
		if f.A2 == f.A3 && f.A2[0]&1 == 0 && f.Capability&dot11.CapIBSS == 0 {
			dot11.ReadElements(f.Elements, &w.elements)
			w.announced(f, &w.elements, r)
		}
	case f.Type == dot11.Deauth || f.Type == dot11.Disassoc:
		w.stats.Deauths++
		w.parted(f)
	case f.Type.Data():
		w.joined(f)
	}
	if f.Type.Management() && f.A2 == f.A3 {
		if p := w.points.get(f.A2); p != nil && f.Type != dot11.Deauth && f.Type != dot11.Disassoc {
			p.seq, p.seqAt = f.Seq, w.now
		}
	}
}

// Tick says how late it is (ns) and lets out the counts of alarms held back.
func (w *Watch) Tick(now int64) {
	w.now = max(w.now, now)
	w.said.each(func(_ saying, s *said) {
		if s.held > 0 && w.now-s.at >= repeat {
			w.let(s)
		}
	})
}

func (w *Watch) let(s *said) {
	a := s.alarm
	a.Count = s.held
	s.at, s.held = w.now, 0
	w.out.Alarm(a)
}

// alarm says what is wrong at once, then every minute with the number of times.
func (w *Watch) alarm(kind asset.AlarmKind, culprit, victim mac, ssid string, args ...string) {
	s, _ := w.said.at(saying{kind, culprit, ssid})
	s.held++
	s.alarm = asset.Alarm{
		Kind: kind, At: w.now, Sensor: w.cfg.Sensor, Network: ssid, Args: append([]string{args[0], ssid}, args[1:]...),
		Culprit: asset.Party{MAC: culprit}, Victim: asset.Party{MAC: victim},
	}
	if s.at == 0 || w.now-s.at >= repeat {
		w.let(s)
	}
}

func (w *Watch) learning() bool { return w.now-w.first < int64(w.cfg.Learning) }

// network finds our network of a name. Without configuration a protected one
// counts from its first beacon on.
func (w *Watch) network(ssid string, grade dot11.Security) *own {
	if o := w.own[ssid]; o != nil || len(w.cfg.Networks) > 0 || ssid == "" {
		return o
	}
	if grade < dot11.GradeWPA || len(w.own) >= mostSaid {
		return nil
	}
	o := newOwn(Network{SSID: strings.Clone(ssid)})
	o.guessed = true
	w.own[o.SSID] = o
	return o
}

// near finds a MAC on the cable whose number is next to a BSSID, as those of
// one box are. The bit for local numbers does not count.
func (w *Watch) near(bssid mac) (mac, bool) {
	bssid[0] &^= 2
	for _, first := range [2]byte{bssid[0], bssid[0] | 2} {
		k := [5]byte(bssid[:5])
		k[0] = first
		for _, m := range w.wired[k] {
			if d := int(m[5]) - int(bssid[5]); d >= -4 && d <= 4 {
				return m, true
			}
		}
	}
	return mac{}, false
}

// seen tells of an access point or station.
func (w *Watch) seen(m mac, facts ...asset.Fact) {
	w.out.Seen(asset.Observation{At: w.now, Sensor: w.cfg.Sensor, MAC: m, Protocol: "802.11", Facts: facts})
}

func itoa(n int) string { return strconv.Itoa(n) }

// within says whether something still belongs to before.
func within(at, since int64, d time.Duration) bool { return at-since < int64(d) }
