package deid

import (
	"bytes"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/jsonscan"
)

// fieldScanner is a [Scanner] that also knows what headings and keys say of
// their values; [classify.Engine] is one.
type fieldScanner interface {
	Value(dst []classify.Span, hint classify.Kind, field string, value []byte, mode classify.Mode) []classify.Span
	Heading(field string) classify.Kind
}

// mostNested is how deep formats may stand in the values of formats, mostKinds
// how many headings are remembered.
const mostNested, mostKinds = 4, 1 << 14

// textValues cleans the values of one structured file for a text profile: what
// the field says, then what the value says, then the names the file gave
// elsewhere.
type textValues struct {
	*textProfile
	job     *Job
	report  *Report
	patient string
	names   *textNames
	known   known
	kinds   map[string]classify.Kind
	spans   []classify.Span
	nested  int
}

func (p *textProfile) values(name string, job *Job, r *Report) *textValues {
	v := &textValues{textProfile: p, job: job, report: r, names: newTextNames(), kinds: map[string]classify.Kind{}}
	v.patient = p.ownerOf(name, job)
	return v
}

// ownerOf is the patient the job or the file's name gives.
func (p *textProfile) ownerOf(name string, job *Job) string {
	if job.Patient == "" && p.byName {
		return strings.TrimSuffix(name, extension(name))
	}
	return job.Patient
}

// about says whose the next record is, where neither job nor file says it.
func (v *textValues) about(number []byte) {
	if v.job.Patient == "" && !v.byName {
		v.patient = string(bytes.TrimSpace(number))
	}
}

// heading is the kind a field's name says of its values.
func (v *textValues) heading(field string) classify.Kind {
	if kind, ok := v.kinds[field]; ok {
		return kind
	}
	kind := headingAlso(field)
	if s, ok := v.job.Scanner.(fieldScanner); ok && kind == classify.None {
		kind = s.Heading(field)
	}
	if !identifies(kind) {
		kind = classify.None
	}
	if len(v.kinds) < mostKinds {
		v.kinds[field] = kind
	}
	return kind
}

// headingAlso knows keys that are no headings of tables: those of FHIR and of
// programs that write words together.
func headingAlso(field string) classify.Kind {
	switch strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(field)) {
	case "family", "given", "forename", "lastname", "firstname", "fullname", "middlename", "givenname", "familyname", "nickname", "displayname", "姓", "名":
		return classify.Name
	case "birthdate", "dateofbirth":
		return classify.BirthDate
	case "phonenumber", "mobilenumber", "cellphone", "telephone", "telecom", "tel", "phone", "mobile":
		return classify.Phone
	case "streetaddressline", "streetaddress", "addressline":
		return classify.Address
	case "mrn", "patientid", "medicalrecordnumber", "patientnumber":
		return classify.MRN
	}
	return classify.None
}

// nameFormOf says which part of a name a field holds.
func nameFormOf(field string) nameForm {
	switch strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(field)) {
	case "family", "lastname", "familyname", "surname", "姓":
		return familyName
	case "given", "firstname", "givenname", "forename", "middlename", "名":
		return givenName
	}
	return fullName
}

// learn remembers the names of a field before the file is written.
func (v *textValues) learn(kind classify.Kind, value []byte) {
	if kind == classify.Name && len(value) <= mostTextName {
		v.names.learn(value, []classify.Span{{End: len(value), Kind: classify.Name, Confidence: sureName}})
	}
}

// clean appends what may leave of a value that its field says is of a kind.
func (v *textValues) clean(dst []byte, kind classify.Kind, field string, value []byte) []byte {
	from, to := inner(value)
	if from == to {
		return append(dst, value...)
	}
	dst = append(dst, value[:from]...)
	core := value[from:to]
	switch {
	case v.whole(kind, core):
		dst = v.replace(dst, v.surer(kind, core), nameFormOf(field), core)
	case hasEncoded(core):
		dst = v.replace(dst, classify.None, fullName, core)
	default:
		dst = v.inside(dst, field, core)
	}
	return append(dst, value[to:]...)
}

// inner is where a value lies within its blanks.
func inner(value []byte) (from, to int) {
	to = len(value)
	for from < to && value[from] <= ' ' {
		from++
	}
	for to > from && value[to-1] <= ' ' {
		to--
	}
	return from, to
}

// whole says whether a value is replaced as a whole because of its field.
func (v *textValues) whole(kind classify.Kind, value []byte) bool {
	switch {
	case kind == classify.None || isNothing(value):
		return false
	case kind == classify.Age:
		return false // its text says whether it is over 89
	case isDate(kind):
		return bytes.ContainsAny(value, "0123456789")
	}
	return !(value[0] == '{' || value[0] == '[' && len(value) > 1) || !v.isJSON(value)
}

