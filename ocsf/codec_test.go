package ocsf

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const accessJSON = `{"class_uid":6001,"category_uid":6,"type_uid":600102,"activity_id":2,"severity_id":1,"status_id":1,"status_code":"0","time":1772439327123,` +
	`"metadata":{"uid":"8b7a0c7e-0000-4e5c-9a3c-1f2a3b4c5d6e","version":"1.9.0","product":{"name":"ehr"},"log_name":"fhir-auditevent","log_provider":"ehr-1","logged_time":1772439327456,"event_code":"read"},` +
	`"actor":{"user":{"name":"n1042","full_name":"Example Nurse"}},"src_endpoint":{"ip":"10.20.7.33","name":"ws-7n-03"},"dst_endpoint":{"hostname":"ehr.example.com","name":"ehr"},` +
	`"web_resources":[{"uid":"d-778812","type":"DocumentReference"}],"patient":{"uid":"M0012345"},"access":{"purpose":["TREAT"],"document":"DocumentReference"}}`

// TestGoldenBytes holds the canonical form: evidence hashes it.
func TestGoldenBytes(t *testing.T) {
	var e Event
	if err := Decode([]byte(accessJSON), &e); err != nil {
		t.Fatal(err)
	}
	if got := string(e.AppendJSON(nil)); got != accessJSON {
		t.Errorf("got %s\nwant %s", got, accessJSON)
	}
	for _, part := range []string{"x", "é中"} {
		if !strings.HasSuffix(string(e.AppendJSON([]byte(part))), accessJSON) {
			t.Error("AppendJSON does not append")
		}
	}
}

// fill sets every field of a value reachable by reflection to something that
// is not zero (often) and returns it; tests only.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[RawJSON]() {
			if r.IntN(2) > 0 {
				v.SetBytes([]byte(`{"own":[1,"x"]}`))
			}
			return
		}
		if v.Type() == reflect.TypeFor[[]Member]() {
			return
		}
		if n := r.IntN(3); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i))
			}
		}
	case reflect.String:
		words := []string{"", "a", "中文\"\\\n", "\u2028<>&", "\x01\x7f", "0", "TREAT", "long " + strings.Repeat("x", 80)}
		v.SetString(words[r.IntN(len(words))])
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(r.IntN(5)) * 100003)
	case reflect.Uint32:
		v.SetUint(uint64(r.IntN(9000)))
	case reflect.Bool:
		v.SetBool(r.IntN(2) > 0)
	}
}

func randomEvent(r *rand.Rand) *Event {
	e := &Event{}
	fill(r, reflect.ValueOf(e).Elem())
	if r.IntN(2) > 0 {
		e.Extra = []Member{{Name: "class_name", Value: RawJSON(`"x"`)}, {Name: "observables", Value: RawJSON(`[{"a":null}]`)}}
	}
	return e
}

// TestRoundTrip: an event read back is the same, and the same to
// encoding/json.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	d := NewDecoder()
	for range 500 {
		e := randomEvent(r)
		text := e.AppendJSON(nil)
		var got Event
		if err := d.Decode(text, &got); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if diff := cmp.Diff(e, &got); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
		sameToStandardLibrary(t, e, text)
	}
}

