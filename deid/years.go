package deid

import (
	"bytes"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/internal/xmlscan"
)

// isYears is true for the units in which ages are measured: of UCUM, and as
// people write them.
func isYears(unit string) bool {
	return slices.Contains([]string{"a", "yr", "yrs", "y", "year", "years", "岁", "周岁", "年"}, strings.ToLower(strings.TrimSpace(unit)))
}

// isAge is true for the code, or the words, of an observation that is an age:
// the LOINC codes of age, and the word itself.
func isAge(code, words string) bool {
	if slices.Contains([]string{"30525-0", "21612-7", "29553-5", "63900-5", "21611-9", "35659-2", "39016-1", "63932-8"}, code) {
		return true
	}
	words = strings.ToLower(words)
	return strings.Contains(words, "年龄") || slices.Contains(strings.FieldsFunc(words, notInWord), "age")
}

// inYears looks ahead, in a quantity that was just entered, whether its value
// is a number of years; an age without a unit is one.
func inYears(name string, s jsonscan.Scanner) bool {
	age := strings.HasSuffix(name, "Age") || name == "age"
	if !age && !strings.HasSuffix(name, "Quantity") {
		return false
	}
	unit, years := false, false
	for {
		member, ok := s.Member()
		if !ok {
			return years || age && !unit
		}
		if n := string(member); n == "unit" || n == "code" {
			unit, years = true, years || isYears(string(s.Text()))
			continue
		}
		s.Skip()
	}
}

// inYears is the same for the quantity that begins at the current token.
func (x *xmlWriter) inYears() bool {
	name := string(x.t.Name)
	age := strings.HasSuffix(name, "Age")
	if x.form != fhirXML || !age && !strings.HasSuffix(name, "Quantity") {
		return false
	}
	unit, years := false, false
	x.ahead(func(open []string, t *xmlscan.Token) {
		if t.Kind == xmlscan.Start && len(open) == 2 && (open[1] == "unit" || open[1] == "code") {
			unit, years = true, years || isYears(string(xmlscan.Decode(t.Attr("value"))))
		}
	})
	return years || age && !unit
}

// ageAttribute says whether an attribute of the current tag is a number of
// years that may be an age.
func (x *xmlWriter) ageAttribute(a *xmlscan.Attr) bool {
	if string(a.Name) != "value" {
		return false
	}
	if x.form == cdaXML {
		return isYears(string(x.t.Attr("unit")))
	}
	return string(x.t.Name) == "value" && len(x.open) > 0 && x.open[len(x.open)-1].years
}

// askedAge is true where OBX-3 asks for an age.
func askedAge(value []byte, d hl7.Delimiters) bool {
	code, words, _ := bytes.Cut(value, []byte{d.Component})
	return isAge(string(code), string(words))
}
