package capture

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/packettest"
)

const begun = int64(1_700_000_000e9)

// upper is a dissector of a made-up protocol: it begins with "UP ", answers
// with "OK ", and the parser keeps everything both sides say.
type upper struct {
	said   *[]string
	closed *int
	most   int // bytes after which the parser has seen enough
	fault  string
}

func (u upper) Name() string { return "upper" }

func (u upper) Probe(s *Stream, client, server []byte) Verdict {
	if u.fault == "probe" {
		panic("probe")
	}
	for prefix, said := range map[string][]byte{"UP ": client, "OK ": server} {
		n := min(len(prefix), len(said))
		if string(said[:n]) != prefix[:n] {
			return No
		}
	}
	if len(client) < 3 {
		return Maybe
	}
	return Yes
}

func (u upper) Open(s *Stream, out Out) Parser {
	s.Notes().ClientName = "CT1"
	return &upperParser{upper: u, s: s}
}

type upperParser struct {
	upper
	s    *Stream
	read int
}

func (p *upperParser) Data(fromClient bool, at int64, b []byte) bool {
	if p.fault == "data" {
		_ = b[len(b):][5]
	}
	who := "s:"
	if fromClient {
		who = "c:"
	}
	*p.said = append(*p.said, who+string(b))
	p.s.Notes().Call("SAY", 1)
	p.read += len(b)
	return p.most == 0 || p.read < p.most
}

func (p *upperParser) Gap(fromClient bool, n int) bool {
	*p.said = append(*p.said, fmt.Sprintf("gap:%v:%d", fromClient, n))
	return true
}

func (p *upperParser) Close(at int64) { *p.closed++ }

func newUpper() upper { return upper{said: &[]string{}, closed: new(int)} }

func (u upper) text() string { return strings.Join(*u.said, "|") }

func say(text string) packettest.Say    { return packettest.Say{Bytes: []byte(text)} }
func answer(text string) packettest.Say { return packettest.Say{Server: true, Bytes: []byte(text)} }

var (
	client = "10.1.0.5:40000"
	server = "10.2.0.9:104"
	talk   = packettest.Session(client, server, say("UP hello"), answer("OK fine"), say("bye"))
)

func TestSessionIsRead(t *testing.T) {
	u := newUpper()
	h := replay(t, talk, u)
	if got := u.text(); got != "c:UP hello|s:OK fine|c:bye" || *u.closed != 1 {
		t.Errorf("%q, closed %d times", got, *u.closed)
	}
	if len(h.flows) != 1 {
		t.Fatalf("%+v", h.flows)
	}
	f := h.flows[0]
	want := flow.Key{Client: f.Client, Server: f.Server, Proto: packet.TCP, Port: 104, App: "upper"}
	if f.Key != want || f.Client.String() != "10.1.0.5" || f.Sessions != 1 || f.Refused != 0 || f.PacketsOut != 7 || f.PacketsIn != 5 ||
		f.ClientMAC != "02:00:00:00:00:01" || f.ServerMAC != "02:00:00:00:00:02" || f.ClientName != "CT1" || f.Calls["SAY"] != 3 || f.Sensor != "test" {
		t.Errorf("%+v", f)
	}
	if h.stats.Packets != int64(len(talk)) || h.stats.Bad != 0 || h.stats.Streams != 1 || h.stats.Held != 0 || h.stats.Reading != 0 {
		t.Errorf("%+v", h.stats)
	}
}

// order returns frames of talk by number.
func order(frames [][]byte, which ...int) [][]byte {
	var out [][]byte
	for _, i := range which {
		out = append(out, frames[i])
	}
	return out
}

