package deid

import (
	"bytes"
	"slices"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/xmlscan"
)

// linkXML learns from a resource or bundle in XML which record number belongs
// to which id, as linkFile does from JSON.
func linkXML(in classify.Source, links *Links) error {
	data, _, err := readXML(in)
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte("<Patient")) {
		return nil
	}
	s := xmlscan.New(data)
	var t xmlscan.Token
	var full string
	for s.Next(&t) {
		if t.Kind != xmlscan.Start {
			continue
		}
		switch string(t.Name) {
		case "entry":
			full = ""
		case "fullUrl":
			full = string(xmlscan.Decode(t.Attr("value")))
		case "Patient":
			p := patientXML{}
			p.read(data[t.From:])
			links.Add(p.id, p.number)
			links.Add(bareID(full), p.number)
		}
	}
	return s.Err()
}

// patientXML is what a Patient in XML says about itself.
type patientXML struct {
	id, number string
	sure       bool // the number's type says that it is the record number

	value  string // of the identifier being read
	record bool
}

// read walks the Patient with which data begins.
func (p *patientXML) read(data []byte) {
	eachXML(data, func(open []string, t *xmlscan.Token) {
		path, value := open[1:], string(xmlscan.Decode(t.Attr("value")))
		switch {
		case t.Kind != xmlscan.Start:
		case len(path) == 1 && path[0] == "id":
			p.id = value
		case len(path) > 0 && path[0] == "identifier":
			p.identifier(path[1:], value)
		}
	})
	p.take()
}

func (p *patientXML) identifier(path []string, value string) {
	switch {
	case len(path) == 0:
		p.take()
	case len(path) == 1 && path[0] == "value":
		p.value = value
	case slices.Equal(path, []string{"type", "coding", "code"}):
		p.record = p.record || isRecordNumber(value)
	}
}

// take chooses the identifier just read if none is better: the first, or the
// first whose type is that of a record number.
func (p *patientXML) take() {
	if p.value != "" && (p.number == "" || p.record && !p.sure) {
		p.number, p.sure = p.value, p.record
	}
	p.value, p.record = "", false
}

// eachXML walks the element with which a document begins, with the names of
// what is open in it.
func eachXML(data []byte, visit func(open []string, t *xmlscan.Token)) {
	s := xmlscan.New(data)
	var t xmlscan.Token
	var open []string
	for s.Next(&t) {
		switch t.Kind {
		case xmlscan.Start:
			open = append(open, string(t.Name))
			visit(open, &t)
			if t.Empty {
				open = open[:len(open)-1]
			}
		case xmlscan.Text:
			visit(open, &t)
		case xmlscan.End:
			open = open[:len(open)-1]
		}
		if len(open) == 0 && (t.Kind == xmlscan.End || t.Empty) {
			return
		}
	}
}
