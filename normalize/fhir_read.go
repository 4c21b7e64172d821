package normalize

import (
	"bytes"
	"strings"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// fhirReader reads the data types of FHIR. What it returns is part of the
// scanned text.
type fhirReader struct{ jsonscan.Scanner }

// coding is one code of one system.
type coding struct{ system, code, display []byte }

// is says whether the code is one of the given, in any letter case.
func (c coding) is(codes ...string) bool {
	for _, code := range codes {
		if len(code) == len(c.code) && strings.EqualFold(code, string(c.code)) {
			return true
		}
	}
	return false
}

// concept appends the codes of a Coding, a CodeableConcept, a
// CodeableReference or a bare code, and keeps a free text if there is one.
func (r *fhirReader) concept(dst []coding, text *[]byte) []coding {
	switch r.Kind() {
	case jsonscan.String:
		return append(dst, coding{code: r.Text()})
	case jsonscan.Array:
		for l := r.List(); r.More(&l); {
			dst = r.concept(dst, text)
		}
		return dst
	}
	if !r.Object() {
		return dst
	}
	var c coding
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "system":
			c.system = r.Text()
		case "display":
			c.display = r.Text()
		case "code":
			if r.Kind() == jsonscan.String {
				c.code = r.Text()
			} else {
				dst = r.concept(dst, text)
			}
		case "coding", "concept", "value":
			dst = r.concept(dst, text)
		case "text":
			if t := r.Text(); len(t) > 0 && text != nil {
				*text = t
			}
		default:
			r.Skip()
		}
	}
	if len(c.code) > 0 {
		dst = append(dst, c)
	}
	return dst
}

// identifier is a FHIR Identifier.
type identifier struct {
	system, value []byte
	// kind is the code of its type (MR, NI, VN, ...).
	kind []byte
}

func (r *fhirReader) identifier() (id identifier) {
	if !r.Object() {
		return id
	}
	var codes [4]coding
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "system":
			id.system = r.Text()
		case "value":
			id.value = r.Text()
		case "type":
			if kinds := r.concept(codes[:0], nil); len(kinds) > 0 {
				id.kind = kinds[0].code
			}
		default:
			r.Skip()
		}
	}
	return id
}

// national says whether the identifier is a national identity number, which
// is kept only as a token.
func (id identifier) national() bool {
	kind := strings.ToUpper(string(id.kind))
	switch kind {
	case "NI", "SS", "NIIP", "PPN", "DL", "CZ":
		return true
	}
	if strings.HasPrefix(kind, "NN") { // national person identifier of a country: NNCHN
		return true
	}
	return isResidentID(string(id.value))
}

// reference is a FHIR Reference.
type reference struct {
	identifier         identifier
	ref, kind, display []byte
}

func (r *fhirReader) reference() (ref reference) {
	switch r.Kind() {
	case jsonscan.String: // R5 drafts and mapped data write the reference alone
		ref.ref = r.Text()
		return ref
	case jsonscan.Array: // one is expected; the first counts
		for l := r.List(); r.More(&l); {
			if one := r.reference(); ref.empty() {
				ref = one
			}
		}
		return ref
	}
	if !r.Object() {
		return ref
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "identifier":
			ref.identifier = r.identifier()
		case "reference":
			if r.Kind() == jsonscan.Object { // CodeableReference
				ref = r.reference()
			} else {
				ref.ref = r.Text()
			}
		case "type":
			ref.kind = r.Text()
		case "display":
			ref.display = r.Text()
		default:
			r.Skip()
		}
	}
	return ref
}

func (ref reference) empty() bool {
	return len(ref.identifier.value) == 0 && len(ref.ref) == 0 && len(ref.display) == 0
}

// parts cuts a reference into type and id: "Patient/7", an absolute URL, with
// or without a version, "Patient?identifier=sys|7", "urn:uuid:...".
func (ref reference) parts() (kind, id []byte) {
	text := bytes.TrimSpace(ref.ref)
	if i := bytes.Index(text, []byte("/_history")); i >= 0 {
		text = text[:i]
	}
	if i := bytes.IndexByte(text, '?'); i >= 0 {
		kind, id = lastPart(text[:i]), text[i+1:]
		if i := bytes.LastIndexAny(id, "=|"); i >= 0 {
			id = id[i+1:]
		}
		return kind, id
	}
	if bytes.HasPrefix(text, []byte("urn:uuid:")) {
		return ref.kind, text[len("urn:uuid:"):]
	}
	id = bytes.TrimPrefix(lastPart(text), []byte("#"))
	if head := bytes.TrimSuffix(text, id); len(head) > 1 && head[len(head)-1] == '/' {
		kind = lastPart(head[:len(head)-1])
	}
	if len(ref.kind) > 0 {
		kind = ref.kind
	}
	return kind, id
}

func (ref reference) last() string {
	_, id := ref.parts()
	return string(id)
}

// to says whether the reference is to a resource of that type.
func (ref reference) to(kind string) bool {
	k, _ := ref.parts()
	return string(k) == kind
}

func lastPart(b []byte) []byte { return b[bytes.LastIndexByte(b, '/')+1:] }

// period is a FHIR Period, as text.
type period struct{ start, end []byte }

func (r *fhirReader) period() (p period) {
	if !r.Object() {
		return p
	}
	for name, ok := r.Member(); ok; name, ok = r.Member() {
		switch string(name) {
		case "start":
			p.start = r.Text()
		case "end":
			p.end = r.Text()
		default:
			r.Skip()
		}
	}
	return p
}
