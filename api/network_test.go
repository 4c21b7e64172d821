package api_test

import (
	"context"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/zone"
)

// networked gives the site a network of three devices.
func networked(s *site) *[]string {
	var asked []string
	devices := []asset.Device{
		{ID: "ws", IPs: []string{"10.1.0.9"}, MACs: []string{"02:00:00:00:00:09"}, What: asset.Classification{Kind: "workstation"}, Zone: "desks"},
		{ID: "ct", Name: "CT1", IPs: []string{"10.2.0.1"}, What: asset.Classification{Kind: "ct", Medical: true}, Zone: "modality", EndOfLife: "2026-04-01"},
		{ID: "old", Retired: true},
	}
	s.Network = api.Network{
		Devices: func(context.Context) ([]asset.Device, error) { return devices, nil },
		Device: func(_ context.Context, key string) (asset.Device, error) {
			for _, d := range devices {
				if d.ID == key || len(d.IPs) > 0 && d.IPs[0] == key || len(d.MACs) > 0 && d.MACs[0] == key {
					return d, nil
				}
			}
			return asset.Device{}, fs.ErrNotExist
		},
		Edit: func(_ context.Context, id string, _ api.DeviceEdit, by string) error {
			asked = append(asked, "edit "+id+" "+by)
			return nil
		},
		Had: func(_ context.Context, a string, at int64) ([]api.AddressUse, error) {
			asked = append(asked, "had "+a+" "+time.UnixMilli(at).UTC().Format(time.RFC3339))
			return nil, nil
		},
		Talks: func(_ context.Context, f api.TalkFilter) ([]api.Talk, error) {
			k := flow.Key{Client: netip.MustParseAddr("10.1.0.9"), Server: netip.MustParseAddr("10.2.0.1"), Proto: 6, Port: 445, App: "smb"}
			return []api.Talk{{Conversation: flow.Conversation{Key: k, From: f.Since, Until: f.Until, Sessions: 3, TLS: "1.2", Clear: []string{"password"}}, ClientDevice: "ws", Judged: true}}, nil
		},
		Bindings: func(context.Context) ([]binding.Binding, error) {
			return []binding.Binding{{ID: "b1", State: binding.Learnt, IP: "10.1.0.9"}, {ID: "b2", State: binding.Locked}}, nil
		},
		Bind: func(_ context.Context, w api.BindingWish, by string) error {
			asked = append(asked, "bind "+w.What+" "+strings.Join(w.IDs, ",")+w.Subnet+" "+by)
			return nil
		},
		Facts: func(context.Context, asset.FactName) ([]api.DeviceFact, error) {
			return []api.DeviceFact{{Device: "ct", Fact: asset.KnownFact{Fact: asset.Fact{Name: asset.FactCertificate, Value: "a; b; CN; Hospital CA; not after 2026-03-09T00:00:00Z"}}}, {Device: "ws", Fact: asset.KnownFact{Fact: asset.Fact{Value: "nonsense"}}}}, nil
		},
		Policies: func(context.Context) (api.PolicyState, error) {
			return api.PolicyState{Next: &api.PolicyVersion{Life: zone.Staged}}, nil
		},
		CheckPolicy: func(text string) (zone.Policy, []api.PolicyProblem) {
			if text == "" {
				return zone.Policy{}, []api.PolicyProblem{{Line: 1, Text: "empty"}}
			}
			return zone.Policy{Zones: make([]zone.Zone, 2)}, nil
		},
		ChangePolicy: func(_ context.Context, w api.PolicyWish, by string) error {
			asked = append(asked, "policy "+w.What+" "+time.Duration(w.Seconds*1e9).String()+" "+by)
			return nil
		},
		Proof: func(_ context.Context, _ string, w io.Writer) error { _, err := io.WriteString(w, "PK"); return err },
	}
	s.mount()
	return &asked
}

