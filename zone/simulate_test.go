package zone

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/flow"
)

// hospital is a policy that forgot much of what happens.
const hospital = `version: 1
name: forgetful
zones:
  - {name: ct, kind: modality, title: {en: Imaging, zh: 影像设备}, department: radiology, owner: radiology, networks: [10.1.0.0/24], target_level: 2}
  - {name: pacs, kind: pacs, title: {en: PACS, zh: 影像归档}, owner: radiology, networks: [10.2.0.0/24], target_level: 3}
  - {name: infra, kind: infrastructure, title: {en: Servers, zh: 服务器}, owner: it, networks: [10.3.0.0/24]}
  - {name: wards, kind: clinician, title: {en: Wards, zh: 病房}, department: wards, owner: it, networks: [10.4.0.0/22], target_level: 1}
  - {name: lis, kind: lis, title: {en: LIS, zh: 检验系统}, owner: lab, networks: [10.5.0.0/24]}
  - {name: engine, kind: integration, title: {en: Engine, zh: 集成平台}, owner: his, networks: [10.6.0.0/24]}
  - {name: icu, kind: life-support, title: {en: ICU, zh: 重症}, owner: biomed, fail_open: true, networks: [10.7.0.0/24]}
  - {name: guest, kind: guest, title: {en: Guests, zh: 访客}, owner: it, isolated: true, networks: [10.9.0.0/16]}
  - {name: net, kind: internet, title: {en: Internet, zh: 互联网}}
conduits:
  - {id: wards-lis, from: wards, to: lis, allow: [https], owner: lab, reason: results}
  - {id: engine-lis, from: engine, to: lis, allow: [hl7], owner: lab, reason: orders}
`

// talkOf is one conversation.
func talkOf(day int, client, server string, proto uint8, port uint16, app string, sessions int64, calls map[string]int64) flow.Conversation {
	at := time.Date(2026, 11, day, 10, 0, 0, 0, time.UTC).UnixMilli()
	c := flow.Conversation{From: at, Until: at + 1000, Sessions: sessions, Calls: calls}
	c.Client, c.Server, c.Proto, c.Port, c.App = netip.MustParseAddr(client), netip.MustParseAddr(server), proto, port, app
	return c
}