// isNothing is true for what stands in fields nobody filled in.
func isNothing(value []byte) bool {
	switch strings.ToLower(string(value[:min(len(value), 16)])) {
	case "null", "none", "nil", "n/a", "na", "unknown", "-", "--", "无", "不详", "未知", "未提供", "true", "false":
		return true
	}
	return false
}

// surer is the kind that a value's own check digits prove, else its field's.
func (v *textValues) surer(kind classify.Kind, value []byte) classify.Kind {
	if s, ok := v.job.Scanner.(fieldScanner); ok && len(value) <= 64 {
		v.spans = s.Value(v.spans[:0], kind, "", value, classify.Redact)
		if len(v.spans) == 1 && v.spans[0].Start == 0 && v.spans[0].End == len(value) && identifies(v.spans[0].Kind) {
			return v.spans[0].Kind
		}
	}
	return kind
}

// inside cleans a value by what stands in it, which may be of a format again.
func (v *textValues) inside(dst []byte, field string, value []byte) []byte {
	v.nested++
	defer func() { v.nested-- }()
	switch {
	case v.nested > mostNested:
		return v.replace(dst, classify.None, fullName, value)
	case (value[0] == '{' || value[0] == '[') && v.isJSON(value):
		if out, err := v.json(value); err == nil {
			return append(dst, out...)
		}
		return v.replace(dst, classify.None, fullName, value)
	case hasMarkup(value):
		return append(dst, v.markup(value, false)...)
	}
	return v.scan(dst, field, value)
}

func (v *textValues) isJSON(value []byte) bool {
	var s jsonscan.Scanner
	s.Reset(value)
	s.Skip()
	return s.End() == nil
}

// find gives the pieces of a text that name somebody, in order.
func (v *textValues) find(kind classify.Kind, field string, text []byte) []pinned {
	if s, ok := v.job.Scanner.(fieldScanner); ok {
		v.spans = s.Value(v.spans[:0], kind, field, text, classify.Redact)
	} else {
		v.spans = v.job.Scanner.Scan(v.spans[:0], text, classify.Redact)
	}
	v.names.learn(text, v.spans)
	v.spans = v.names.again(v.spans, text)
	return merge(v.known.find(text), v.spans)
}

func (v *textValues) scan(dst []byte, field string, text []byte) []byte {
	at := 0
	for _, p := range v.find(classify.None, field, text) {
		dst = append(dst, text[at:p.from]...)
		dst = v.piece(dst, p, text[p.from:p.to])
		at = p.to
	}
	return append(dst, text[at:]...)
}

// piece replaces one of the pieces found.
func (v *textValues) piece(dst []byte, p pinned, value []byte) []byte {
	if p.stand != nil {
		v.report.Count(v.method, p.kind)
		return append(dst, p.stand...)
	}
	return v.put(dst, p.kind, fullName, value)
}

// replace puts something in the place of a whole value, which is looked for in
// the texts of its record from now on.
func (v *textValues) replace(dst []byte, kind classify.Kind, form nameForm, value []byte) []byte {
	from := len(dst)
	dst = v.put(dst, kind, form, value)
	if kind != classify.None && !isDate(kind) && kind != classify.ZIP && kind != classify.Age {
		v.known.add(kind, value, dst[from:])
	}
	return dst
}

func (v *textValues) put(dst []byte, kind classify.Kind, form nameForm, value []byte) []byte {
	switch {
	case v.method == Redact && v.mask:
		v.report.Count(Redact, kind)
		return maskLetters(dst, value)
	case v.method == Redact:
		v.report.Count(Redact, kind)
		return append(append(append(dst, '['), textMark(kind)...), ']')
	case kind == classify.None:
		v.report.Count(Remove, kind)
		return mark(dst, "")
	case kind == classify.Name && form != fullName:
		from := len(dst)
		v.report.Count(Pseudonym, kind)
		dst = v.job.Key.name(dst, string(value), form)
		v.job.Vault.remember(kind, dst[from:], value)
		return dst
	}
	return v.job.span(dst, Pseudonym, kind, value, v.patient, v.report)
}

// key appends what may leave of a key or heading: words that are no field's
// name may be somebody's, and numbers are.
func (v *textValues) key(dst []byte, name []byte) []byte {
	if v.heading(string(name)) != classify.None || blank(name) {
		return append(dst, name...)
	}
	at := 0
	for _, p := range v.find(classify.None, "", name) {
		words := p.kind == classify.Name || p.kind == classify.Address || p.kind == classify.Organization
		if words && p.to-p.from < len(bytes.TrimSpace(name)) {
			continue
		}
		dst = append(dst, name[at:p.from]...)
		dst = v.piece(dst, p, name[p.from:p.to])
		at = p.to
	}
	return append(dst, name[at:]...)
}