func TestStreamsInDisorder(t *testing.T) {
	all := "c:UP hello|s:OK fine|c:bye"
	cases := map[string]struct {
		frames []int
		want   string
	}{
		"late":         {[]int{0, 1, 2, 7, 3, 4, 5, 6, 8, 9, 10}, "c:UP hello|c:bye|s:OK fine"},
		"twice":        {[]int{0, 1, 2, 3, 3, 4, 5, 5, 6, 3, 7, 8, 9}, all},
		"no handshake": {[]int{3, 4, 5, 6, 7}, all},
		"no SYN":       {[]int{1, 2, 3, 4, 5, 6, 7}, all},
		"lost":         {[]int{0, 1, 2, 3, 5, 7, 8, 9, 10, 11}, all},
		"lost answer":  {[]int{0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11}, "c:UP hello|c:bye"},
	}
	for name, c := range cases {
		u := newUpper()
		h := replay(t, order(talk, c.frames...), u)
		if got := u.text(); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
		if f := h.flow("10.2.0.9", 104); f.Client.String() != "10.1.0.5" || f.Sessions != 1 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestGapIsTold(t *testing.T) {
	long := packettest.Session(client, server, say("UP hello"), say("lost"), say("later"), answer("OK fine"), say("1"), say("2"))
	var kept [][]byte
	for _, f := range long {
		if !bytes.Contains(f, []byte("lost")) {
			kept = append(kept, f)
		}
	}
	u := newUpper()
	h := replay(t, kept, u)
	if got := u.text(); !strings.Contains(got, "gap:true:4|c:later") || h.stats.Gaps != 1 || h.stats.Lost != 4 || h.stats.Held != 0 {
		t.Errorf("%q %+v", got, h.stats)
	}
}

// TestFirstWins sends different bytes for the same place.
func TestFirstWins(t *testing.T) {
	seg := func(seq uint32, text string) []byte {
		return packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.1.0.5", "10.2.0.9", packettest.TCP(40000, 104, seq, 9001, packet.ACK, []byte(text))))
	}
	syn := talk[:3]
	cases := map[string][][]byte{
		"UP helloYworld": {seg(1001, "UP hello"), seg(1001, "XX HELLOY"), seg(1010, "world")},
		"UP abcdefghi":   {seg(1007, "def"), seg(1004, "abcXXXghi"), seg(1001, "UP ")},
		"UP 0123456":     {seg(1005, "1"), seg(1008, "4"), seg(1004, "0X23X56"), seg(1001, "UP XX")},
	}
	for want, frames := range cases {
		u := newUpper()
		replay(t, append(append([][]byte{}, syn...), frames...), u)
		if got := strings.ReplaceAll(strings.Join(*u.said, ""), "c:", ""); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

func TestMidstreamIsLookedAtAgain(t *testing.T) {
	long := packettest.Session(client, server, say("...rest of something"), answer("whatever"), say("UP hello"), answer("OK"))
	u := newUpper()
	h := replay(t, long[3:], u)
	if got := u.text(); got != "c:UP hello|s:OK" {
		t.Errorf("%q", got)
	}
	if f := h.flow("10.2.0.9", 104); f.App != "upper" {
		t.Errorf("%+v", f)
	}
	v := newUpper()
	replay(t, long, v) // its beginning was seen: it is something else
	if got := v.text(); got != "" {
		t.Errorf("%q", got)
	}
}

func TestParserEndsEarly(t *testing.T) {
	u := newUpper()
	u.most = 5
	h := replay(t, talk, u)
	if u.text() != "c:UP hello" || h.flow("10.2.0.9", 104).App != "upper" || h.stats.Reading != 0 {
		t.Errorf("%q %+v", u.text(), h.stats)
	}
}

// lazy wants what upper wants, but only when the server has answered.
type lazy struct{ upper }

func (lazy) Name() string { return "lazy" }
func (u lazy) Probe(s *Stream, client, server []byte) Verdict {
	if len(server) == 0 {
		return Maybe
	}
	return u.upper.Probe(s, client, server)
}

func TestTwoDissectorsReadOneStream(t *testing.T) {
	u, v := newUpper(), lazy{newUpper()}
	u.most = 5
	h := replay(t, talk, v, u)
	if u.text() != "c:UP hello" || v.text() != "c:UP hello|s:OK fine|c:bye" || h.stats.Streams != 1 || h.stats.Held != 0 {
		t.Errorf("%q %q %+v", u.text(), v.text(), h.stats)
	}
	if f := h.flow("10.2.0.9", 104); f.App != "upper" { // who knew it first
		t.Errorf("%+v", f)
	}
}

func TestDefectDoesNotEndTheEngine(t *testing.T) {
	for _, fault := range []string{"probe", "data"} {
		u := newUpper()
		u.fault = fault
		h := replay(t, talk, u)
		if h.stats.Defects == 0 || h.stats.Wrong[0].Count != h.stats.Defects || !strings.HasPrefix(h.stats.Wrong[0].Reason, "defect in upper") {
			t.Errorf("%s: %+v", fault, h.stats)
		}
		if f := h.flow("10.2.0.9", 104); f.PacketsOut != 7 {
			t.Errorf("%+v", f)
		}
	}
}

// ports is a packet dissector that fails on odd payloads.
type ports struct{ read *int }

func (ports) Name() string { return "ports" }
func (ports) Match() Match { return Match{UDP: []uint16{53}, Types: []uint16{packet.TypeARP}} }
func (p ports) Packet(f *packet.Frame, out Out) error {
	*p.read++
	switch string(f.Payload) {
	case "odd":
		return errors.New("odd payload")
	case "panic":
		panic("secret")
	}
	return nil
}

func TestPacketsAreDispatched(t *testing.T) {
	udp := func(text string, from, to uint16) []byte {
		return packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(from, to, []byte(text))))
	}
	n := 0
	h := replay(t, [][]byte{udp("a", 5000, 53), udp("b", 53, 5000), udp("odd", 5001, 53), udp("panic", 5002, 53), udp("c", 5003, 54),
		packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.Packet{Type: packet.TypeARP, Bytes: make([]byte, 28)})}, ports{&n})
	if n != 5 || h.stats.Bad != 2 || h.stats.Defects != 1 {
		t.Errorf("%d read, %+v", n, h.stats)
	}
	if w := h.stats.Wrong[1]; w.Reason != "ports: odd payload" || w.First[0].Frame != 3 {
		t.Errorf("%+v", w)
	}
	if f := h.flow("10.2.0.9", 53); f.App != "ports" && f.Sessions != 3 {
		t.Errorf("%+v", f)
	}
}

func TestRefused(t *testing.T) {
	seg := func(from, to string, a, b uint16, flags uint8) []byte {
		return packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP(from, to, packettest.TCP(a, b, 1, 1, flags, nil)))
	}
	syn := seg("10.1.0.5", "10.2.0.9", 40000, 445, packet.SYN)
	udp := packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(40000, 161, []byte("get")))
	quote := append(make([]byte, 4), udp.Bytes...)
	unreachable := packettest.Ether(packettest.MAC(2), packettest.MAC(1), packettest.IP("10.2.0.9", "10.1.0.5", packettest.ICMP(packet.ICMP, 3, 3, quote)))
	for name, c := range map[string]struct {
		frames [][]byte
		port   uint16
	}{
		"reset":       {[][]byte{syn, seg("10.2.0.9", "10.1.0.5", 445, 40000, packet.RST|packet.ACK)}, 445},
		"unreachable": {[][]byte{packettest.Ether(packettest.MAC(1), packettest.MAC(2), udp), unreachable, unreachable}, 161},
	} {
		h := replay(t, c.frames)
		if f := h.flow("10.2.0.9", c.port); f.Refused != 1 || f.Sessions != 1 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	h := &heard{}
	e := engineFor(t, h, Config{})
	for i := range int64(3) { // unanswered, and asked again
		e.Frame(begun+i*1e9, packet.LinkEthernet, len(syn), syn)
	}
	e.Tick(begun + 61e9)
	e.Flush()
	if f := h.flow("10.2.0.9", 445); f.Refused != 1 || f.Sessions != 1 || f.PacketsOut != 3 {
		t.Errorf("unanswered: %+v", f)
	}
}