func sequence(all []flow.Conversation) iter.Seq2[flow.Conversation, error] {
	return func(yield func(flow.Conversation, error) bool) {
		for _, c := range all {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// names is knowledge by address.
type names map[string]Known

func (n names) About(a netip.Addr) Known { return n[a.String()] }

func busyHospital() []flow.Conversation {
	var all []flow.Conversation
	for day := 2; day <= 11; day++ {
		ct := talkOf(day, "10.1.0.11", "10.2.0.5", 6, 11112, "dicom", 312, map[string]int64{"C-STORE": 62_400, "C-ECHO": 4})
		ct.ClientName, ct.ServerName = "CT1", "PACS"
		all = append(all, ct,
			talkOf(day, "10.1.0.11", "10.3.0.53", 17, 53, "dns", 500, nil),
			talkOf(day, "10.1.0.11", "10.3.0.53", 17, 123, "ntp", 24, nil),
			talkOf(day, "10.5.0.2", "10.6.0.2", 6, 6661, "hl7", 3, map[string]int64{"ORU^R01": 840}),
			talkOf(day, "10.5.0.2", "10.6.0.3", 6, 2575, "hl7", 3, map[string]int64{"ADT^A01": 20}),
			talkOf(day, "10.4.0.9", "10.5.0.2", 6, 443, "tls", 100, nil),
			talkOf(day, "10.1.0.11", "93.184.216.34", 6, 443, "tls", 2, nil),
			talkOf(day, "10.7.0.4", "10.6.0.2", 6, 3001, "", 96, nil),
			talkOf(day, "10.7.0.4", "10.7.0.5", 6, 3001, "", 96, nil),
			talkOf(day, "192.168.77.1", "10.5.0.2", 6, 443, "", 1, nil))
		for i := range 40 {
			all = append(all, talkOf(day, fmt.Sprintf("10.4.0.%d", 20+i), "10.3.0.10", 6, 88, "kerberos", 6, nil))
		}
		dead := talkOf(day, "10.4.0.9", "10.2.0.99", 6, 445, "", 50, nil)
		dead.Refused = 50
		all = append(all, dead)
	}
	return append(all, talkOf(7, "10.4.0.9", "10.2.0.8", 6, 515, "", 1, nil))
}

func simulated(t *testing.T, policy string, all []flow.Conversation, k Knowledge) Simulation {
	t.Helper()
	s, err := Simulate(context.Background(), mustCompile(t, policy), sequence(all), k, SimulateOptions{Site: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func byKind(s Simulation) map[string]Effect {
	out := map[string]Effect{}
	for _, e := range s.Effects {
		out[e.Kind] = e
	}
	return out
}

func TestSimulationSpeaksClinically(t *testing.T) {
	s := simulated(t, hospital, busyHospital(), names{"10.7.0.4": {Name: "Ventilator 4", LifeSupport: true}})
	got := byKind(s)
	for kind, want := range map[string]struct {
		severity int
		en, zh   string
	}{
		"dicom-store":    {high, "CT1 to PACS: C-STORE would fail, 312 studies a day (62400 images a day)", "CT1 到 PACS 的 C-STORE（图像上传）将失败，每天 312 例检查"},
		"dicom-dns-loss": {high, "each association waits 15 s, 312 associations a day", "每次关联要等待 15 秒"},
		"dicom-ntp-loss": {medium, "times of studies drift, 24 requests a day", "检查时间会漂移"},
		"results":        {high, "10.5.0.2 to 10.6.0.2: results (HL7 ORU) would be lost, 840 results a day", "每天 840 份结果"},
		"admissions":     {high, "admissions and transfers (HL7 ADT) would not arrive, 20 messages a day", "入出转"},
		"sign-in":        {high, "40 devices of Wards to 10.3.0.10: sign-in would fail, 240 sessions a day", "病房的 40 台设备"},
		"fails-already":  {informational, "fails today already", "目前就不通"},
		"printing":       {medium - 1, "1 job in 10 days. On one day only.", "仅出现一天"},
		"other":          {critical, "LIFE SUPPORT: Ventilator 4 to 10.6.0.2: 96 sessions a day (tcp/3001)", "【生命支持】"},
	} {
		e := got[kind]
		if e.Severity != want.severity || !strings.Contains(e.Text.EN, want.en) || !strings.Contains(e.Text.ZH, want.zh) {
			t.Errorf("%s: severity %d %q %q, want %d %q %q", kind, e.Severity, e.Text.EN, e.Text.ZH, want.severity, want.en, want.zh)
		}
	}
	if s.Effects[0].Severity != critical || !s.Effects[0].LifeSupport {
		t.Errorf("life support does not stand first: %+v", s.Effects[0])
	}
	if len(s.Blocked) != 1 || s.Blocked[0].FromZone != "ct" || !strings.Contains(s.Blocked[0].Advice.EN, "medical devices reach the internet") {
		t.Errorf("blocked: %+v", s.Blocked)
	}
}

func TestSimulationCounts(t *testing.T) {
	s := simulated(t, hospital, busyHospital(), Nobody{})
	if s.Days != 10 || s.Conversations != s.Allowed+s.Denied || s.Homeless != 10 || s.Hash == "" {
		t.Errorf("%+v", s)
	}
	if len(s.Unused) != 1 || s.Unused[0] != "engine-lis" {
		t.Errorf("unused: %v", s.Unused)
	}
	if d := s.Departments["radiology"]; d != 0 {
		t.Errorf("radiology keeps %v", d)
	}
	if d := s.Departments["wards"]; d < 0.2 || d > 0.3 {
		t.Errorf("wards keep %v", d)
	}
	cautions := fmt.Sprint(s.Cautions)
	if !strings.Contains(cautions, "no month end") || strings.Contains(cautions, "no weekend") {
		t.Errorf("cautions: %v", s.Cautions)
	}
	again, _ := json.Marshal(simulated(t, hospital, busyHospital(), Nobody{}))
	if text, _ := json.Marshal(s); string(text) != string(again) {
		t.Error("the same input gives another report")
	}
}

// TestProposalsMend adds every proposed conduit and simulates again: what had
// a proposal passes then.
func TestProposalsMend(t *testing.T) {
	s := simulated(t, hospital, busyHospital(), Nobody{})
	mended := hospital
	n := 0
	for _, e := range s.Effects {
		if e.Proposal != "" {
			mended += e.Proposal
			n++
		}
	}
	after := simulated(t, mended, busyHospital(), Nobody{})
	for _, e := range after.Effects {
		if e.Proposal != "" {
			t.Errorf("still fails: %s\n%s", e.Text.EN, e.Proposal)
		}
	}
	if n < 7 {
		t.Errorf("only %d proposals", n)
	}
}

func TestShortSampleIsWarnedOf(t *testing.T) {
	s := simulated(t, hospital, []flow.Conversation{talkOf(3, "10.4.0.9", "10.5.0.2", 6, 443, "", 1, nil), talkOf(5, "10.4.0.9", "10.5.0.2", 6, 443, "", 1, nil)}, Nobody{})
	for i, want := range []string{"only 2 days", "no weekend", "no month end", "1 days between were not seen"} {
		if i >= len(s.Cautions) || !strings.Contains(s.Cautions[i].EN, want) {
			t.Errorf("caution %d of %v, want %q", i, s.Cautions, want)
		}
	}
}

func TestMillionConversationsInSeconds(t *testing.T) {
	_, r := template(t, "tertiary")
	flows := func(yield func(flow.Conversation, error) bool) {
		at := testDay.UnixMilli()
		for i := range 1_000_000 {
			c := flow.Conversation{From: at, Until: at + int64(i)*2000, Sessions: 3}
			c.Client = netip.AddrFrom4([4]byte{10, 10, byte(i % 120), byte(i >> 7)})
			c.Server = netip.AddrFrom4([4]byte{10, 10, byte(32 + i%11), byte(i % 7)})
			c.Proto, c.Port = 6, []uint16{104, 443, 2575, 445, 1433, 53}[i%6]
			if !yield(c, nil) {
				return
			}
		}
	}
	begun := processor()
	s, err := Simulate(context.Background(), r, flows, Nobody{}, SimulateOptions{})
	took := processor() - begun
	t.Logf("%d conversations, %d denied, %d effects in %s of processor", s.Conversations, s.Denied, len(s.Effects)+s.More, took)
	if err != nil || took > 20*time.Second {
		t.Errorf("%v, %s", err, took)
	}
}
