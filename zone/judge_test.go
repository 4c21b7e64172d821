package zone

import (
	"slices"
	"testing"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/flow"
)

func TestJudgeNamesWhatIsWrongOnceADay(t *testing.T) {
	j := NewJudge(names{"10.7.0.4": {Name: "Ventilator 4", LifeSupport: true}}, time.UTC)
	c := talkOf(3, "10.1.0.11", "93.184.216.34", 6, 443, "tls", 2, nil)
	if _, ok := j.Watch(&c); ok {
		t.Error("an alarm without a policy")
	}
	j.Use(mustCompile(t, hospital))
	for _, want := range []struct {
		c    flow.Conversation
		args []string
	}{
		{c, []string{"ct", "net", "https", "device-to-internet"}},
		{talkOf(3, "10.9.0.3", "10.5.0.2", 6, 443, "", 1, nil), []string{"guest", "lis", "https", "guest-to-inside"}},
		{talkOf(3, "10.4.0.9", "10.5.0.2", 6, 1521, "", 1, nil), []string{"wards", "lis", "oracle", "desktop-sql"}},
		{talkOf(3, "10.4.0.10", "10.5.0.2", 6, 443, "mysql", 1, nil), []string{"wards", "lis", "mysql", "desktop-sql"}},
		{talkOf(3, "10.4.0.12", "10.5.0.2", 6, 9100, "hl7", 1, nil), []string{"wards", "lis", "hl7", "hl7-past-engine"}},
		{talkOf(3, "10.4.0.12", "10.6.0.2", 6, 9100, "hl7", 1, nil), []string{"wards", "engine", "hl7", ""}},
		{talkOf(3, "10.4.0.11", "10.2.0.2", 6, 9999, "", 1, nil), []string{"wards", "pacs", "tcp/9999", ""}},
		{talkOf(3, "10.7.0.4", "10.6.0.2", 6, 9999, "", 1, nil), []string{"icu", "engine", "tcp/9999", "", "life-support"}},
		{talkOf(3, "10.7.0.4", "10.7.0.5", 6, 9999, "", 1, nil), []string{"icu", "icu", "tcp/9999", "device-peer-to-peer", "life-support"}},
		{talkOf(3, "192.168.9.9", "10.2.0.2", 6, 104, "", 1, nil), []string{"outside", "pacs", "dicom", ""}},
	} {
		a, ok := j.Watch(&want.c)
		if !ok || a.Kind != asset.ZoneViolation || !slices.Equal(a.Args, want.args) || a.Culprit.IP != want.c.Client {
			t.Errorf("%+v %v, want %q", a, ok, want.args)
		}
		if _, again := j.Watch(&want.c); again {
			t.Errorf("%q is told twice a day", want.args)
		}
		next := want.c
		next.Until += 24 * time.Hour.Milliseconds()
		if _, again := j.Watch(&next); !again {
			t.Errorf("%q is not told the next day", want.args)
		}
		j.Use(mustCompile(t, hospital))
	}
	for _, fine := range []flow.Conversation{
		talkOf(3, "10.4.0.9", "10.5.0.2", 6, 443, "tls", 1, nil),
		talkOf(3, "10.4.0.9", "10.4.0.10", 6, 445, "", 1, nil),
		talkOf(3, "192.168.9.9", "192.168.9.10", 6, 104, "", 1, nil),
		talkOf(3, "10.4.0.9", "239.255.255.250", 17, 1900, "", 1, nil),
	} {
		if a, ok := j.Watch(&fine); ok {
			t.Errorf("alarm about what is fine: %+v", a)
		}
	}
}
