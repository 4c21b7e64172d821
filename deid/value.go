package deid

import (
	"bytes"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
)

// work is one file being rewritten: the job, whom the values are about now, and
// what was counted.
type work struct {
	job     *Job
	report  *Report
	patient string
	known   known
}

// by applies a rule to one value.
func (w *work) by(r rule, dst, value []byte) ([]byte, error) {
	if blank(value) {
		return append(dst, value...), nil
	}
	from := len(dst)
	kind := r.kind
	if r.shape == contact {
		kind = contactKind(value)
	}
	var err error
	switch {
	case r.method == Text:
		return w.text(dst, value), nil
	case r.method == Pseudonym && r.kind == classify.Name && r.form != fullName:
		dst = w.job.Key.name(dst, string(value), r.form)
		w.report.Count(Pseudonym, classify.Name)
		w.job.Vault.remember(classify.Name, dst[from:], value)
	case r.shape == contact && r.method == Pseudonym:
		dst, err = w.contact(dst, kind, value)
	default:
		dst, err = w.job.Replace(dst, r.method, kind, value, w.patient, w.report)
	}
	if r.method != Keep && kind != classify.None && !isDate(kind) && kind != classify.ZIP && kind != classify.Age {
		w.known.add(kind, value, dst[from:])
	}
	return dst, err
}

// contact replaces what a person is reached by, its scheme ("tel:") kept.
func (w *work) contact(dst []byte, kind classify.Kind, value []byte) ([]byte, error) {
	for _, scheme := range []string{"tel:", "mailto:", "fax:", "sms:"} {
		if len(value) > len(scheme) && bytes.EqualFold(value[:len(scheme)], []byte(scheme)) {
			dst, value = append(dst, scheme...), value[len(scheme):]
			break
		}
	}
	return w.job.Replace(dst, Pseudonym, kind, value, w.patient, w.report)
}

func contactKind(value []byte) classify.Kind {
	switch {
	case bytes.IndexByte(value, '@') >= 0:
		return classify.Email
	case bytes.Contains(value, []byte("://")):
		return classify.URL
	}
	return classify.Phone
}

// tooShort is true for what cannot name anybody, and most fields are: two
// letters, or a number of three digits.
func tooShort(value []byte) bool {
	if len(value) > 3 {
		return false
	}
	for _, c := range value {
		if c >= utf8.RuneSelf || len(value) > 2 && !isDigit(c) {
			return false
		}
	}
	return true
}

// text cleans a free text: first of what the record's own fields name, then of
// what classify finds.
func (w *work) text(dst, value []byte) []byte {
	w.report.Count(Text, classify.None)
	if tooShort(value) && w.job.Scanner != nil {
		return append(dst, value...)
	}
	return w.job.clean(dst, value, w.patient, Pseudonym, w.report, w.known.find(value))
}
