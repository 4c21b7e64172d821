package deid

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/classify"
)

// FuzzKeyFile: no file makes the reader stumble, and a key that is read is the
// one its id names.
func FuzzKeyFile(f *testing.F) {
	const secret = "K5Hj1mJ3p7o2c0b9d8e7f6a5s4d3f2g1h0j9k8l7z6w="
	for _, text := range []string{"version: 1\nid: K-AAAAAAAA\nsuite: standard\nsecret: " + secret + "\n", "version: 2\n", "secret: [", "suite: sm\nversion: 1\nkeep_weekdays: true\nsecret: AAAA\n", ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := parseKey(data)
		if err == nil && !strings.Contains(string(data), k.ID()[2:]) {
			t.Errorf("a key of id %s from %q", k.ID(), data)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error quotes the secret: %v", err)
		}
	})
}

// FuzzXML: documents in XML, C-CDA and FHIR, end in XML or in an error, and a
// name that a field holds does not pass.
func FuzzXML(f *testing.F) {
	f.Add([]byte(cdaText))
	f.Add([]byte(fhirXMLPatient))
	f.Add([]byte(`<Bundle xmlns="http://hl7.org/fhir"><entry><fullUrl value="urn:uuid:1"/><resource><Patient><identifier><value value="7"/></identifier></Patient></resource></entry></Bundle>`))
	profiles := []Profile{openProfile(f, "cda"), openProfile(f, "fhir")}
	job := testJob(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range profiles {
			var out bytes.Buffer
			if _, err := p.Apply(t.Context(), classify.BytesSource("x", data), &out, job); err != nil || !wellFormed(data) {
				continue
			}
			if data := bytes.TrimSpace(out.Bytes()); len(data) > 0 && data[0] == '<' && !wellFormed(data) {
				t.Errorf("%s made no XML of\n%q\n%q", p.Name(), data, out.Bytes())
			}
		}
	})
}

func wellFormed(data []byte) bool {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errors.ErrUnsupported }
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			return false
		}
	}
}