func TestNetworkIsRead(t *testing.T) {
	s := newSite(t)
	s.ask(identity.NetworkEngineer, "GET", "/api/v1/network/devices", "").want(http.StatusNotImplemented)
	asked := networked(s)
	who := identity.NetworkEngineer
	for path, want := range map[string][]string{
		"": {"ct", "ws"}, "?only=medical": {"ct"}, "?only=aging": {"ct"}, "?only=retired": {"old"}, "?q=02-00-00-00-00-09": {"ws"}, "?q=ct1": {"ct"}, "?kind=unknown": nil, "?zone=desks": {"ws"},
	} {
		var got []string
		for _, d := range lines[asset.Device](s.ask(who, "GET", "/api/v1/network/devices"+path, "").want(200)) {
			got = append(got, d.ID)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	s.ask(who, "GET", "/api/v1/network/devices?only=ugly", "").want(400)
	if d := one[asset.Device](s.ask(who, "GET", "/api/v1/network/devices/0200.0000.0009", "").want(200)); d.ID != "ws" {
		t.Errorf("by MAC: %s", d.ID)
	}
	s.ask(who, "GET", "/api/v1/network/devices/nobody", "").want(404)
	if a := s.ask(who, "GET", "/api/v1/network/conversations?since=2026-03-01&until=2026-03-02", "").want(200); !strings.Contains(a.body, `"violation":true`) || !strings.Contains(a.body, `"server":"10.2.0.1"`) {
		t.Errorf("conversations: %s", a.body)
	}
	if a := s.ask(who, "GET", "/api/v1/network/bindings?state=learnt", "").want(200); strings.Contains(a.body, "b2") || !strings.Contains(a.body, "b1") {
		t.Errorf("bindings: %s", a.body)
	}
	if a := s.ask(who, "GET", "/api/v1/network/transport", "").want(200); !strings.Contains(a.body, `"1.2":3`) || !strings.Contains(a.body, `"subject":"a; b; CN","issuer":"Hospital CA","ends":1773014400000`) {
		t.Errorf("transport: %s", a.body)
	}
	s.ask(who, "POST", "/api/v1/network/addresses/history", `{"address":"02-00-00-00-00-09","at":"2026-03-01T08:00:00+08:00"}`).want(200)
	if got := (*asked)[len(*asked)-1]; got != "had 02:00:00:00:00:09 2026-03-01T00:00:00Z" {
		t.Errorf("history asked %q", got)
	}
	if !s.sawLook(api.LookedAtAddresses) {
		t.Error("looking up whose an address was is no event")
	}
	s.ask(who, "POST", "/api/v1/network/addresses/history", `{"address":"Wang"}`).want(400)
	if a := s.ask(who, "GET", "/api/v1/network/proof", "").want(200); a.body != "PK" || a.header.Get("Content-Type") != "application/zip" {
		t.Errorf("proof: %q", a.body)
	}
	s.ask(identity.DepartmentHead, "GET", "/api/v1/network/devices", "").want(403)
	s.ask(identity.Sensor, "GET", "/api/v1/network/devices", "").want(403)
}

// sawLook says whether somebody's look was told.
func (s *site) sawLook(operation string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range s.watched {
		if ev.API != nil && ev.API.Operation == operation {
			return true
		}
	}
	return false
}

func TestNetworkIsChanged(t *testing.T) {
	s := newSite(t)
	asked := networked(s)
	for _, c := range []struct {
		path, body string
		want       int
		book       string
	}{
		{"/api/v1/network/devices/ct", `{"life_support":true}`, 204, "edit ct"},
		{"/api/v1/network/devices/ct", `{"end_of_life":"never"}`, 400, ""},
		{"/api/v1/network/devices/ct", `{"criticality":9}`, 400, ""},
		{"/api/v1/network/devices/nobody", `{"name":"x"}`, 404, ""},
		{"/api/v1/network/bindings", `{"what":"lock","ids":["b1"]}`, 204, "bind lock b1"},
		{"/api/v1/network/bindings", `{"what":"lock"}`, 400, ""},
		{"/api/v1/network/bindings", `{"what":"lock-subnet","subnet":"10.1.2.3/16"}`, 204, "bind lock-subnet 10.1.0.0/16"},
		{"/api/v1/network/policies", `{"what":"enforce"}`, 202, "policy enforce 5m0s"},
		{"/api/v1/network/policies", `{"what":"confirm"}`, 409, ""},
		{"/api/v1/network/policies", `{"what":"stage","text":"","reason":"r"}`, 400, ""},
		{"/api/v1/network/policies", `{"what":"stage","text":"x","reason":" "}`, 400, ""},
		{"/api/v1/network/devices/ct/isolate", `{"reason":"x"}`, 501, ""},
	} {
		before := len(*asked)
		s.ask(identity.Auditor, "POST", c.path, c.body).want(403)
		s.ask(identity.NetworkEngineer, "POST", c.path, c.body).want(c.want)
		switch now := len(*asked) - before; {
		case c.book == "" && now != 0:
			t.Errorf("%s %s reached the book: %v", c.path, c.body, (*asked)[before:])
		case c.book != "" && (now != 1 || !strings.HasPrefix((*asked)[before], c.book)):
			t.Errorf("%s %s: the book was asked %v", c.path, c.body, (*asked)[before:])
		}
	}
	if a := s.ask(identity.Auditor, "POST", "/api/v1/network/policies/check", `{"text":""}`).want(200); !strings.Contains(a.body, `"ok":false`) {
		t.Errorf("check: %s", a.body)
	}
}
