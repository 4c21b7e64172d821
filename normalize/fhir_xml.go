package normalize

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// eachXML hands out the XML documents of an input one by one: they may follow
// each other, with or without a declaration before each.
func eachXML(data []byte, doc func(one []byte)) {
	for len(data) > 0 {
		n := xmlEnd(data)
		doc(data[:n])
		data = bytes.TrimLeft(data[n:], " \t\r\n")
	}
}

// xmlEnd is where the first document of data ends; all of it when broken.
func xmlEnd(data []byte) int {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = sameCharset
	depth := 0
	for {
		t, err := d.RawToken()
		if err != nil {
			return len(data)
		}
		switch t.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			if depth--; depth <= 0 {
				return int(d.InputOffset())
			}
		}
	}
}

// sameCharset: the text is UTF-8 by now, whatever its declaration says.
func sameCharset(_ string, input io.Reader) (io.Reader, error) { return input, nil }

// fhirXML turns a FHIR resource in XML into JSON. An element with a value is
// a string, a repeated element a repeated member, an element that holds a
// resource is that resource. Narrative is left out.
func fhirXML(doc []byte) ([]byte, error) {
	x := fhirXMLReader{d: xml.NewDecoder(bytes.NewReader(doc))}
	x.d.CharsetReader = sameCharset
	x.d.Entity = xml.HTMLEntity // narrative written for browsers
	for {
		t, err := x.d.Token()
		if err == io.EOF {
			return nil, errors.New("an XML text without an element")
		}
		if err != nil {
			return nil, xmlError(err)
		}
		if start, ok := t.(xml.StartElement); ok {
			err := x.resource(start)
			return x.out, err
		}
	}
}

// xmlError keeps the line and drops what encoding/xml quotes of the text.
func xmlError(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("invalid XML at line %d", syntax.Line)
	}
	return errors.New("invalid XML")
}

type fhirXMLReader struct {
	d     *xml.Decoder
	out   []byte
	depth int
}

// resource writes an element that names a resource.
func (x *fhirXMLReader) resource(start xml.StartElement) error {
	x.out = append(x.out, `{"resourceType":`...)
	x.out = jsonscan.AppendString(x.out, start.Name.Local)
	return x.members(start, false)
}

// members writes the attributes and children of an element up to its end, as
// members of an object that is already open.
func (x *fhirXMLReader) members(start xml.StartElement, empty bool) error {
	if x.depth++; x.depth > jsonscan.MaxDepth/2 {
		return errors.New("XML nested too deep")
	}
	for _, a := range start.Attr {
		if a.Name.Local == "id" || a.Name.Local == "url" {
			empty = x.name(a.Name.Local, empty)
			x.out = jsonscan.AppendString(x.out, a.Value)
		}
	}
	for {
		t, err := x.d.Token()
		if err != nil {
			return xmlError(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "text" && len(t.Attr) == 0 {
				if err := x.d.Skip(); err != nil {
					return xmlError(err)
				}
				continue
			}
			empty = x.name(t.Name.Local, empty)
			if err := x.element(t); err != nil {
				return err
			}
		case xml.EndElement:
			x.depth--
			x.out = append(x.out, '}')
			return nil
		}
	}
}

// name writes a member's name.
func (x *fhirXMLReader) name(name string, first bool) bool {
	if !first {
		x.out = append(x.out, ',')
	}
	x.out = append(jsonscan.AppendString(x.out, name), ':')
	return false
}

// element writes the value of an element.
func (x *fhirXMLReader) element(start xml.StartElement) error {
	for _, a := range start.Attr {
		if a.Name.Local == "value" {
			x.out = jsonscan.AppendString(x.out, a.Value)
			if err := x.d.Skip(); err != nil { // extensions of a primitive
				return xmlError(err)
			}
			return nil
		}
	}
	if start.Name.Local == "resource" || start.Name.Local == "contained" {
		return x.contained()
	}
	x.out = append(x.out, '{')
	return x.members(start, true)
}

// contained writes the one resource an element holds.
func (x *fhirXMLReader) contained() error {
	wrote := false
	for {
		t, err := x.d.Token()
		if err != nil {
			return xmlError(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if wrote {
				return errors.New("an element that holds two resources")
			}
			wrote = true
			if err := x.resource(t); err != nil {
				return err
			}
		case xml.EndElement:
			if !wrote {
				x.out = append(x.out, `null`...)
			}
			return nil
		}
	}
}
