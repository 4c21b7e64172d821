package clinical

import (
	"bytes"
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/xmlscan"
)

// document reads XML of medicine: C-CDA and other HL7 v3, and FHIR.
type document struct{}

var _ classify.Reader = document{}

func (document) Name() string { return "clinical-xml" }

// Claims takes XML in one of HL7's namespaces.
func (document) Claims(_ string, b []byte) bool {
	b = head(b)
	return bytes.HasPrefix(b, []byte("<")) &&
		(bytes.Contains(b, []byte("urn:hl7-org:v3")) || bytes.Contains(b, []byte("http://hl7.org/fhir\"")) || bytes.Contains(b, []byte("http://hl7.org/fhir'")))
}

func (document) Read(ctx context.Context, src classify.Source, out classify.Sink) error {
	data, err := whole(src)
	if err != nil {
		out.Unread("", err)
		return nil
	}
	data = bytes.TrimPrefix(data, byteOrderMark)
	base := src.Size() - int64(len(data))
	data, wide := text(data)
	x := &xmlWalk{ctx: ctx, out: out, base: base, wide: wide, data: data, s: xmlscan.New(data), f: &resources{types: map[string]*node{}}, record: 1}
	for x.err == nil && x.s.Next(&x.t) {
		x.token()
	}
	if x.err != nil {
		return x.err
	}
	if err := x.s.Err(); err != nil {
		out.Unread("", err)
	}
	return ctx.Err()
}

// xmlWalk gives out the values of a document.
type xmlWalk struct {
	ctx    context.Context
	out    classify.Sink
	base   int64
	wide   bool
	data   []byte
	s      *xmlscan.Scanner
	t      xmlscan.Token
	f      *resources // its places
	record int64
	open   []level
	// narrative gathers the text of a section, from the depth where it began.
	narrative []byte
	within    int
	err       error
}

// level is an open element.
type level struct {
	n      *node
	fr     frame
	counts map[string]int
	base64 bool
}

func (x *xmlWalk) token() {
	switch x.t.Kind {
	case xmlscan.Start:
		x.start()
		if x.t.Empty {
			x.end()
		}
	case xmlscan.End:
		x.end()
	case xmlscan.Text:
		x.text(xmlscan.Decode(x.t.Body), x.t.Body)
	case xmlscan.CDATA:
		x.text(x.t.Body, x.t.Body)
	}
}

func (x *xmlWalk) start() {
	if len(x.open) == 0 {
		x.open = append(x.open, level{n: x.f.root(string(x.t.Name))})
		return
	}
	if x.ctx.Err() != nil {
		x.err = x.ctx.Err()
		return
	}
	parent := &x.open[len(x.open)-1]
	n := x.place(parent)
	if parent.n.name == "resource" || parent.n.name == "contained" {
		n = x.f.root(n.name)
		if parent.n.name == "resource" && len(x.open) > 1 {
			x.record++
		}
	}
	l := level{n: n, base64: string(x.t.Attr("representation")) == "B64"}
	if l.base64 {
		l.fr.form = string(x.t.Attr("mediaType"))
	}
	x.open = append(x.open, l)
	if x.within == 0 && (n.name == "div" || n.name == "text" && parent.n.name == "section") && !l.base64 {
		x.within = len(x.open)
	}
	if x.within > 0 {
		x.narrative = append(x.narrative, ' ')
	}
	x.attributes(n, parent)
}

// place is the node of the element, with a number from its second one on.
func (x *xmlWalk) place(parent *level) *node {
	n := x.f.child(parent.n, x.t.Name)
	if parent.counts == nil {
		parent.counts = map[string]int{}
	}
	i := parent.counts[n.name]
	if len(parent.counts) < 1024 {
		parent.counts[n.name] = i + 1
	}
	if i == 0 {
		return n
	}
	e := *n
	e.path += "[" + strconv.Itoa(i) + "]"
	return &e
}

// attributes gives out what attributes say about people: value, extension,
// root beside it, url and displayName are as in FHIR and C-CDA.
func (x *xmlWalk) attributes(n *node, parent *level) {
	value, kind := x.t.Attr("value"), n.kind
	switch n.role {
	case skipped:
		return
	case systemRole:
		parent.fr.kind = systemKind(value)
		return
	case codesRole:
		parent.fr.kind = codesKind(value)
		return
	case contentRole:
		parent.fr.form = string(value)
		return
	case referenceRole:
		parent.fr.person = personReference(value)
	case displayRole:
		if parent.fr.person {
			kind = classify.Name
		}
	case valueRole:
		if parent.fr.kind != classify.None {
			kind = parent.fr.kind
		}
	case dataRole:
		if len(value) > 0 && isBase64(value) {
			x.member(value, parent.fr.form)
			return
		}
	}
	if n.name == "code" && parent.n.name == "coding" && len(x.open) > 3 && x.open[len(x.open)-4].n.name == "identifier" {
		x.open[len(x.open)-4].fr.kind = identifierKind(string(value))
	}
	if k := cdaKind(n, parent.n.name, x); k != classify.None {
		kind = k
	}
	for _, a := range x.t.Attrs {
		if spoken(a.Name) && (kind != classify.None || len(a.Value) > 3) {
			x.give(n.path, string(a.Name), kind, xmlscan.Decode(a.Value), a.Value)
		}
	}
}