func TestNewConversationIsToldSoonAndOnlyOnce(t *testing.T) {
	h := &heard{}
	e := engineFor(t, h, Config{}, newUpper())
	for i, f := range talk[:8] {
		e.Frame(begun+int64(i), packet.LinkEthernet, len(f), f)
	}
	e.Tick(begun + 1e9)
	if len(h.flows) != 1 || h.flows[0].App != "upper" {
		t.Fatalf("after a second: %+v", h.flows)
	}
	e.Frame(begun+2e9, packet.LinkEthernet, len(talk[8]), talk[8])
	e.Tick(begun + 10e9)
	if len(h.flows) != 1 {
		t.Errorf("within the interval: %+v", h.flows)
	}
	e.Tick(begun + 61e9)
	e.Tick(begun + 130e9)
	if len(h.flows) != 2 || h.flows[1].PacketsIn != 1 || h.flows[1].Sessions != 0 || h.flows[1].Calls["SAY"] != 0 {
		t.Errorf("after the interval: %+v", h.flows)
	}
}

func TestNothingIsLostWhenTheTableIsFull(t *testing.T) {
	h := &heard{}
	e := engineFor(t, h, Config{Connections: 64})
	const n = 5000
	for i := range n {
		f := packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP(fmt.Sprintf("10.1.%d.%d", i/250, i%250), "10.2.0.9", packettest.UDP(uint16(1024+i), 514, []byte("x"))))
		e.Frame(begun+int64(i)*1e3, packet.LinkEthernet, len(f), f)
	}
	e.Flush()
	f := h.flow("10.2.0.9", 514)
	if f.PacketsOut != n || f.Sessions != n {
		t.Errorf("%+v", f)
	}
	if s := e.Stats(); s.Evicted < n-64 || s.Connections != 0 {
		t.Errorf("%+v", s)
	}
}

