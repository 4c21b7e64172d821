package clinical

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/classify"
)

// shape is the data type of a field, as far as it says where what stands.
type shape uint8

const (
	plain    shape = iota // no identifier by itself: text for the engine
	person                // XPN: family, given, further
	staff                 // XCN: number, family, given, further
	home                  // XAD
	reach                 // XTN
	number                // CX, EI: a number that names somebody
	simple                // a value without components
	location              // PL: plain
	coded                 // CWE: a code, its text, the system's name; again for another system
)

// component is the kind of a component of a field of a kind.
func (s shape) component(c int, kind classify.Kind, value []byte) classify.Kind {
	switch {
	case s == person && c <= 3, s == staff && c >= 2 && c <= 4:
		return classify.Name
	case s == staff && c == 1:
		return classify.Licence
	case s == home && c <= 3, s == home && c == 8, s == home && c == 19:
		return classify.Address
	case s == home && c == 5:
		return classify.ZIP
	case s == reach && bytes.IndexByte(value, '@') >= 0:
		return classify.Email
	case s == reach && (c == 1 || c == 7 || c == 12) && len(value) > 3:
		return classify.Phone
	case s == coded && (c == 1 || c == 4):
		return classify.Condition
	case (s == number || s == simple) && c == 1:
		return kind
	}
	return classify.None
}

// segmentPlan is what is known of a segment's fields.
type segmentPlan struct {
	name   string
	fields []*fieldPlan // by number
}

type fieldPlan struct {
	path  string
	shape shape
	kind  classify.Kind
	parts []string // paths of components
}

// mostPlans bounds the segments and fields whose paths are remembered.
const mostPlans = 1024

// plan is the plan of a segment, made when it is first met.
func (m *messages) plan(name [3]byte) *segmentPlan {
	if p, ok := m.plans[name]; ok {
		return p
	}
	p := &segmentPlan{name: strings.ToValidUTF8(string(name[:]), "?")}
	for _, known := range knownFields(p.name) {
		p.fields = p.grow(known.n)
		p.fields[known.n] = &fieldPlan{path: p.name + "-" + strconv.Itoa(known.n), shape: known.shape, kind: known.kind}
	}
	if len(m.plans) < mostPlans {
		m.plans[name] = p
	}
	return p
}

func (p *segmentPlan) grow(n int) []*fieldPlan {
	for len(p.fields) <= n {
		p.fields = append(p.fields, nil)
	}
	return p.fields
}

func (p *segmentPlan) field(n int) *fieldPlan {
	if n < len(p.fields) && p.fields[n] != nil {
		return p.fields[n]
	}
	f := &fieldPlan{path: p.name + "-" + strconv.Itoa(n)}
	if n < mostPlans {
		p.fields = p.grow(n)
		p.fields[n] = f
	}
	return f
}

func (f *fieldPlan) component(c int) string {
	if c > 32 {
		return f.path + "." + strconv.Itoa(c)
	}
	for len(f.parts) < c {
		f.parts = append(f.parts, f.path+"."+strconv.Itoa(len(f.parts)+1))
	}
	return f.parts[c-1]
}

type knownField struct {
	n     int
	shape shape
	kind  classify.Kind
}

// knownFields reads one line of the table below.
func knownFields(segment string) (all []knownField) {
	for _, line := range strings.Split(fieldTable, "\n") {
		name, rest, _ := strings.Cut(line, " ")
		if name != segment {
			continue
		}
		for _, group := range strings.Fields(rest) {
			all = append(all, fieldGroup(group)...)
		}
	}
	return all
}

// fieldGroup reads "name:5,6,9".
func fieldGroup(group string) (all []knownField) {
	word, list, _ := strings.Cut(group, ":")
	f := knownField{shape: simple}
	switch word {
	case "name":
		f.shape, f.kind = person, classify.Name
	case "staff":
		f.shape, f.kind = staff, classify.Name
	case "home":
		f.shape, f.kind = home, classify.Address
	case "reach":
		f.shape, f.kind = reach, classify.Phone
	case "diagnosis":
		f.shape, f.kind = coded, classify.Condition
	default:
		f.kind, _ = classify.KindOf(word)
		if f.kind == classify.MRN || f.kind == classify.Account || f.kind == classify.Visit || f.kind == classify.Accession || f.kind == classify.HealthPlan {
			f.shape = number
		}
	}
	for _, n := range strings.Split(list, ",") {
		f.n, _ = strconv.Atoi(n)
		all = append(all, f)
	}
	return all
}

// fieldTable says which fields hold what: HL7 v2.8.2, chapters 3 to 15.
const fieldTable = `PID mrn:2,3,4,21 name:5,6,9 birth-date:7 home:11 reach:13,14,40 account-number:18 us-ssn:19 licence-number:20 address:23 date:29
PD1 staff:4 organization:3
NK1 name:2,26,30 home:4,32 reach:5,6,31,40,41 birth-date:16 account-number:12 mrn:33 us-ssn:37 organization:13
MRG mrn:1,2,4 account-number:3 visit-number:5,6 name:7
PV1 staff:7,8,9,17,52 visit-number:5,19,50
PV2 staff:13 organization:23
GT1 account-number:2,19 name:3,4,16,42,45 home:5,17 reach:6,7,18,46,52 birth-date:8 us-ssn:12 health-plan-number:29 organization:21
IN1 health-plan-number:2,8,36,49 organization:4 home:5,19,44 name:6,16,31 reach:7 birth-date:18
IN2 account-number:1 us-ssn:2 health-plan-number:6,8,10,25,26,61 name:7,9,22,40,50,52 reach:58,63,64
IN3 staff:8,14,25 reach:9,16,19
ACC address:2 staff:7 name:9
ORC accession-number:2,3,4,33 staff:10,11,12,19 reach:14,23 organization:21 home:22,24
OBR accession-number:2,3,18,19,20,21 staff:10,16,28,32,33,34,35 reach:17
OBX staff:16,25 device-serial:18
SPM accession-number:2,3
EVN staff:5
DG1 diagnosis:3 staff:16
PRB diagnosis:3
PR1 staff:8,11,12
ROL staff:4 home:11 reach:12
PRT staff:5 udi:10 home:14 reach:15
TXA staff:5,9,10,11,22 accession-number:12,13,14
SCH staff:12,16,20 reach:13,17,21 home:14,18,22
AIP staff:3
STF licence-number:2 name:3 birth-date:6 reach:10 home:11 email:15
CTD name:2 home:3 reach:5
FT1 diagnosis:19 staff:20,21
RXA staff:10
RXE staff:13,14
RXO staff:14
AUT staff:9
LAN name:2
PRA licence-number:6
CON name:16
PDC udi:13
DEV udi:3 device-serial:10
ISD name:9
QPD name:5
BLC accession-number:1
UB2 health-plan-number:9
DB1 account-number:3`