// spoken says which attributes may say something about a person; the others
// hold codes, types and object identifiers.
func spoken(name []byte) bool {
	switch string(name) {
	case "value", "extension", "displayName", "assigningAuthorityName", "url", "href", "title", "alt":
		return true
	}
	return false
}

// cdaKind is what C-CDA says about an element of a place.
func cdaKind(n *node, parent string, x *xmlWalk) classify.Kind {
	switch n.name {
	case "id":
		return cdaID(parent, string(x.t.Attr("root")))
	case "telecom":
		return cdaTelecom(string(x.t.Attr("value")))
	case "birthTime":
		return classify.BirthDate
	case "deceasedTime":
		return classify.Date
	}
	return classify.None
}

func cdaID(parent, root string) classify.Kind {
	if k := systemKind([]byte(root)); k != classify.None {
		return k
	}
	switch parent {
	case "patientRole", "patient":
		return classify.MRN
	case "encompassingEncounter", "encounter":
		return classify.Visit
	case "assignedAuthor", "assignedEntity", "assignedCustodian", "associatedEntity", "intendedRecipient":
		return classify.Licence
	case "order", "specimen", "observation", "act", "procedure":
		return classify.Accession
	case "participantRole", "playingDevice":
		return classify.Serial
	}
	return classify.None
}

func cdaTelecom(value string) classify.Kind {
	scheme, _, _ := strings.Cut(strings.ToLower(value), ":")
	switch scheme {
	case "mailto":
		return classify.Email
	case "fax":
		return classify.Fax
	case "http", "https":
		return classify.URL
	}
	if value == "" {
		return classify.None
	}
	return classify.Phone
}

// cdaText is the kind of an element's own text in C-CDA.
func cdaText(open []level) classify.Kind {
	n := open[len(open)-1].n
	above := ""
	if len(open) > 1 {
		above = open[len(open)-2].n.name
	}
	switch n.name {
	case "name":
		switch above {
		case "representedOrganization", "representedCustodianOrganization", "scopingOrganization", "serviceProviderOrganization", "manufacturerOrganization", "providerOrganization", "location":
			return classify.Organization
		}
		return classify.Name
	case "family", "given", "birthplace":
		return classify.Name
	case "streetAddressLine", "city", "county", "houseNumber", "streetName", "additionalLocator", "precinct":
		return classify.Address
	case "postalCode":
		return classify.ZIP
	}
	return classify.None
}

func (x *xmlWalk) text(decoded, raw []byte) {
	if len(x.open) == 0 || len(bytes.TrimSpace(decoded)) == 0 {
		return
	}
	top := &x.open[len(x.open)-1]
	switch {
	case top.base64:
		x.member(raw, top.fr.form)
	case x.within > 0:
		x.narrative = append(x.narrative, decoded...)
	default:
		x.give(top.n.path, top.n.name, cdaText(x.open), decoded, raw)
	}
}

func (x *xmlWalk) end() {
	if x.within > 0 {
		x.narrative = append(x.narrative, '\n')
		if x.within == len(x.open) {
			x.within = 0
			x.give(x.open[len(x.open)-1].n.path, "", classify.None, x.narrative, nil)
			x.narrative = x.narrative[:0]
		}
	}
	if len(x.open) > 0 {
		x.open = x.open[:len(x.open)-1]
	}
}

// give gives out a value; raw is where it stands in the text, nil for what was
// put together.
func (x *xmlWalk) give(path, field string, kind classify.Kind, value, raw []byte) {
	if len(value) == 0 || x.err != nil {
		return
	}
	p := classify.Part{Path: path, Field: field, Kind: kind, Record: x.record, Offset: -1, Wide: true, Text: value}
	if raw != nil && !x.wide {
		p.Offset = x.base + int64(cap(x.data)-cap(raw))
		p.Wide = len(raw) != len(value)
	}
	x.err = x.out.Part(p)
}

func (x *xmlWalk) member(raw []byte, form string) {
	if x.err == nil {
		x.err = x.out.Member(memberName("", form), base64.NewDecoder(base64.StdEncoding, skipSpace{bytes.NewReader(raw)}))
	}
}