func TestTagsKeepConversationsApart(t *testing.T) {
	p := packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(5000, 161, []byte("x")))
	h := replay(t, [][]byte{packettest.Ether(packettest.MAC(1), packettest.MAC(2), p, 10), packettest.Ether(packettest.MAC(1), packettest.MAC(2), p, 20), packettest.Ether(packettest.MAC(1), packettest.MAC(2), p, 20)})
	if len(h.flows) != 2 || h.flows[0].VLAN != 10 || h.flows[1].VLAN != 20 || h.flows[1].PacketsOut != 2 {
		t.Errorf("%+v", h.flows)
	}
}

func TestTrafficClaims(t *testing.T) {
	frame := func(mac byte) []byte {
		return packettest.Ether(packettest.MAC(mac), packettest.MAC(9), packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(5000, 161, nil)))
	}
	h := &heard{}
	e := engineFor(t, h, Config{})
	e.From("eth7")
	at := begun
	send := func(mac byte, after int64) {
		at += after
		f := frame(mac)
		e.Frame(at, packet.LinkEthernet, len(f), f)
	}
	send(1, 0)
	for range 100 {
		send(1, 1e6)
	}
	if len(h.claims) != 1 || h.claims[0].Kind != binding.Traffic || h.claims[0].MAC != packettest.MAC(1) || h.claims[0].Port != "eth7" {
		t.Fatalf("%+v", h.claims)
	}
	send(3, 1e6) // another takes the address
	send(3, 200e6)
	if len(h.claims) != 2 || h.claims[1].MAC != packettest.MAC(3) {
		t.Fatalf("%+v", h.claims)
	}
	send(3, 90e9)
	if len(h.claims) != 3 {
		t.Errorf("%+v", h.claims)
	}
}

func TestFragmentsArePutTogether(t *testing.T) {
	n := 0
	long := packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(5000, 53, bytes.Repeat([]byte("long"), 1000)))
	pieces := packettest.Pieces(long, 7, 1480)
	for _, orders := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 1, 0, 2, 2}} {
		n = 0
		var frames [][]byte
		for _, i := range orders {
			frames = append(frames, packettest.Ether(packettest.MAC(1), packettest.MAC(2), pieces[i], 30))
		}
		h := replay(t, frames, ports{&n})
		f := h.flow("10.2.0.9", 53)
		if n != 1 || h.stats.Datagrams != 1 || f.VLAN != 30 || f.PacketsOut < 3 || f.App != "ports" || h.stats.Held != 0 {
			t.Errorf("%v: read %d times, %+v, %+v", orders, n, f, h.stats)
		}
	}
	n = 0
	h := replay(t, [][]byte{packettest.Ether(packettest.MAC(1), packettest.MAC(2), pieces[0]), packettest.Ether(packettest.MAC(1), packettest.MAC(2), pieces[2])}, ports{&n})
	if f := h.flow("10.2.0.9", 53); n != 0 || f.PacketsOut != 2 || h.stats.Unfinished != 1 {
		t.Errorf("unfinished: %+v %+v", f, h.stats)
	}
}

func TestFramesSeenTwice(t *testing.T) {
	h := &heard{}
	e := engineFor(t, h, Config{Twice: true})
	p := packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(5000, 161, []byte("x")))
	routed := packettest.IP("10.1.0.5", "10.2.0.9", packettest.UDP(5000, 161, []byte("x")))
	routed.Bytes[8]--
	for i, f := range [][]byte{packettest.Ether(packettest.MAC(1), packettest.MAC(2), p, 10), packettest.Ether(packettest.MAC(2), packettest.MAC(3), routed, 20)} {
		e.Frame(begun+int64(i)*1e4, packet.LinkEthernet, len(f), f)
	}
	f := packettest.Ether(packettest.MAC(1), packettest.MAC(2), p, 10)
	e.Frame(begun+1e9, packet.LinkEthernet, len(f), f)
	e.Flush()
	if got := h.flow("10.2.0.9", 161); got.PacketsOut != 2 || e.Stats().Twice != 1 {
		t.Errorf("%+v", got)
	}
}

func TestBadFramesAreCounted(t *testing.T) {
	h := replay(t, [][]byte{{}, {1, 2, 3}, talk[0], talk[0][:30]})
	if h.stats.Bad != 3 || h.stats.Packets != 4 || len(h.stats.Wrong) != 2 {
		t.Errorf("%+v", h.stats)
	}
	e := engineFor(t, &heard{}, Config{})
	e.Frame(begun, 147, 3, []byte{1, 2, 3})
	if s := e.Stats(); s.Bad != 1 || s.Wrong[0].Reason != "link type 147 is not read" {
		t.Errorf("%+v", s)
	}
}
