package deid

import (
	"fmt"

	"github.com/cordon-health/cordon/classify"
)

// defaultNoise is how far a perturbed number moves, as a part of itself.
const defaultNoise = 0.05

// Replace appends what stands for a value of a kind by a method. The patient
// is the record number whose dates move together; without one a date leaves
// its year only. An empty value stays empty.
func (j *Job) Replace(dst []byte, m Method, kind classify.Kind, value []byte, patient string, r *Report) ([]byte, error) {
	if blank(value) {
		return dst, nil
	}
	from := len(dst)
	dst, err := j.replace(dst, m, kind, value, patient, r)
	if err != nil {
		return dst, err
	}
	r.Count(m, kind)
	if m == Pseudonym || m == Token {
		j.Vault.remember(kind, dst[from:], value)
	}
	return dst, nil
}

func (j *Job) replace(dst []byte, m Method, kind classify.Kind, value []byte, patient string, r *Report) ([]byte, error) {
	switch m {
	case Remove:
		return dst, nil
	case Redact:
		return mark(dst, kind.String()), nil
	case Hash:
		return append(dst, j.Key.Hash(kind, value)...), nil
	case Token:
		return append(dst, j.Key.Token(kind, string(value))...), nil
	case Pseudonym:
		if isDate(kind) {
			return j.shift(dst, kind, value, patient), nil
		}
		return append(dst, j.Key.Pseudonym(kind, value)...), nil
	case FPE:
		text, err := j.Key.Encrypt("value", string(value))
		return append(dst, text...), err
	case UID:
		return append(dst, j.Key.Identifier(string(value))...), nil
	case Generalise:
		return append(dst, generalise(kind, value)...), nil
	case Shift:
		return j.shift(dst, kind, value, patient), nil
	case Perturb:
		return append(dst, j.Key.Perturb(value, patient, defaultNoise)...), nil
	case Text:
		return j.Clean(dst, value, patient, Pseudonym, r), nil
	case Keep:
		return append(dst, value...), nil
	}
	return dst, fmt.Errorf("%w: method %s cannot be used here", ErrUsage, m)
}

func isDate(kind classify.Kind) bool { return kind == classify.Date || kind == classify.BirthDate }

// shift moves a date with its patient's others, or leaves its year where the
// patient is not known. The birth of somebody over 89 becomes the latest such
// one. What is no date leaves nothing.
func (j *Job) shift(dst []byte, kind classify.Kind, value []byte, patient string) []byte {
	if kind == classify.BirthDate {
		if out, old := j.topCodeBirth(dst, value); old {
			return out
		}
	}
	if patient == "" {
		return append(dst, generaliseDate(value)...)
	}
	out, ok := j.Key.ShiftDate(dst, value, patient)
	if !ok {
		return dst
	}
	return out
}

// topCodeBirth writes the first of January 90 years ago for whoever was born
// before it.
func (j *Job) topCodeBirth(dst, value []byte) ([]byte, bool) {
	d, ok := readDate(value)
	if !ok || d.parts[0] == (place{}) || j.Today.IsZero() {
		return dst, false
	}
	if d.short && d.year > j.Today.Year() {
		d.year -= 100 // nobody is born in the future
	}
	latest := j.Today.AddDate(-topAge, 0, 0)
	born := d
	if born.month == 0 {
		born.month = 12
	}
	t, ok := born.time()
	if !ok || t.After(latest) {
		return dst, false
	}
	d.short = false // 36 would not say which
	return d.write(dst, value, latest.AddDate(0, 1-int(latest.Month()), 1-latest.Day())), true
}

// generalise makes a value coarser by its kind; of a kind that has no coarser
// form nothing is left.
func generalise(kind classify.Kind, value []byte) []byte {
	switch kind {
	case classify.Date, classify.BirthDate:
		return generaliseDate(value)
	case classify.Age:
		return generaliseAge(value)
	case classify.ZIP:
		return generaliseZIP(value)
	case classify.Address:
		return []byte(province(string(value)))
	}
	return nil
}

// Clean appends a free text with what classify finds in it replaced: by
// pseudonyms and shifted dates, or with [Redact] by marks. Without a scanner
// nothing of the text is passed on.
func (j *Job) Clean(dst, text []byte, patient string, m Method, r *Report) []byte {
	return j.clean(dst, text, patient, m, r, nil)
}

// clean is Clean for a text in which some pieces are known beforehand.
func (j *Job) clean(dst, text []byte, patient string, m Method, r *Report, pieces []pinned) []byte {
	if j.Scanner == nil {
		return mark(dst, "text")
	}
	at := 0
	for _, p := range merge(pieces, j.Scanner.Scan(nil, text, classify.Redact)) {
		dst = append(dst, text[at:p.from]...)
		at = p.to
		if p.stand != nil && m != Redact {
			r.Count(m, p.kind)
			dst = append(dst, p.stand...)
			continue
		}
		dst = j.span(dst, m, p.kind, text[p.from:p.to], patient, r)
	}
	return append(dst, text[at:]...)
}

// identifies says whether a kind points at a person. A condition says what,
// not who; a credit code names an organisation.
func identifies(kind classify.Kind) bool {
	return kind != classify.None && kind != classify.Condition && kind != classify.USCC && kind != classify.Unread
}

// span replaces one piece of a text. Ages keep their words.
func (j *Job) span(dst []byte, m Method, kind classify.Kind, value []byte, patient string, r *Report) []byte {
	r.Count(m, kind)
	if m == Redact {
		return mark(dst, kind.String())
	}
	from := len(dst)
	switch {
	case kind == classify.Age:
		dst = append(dst, overAge(value)...)
	case isDate(kind):
		dst = j.shift(dst, kind, value, patient)
	default:
		dst = append(dst, j.Key.Pseudonym(kind, value)...)
		j.Vault.remember(kind, dst[from:], value)
	}
	if len(dst) == from {
		dst = mark(dst, kind.String())
	}
	return dst
}