func sameToStandardLibrary(t *testing.T, e *Event, text []byte) {
	t.Helper()
	standard, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	if err := json.Unmarshal(standard, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	delete(b, "category_uid")
	delete(b, "type_uid")
	for _, m := range e.Extra {
		delete(b, m.Name)
	}
	// A nested object whose parts are all empty is left out by us and
	// sometimes written as {} by encoding/json.
	if diff := cmp.Diff(prune(a), prune(b)); diff != "" {
		t.Fatalf("(-encoding/json +ours)\n%s", diff)
	}
	var back Event
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	back.Extra = e.Extra
	if diff := cmp.Diff(e, &back); diff != "" {
		t.Fatalf("encoding/json reads (-want +got)\n%s", diff)
	}
}

func prune(v any) any {
	if m, ok := v.(map[string]any); ok {
		for k, x := range m {
			if m[k] = prune(x); k != "product" {
				if inner, ok := m[k].(map[string]any); ok && len(inner) == 0 {
					delete(m, k)
				}
			}
		}
	}
	return v
}

func TestUnknownMembersAreKept(t *testing.T) {
	in := `{"class_uid":3002,"zeta":{"b" : [1, 2]},"actor":{"user":{"name":"u","domain":"CORP"},"process":{"pid":4},"session":{"uid":"s1","issuer":"idp"}},
		"web_resources":[{"uid":"a"},{"uid":"b","data":{"x":1}}],"alpha":"é","severity_id":"High","status_id":1.0,"time":1.7e12,
		"api":{"service":{"name":"fhir","uid":"7"}},"unmapped":{"own":1,"actor.process":"taken"},"zeta":2,"src_endpoint":"10.0.0.1","dst_endpoint":{"port":"443"},
		"user":null,"resources":{"uid":"one"},"http_request":{"url":{"url_string":"https://h/p","hostname":"h"}},"message":{"x":1}}`
	var e Event
	if err := Decode([]byte(in), &e); err != nil {
		t.Fatal(err)
	}
	want := Event{
		ClassUID: Authentication, StatusID: 1, Time: 1700000000000,
		Actor:        Actor{User: User{Account: "u"}, Session: "s1"},
		WebResources: []Resource{{UID: "a"}, {UID: "b"}}, Resources: []Resource{{UID: "one"}},
		API: &API{Service: "fhir"}, SrcEndpoint: Endpoint{IP: "10.0.0.1"}, DstEndpoint: Endpoint{Port: 443},
		HTTPRequest: &HTTPRequest{URL: "https://h/p"},
		Unmapped: RawJSON(`{"own":1,"actor.process":"taken","actor.user.domain":"CORP","actor.process (2)":{"pid":4},` +
			`"actor.session.issuer":"idp","web_resources[1].data":{"x":1},"severity_id":"High","api.service.uid":"7",` +
			`"http_request.url.hostname":"h","message":{"x":1}}`),
		Extra: []Member{{Name: "zeta", Value: RawJSON(`2`)}, {Name: "alpha", Value: RawJSON(`"é"`)}},
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, in := range []string{``, `[]`, `7`, `{`, `{"class_uid":}`, `{"a":1}x`, `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`} {
		var e Event
		if err := Decode([]byte(in), &e); err == nil {
			t.Errorf("%.20q: no error", in)
		}
	}
}

func TestDecodedEventSharesNothing(t *testing.T) {
	data := []byte(strings.Replace(accessJSON, `"patient"`, `"other":{"k":"v"},"unmapped":{"u":1},"patient"`, 1))
	var e Event
	if err := Decode(data, &e); err != nil {
		t.Fatal(err)
	}
	before := string(e.AppendJSON(nil))
	for i := range data {
		data[i] = 'X'
	}
	if string(e.AppendJSON(nil)) != before {
		t.Error("the event changed with its source")
	}
}

func TestExtraNeverRepeatsAKnownMember(t *testing.T) {
	e := Event{Extra: []Member{{Name: "time", Value: RawJSON("5")}, {Name: "ok", Value: RawJSON("1")}}}
	if text := string(e.AppendJSON(nil)); strings.Contains(text, `"time":5`) || !strings.HasSuffix(text, `,"ok":1}`) {
		t.Error(text)
	}
}

// checkDecode holds what must be true of any text: decoded and written, it is
// valid JSON in UTF-8, and from then on nothing changes any more.
func checkDecode(t *testing.T, data []byte) {
	var e, again Event
	if Decode(data, &e) != nil {
		return
	}
	text := e.AppendJSON(nil)
	if !json.Valid(text) || !utf8.Valid(text) {
		t.Fatalf("not JSON: %q", text)
	}
	if err := Decode(text, &again); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if diff := cmp.Diff(e, again); diff != "" {
		t.Fatalf("(-first +second)\n%s", diff)
	}
	if second := again.AppendJSON(nil); !bytes.Equal(text, second) {
		t.Fatalf("no fixed point:\n%s\n%s", text, second)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(accessJSON))
	f.Add([]byte(`{"actor":{"x":{"y":1}},"unmapped":"text","care":[{"keys":[{"kind":"phone","z":1}]}],"x":"\ud800"}`))
	f.Add([]byte(`{"time":"5","user":{},"access":{},"metadata":[1],"roles":null,"unmapped":{}}`))
	r := rand.New(rand.NewPCG(3, 4))
	for range 10 {
		f.Add(randomEvent(r).AppendJSON(nil))
	}
	f.Fuzz(checkDecode)
}

func BenchmarkAppend(b *testing.B) {
	var e Event
	if err := Decode([]byte(accessJSON), &e); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 2048)
	b.SetBytes(int64(len(accessJSON)))
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, kind := range []string{"once", "batch"} {
		b.Run(kind, func(b *testing.B) {
			d := &Decoder{}
			if kind == "batch" {
				d = NewDecoder()
			}
			data := []byte(accessJSON)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				var e Event
				if err := d.Decode(data, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
