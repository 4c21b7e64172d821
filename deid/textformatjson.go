package deid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/jsonscan"
)

// ownMost is how much of an object is looked through for its record number.
const ownMost = 1 << 20

// cleanJSON rewrites JSON and lines of it, value by value.
func (v *textValues) cleanJSON(ctx context.Context, in classify.Source, out io.Writer) error {
	learn := &jsonCleaner{textValues: v, learning: true}
	if err := eachJSON(ctx, in, func(value []byte) error { return learn.run(value) }); err != nil {
		return notJSON(err)
	}
	j := &jsonCleaner{textValues: v}
	v.report.Records = 0
	return notJSON(eachJSON(ctx, in, func(value []byte) error {
		v.known.reset()
		if err := j.run(value); err != nil {
			return err
		}
		if len(bytes.TrimSpace(value)) > 0 {
			v.report.Records++
		}
		if _, err := out.Write(j.out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}))
}

func notJSON(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read JSON to be cleaned, which must be whole and valid; correct it, or leave it out: %w", err)
}

// json cleans JSON that stands in a value.
func (v *textValues) json(value []byte) ([]byte, error) {
	j := &jsonCleaner{textValues: v}
	err := j.run(value)
	return j.out, err
}

// jsonCleaner rewrites one JSON text; what is no string or number keeps its
// bytes.
type jsonCleaner struct {
	*textValues
	learning bool
	s        jsonscan.Scanner
	data     []byte
	copied   int
	out      []byte
	room     []byte
}

func (j *jsonCleaner) run(data []byte) error {
	j.out, j.copied = j.out[:0], 0
	if len(bytes.TrimSpace(bytes.TrimPrefix(data, byteOrderMark))) == 0 {
		j.out = append(j.out, data...)
		return nil
	}
	if bytes.HasPrefix(data, byteOrderMark) {
		data = data[len(byteOrderMark):]
		j.out = append(j.out, byteOrderMark...)
	}
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8, which JSON must be")
	}
	j.data = data
	j.s.Reset(data)
	before := j.patient
	for more := true; more; more = j.s.Kind() != jsonscan.None { // one after another
		j.any(classify.None, "")
	}
	j.patient = before
	if err := j.s.End(); err != nil {
		return err
	}
	j.flush(len(data))
	return nil
}

func (j *jsonCleaner) flush(to int) {
	if !j.learning && to > j.copied {
		j.out = append(j.out, j.data[j.copied:to]...)
	}
	j.copied = max(j.copied, to)
}

func (j *jsonCleaner) put(from, to int, text []byte) {
	j.flush(from)
	if !j.learning {
		j.out = append(j.out, text...)
	}
	j.copied = to
}

// any rewrites a value; kind and field are those of the key it stands under.
func (j *jsonCleaner) any(kind classify.Kind, field string) {
	switch j.s.Kind() {
	case jsonscan.Object:
		j.object(kind, field)
	case jsonscan.Array:
		for l := j.s.List(); j.s.More(&l); {
			j.any(kind, field)
		}
	case jsonscan.String:
		j.text(kind, field)
	case jsonscan.Number:
		j.number(kind, field)
	default:
		j.s.Skip()
	}
}

func (j *jsonCleaner) object(outer classify.Kind, above string) {
	before := j.patient
	said := j.look()
	if !j.s.Object() {
		return
	}
	for {
		at := j.s.Pos()
		name, ok := j.s.Member()
		if !ok {
			break
		}
		field := string(name)
		j.key(at, j.s.Pos(), name)
		kind := j.heading(field)
		switch {
		case kind == classify.None && said != classify.None && isValueKey(field):
			kind = said
		case kind == classify.None && passesDown(outer, above):
			kind = outer
		}
		j.any(kind, field)
	}
	j.patient = before
}

// passesDown says whether a key speaks for what stands deeper: a name does for
// its parts, "patient" does not.
func passesDown(kind classify.Kind, field string) bool {
	field = strings.ToLower(field)
	switch kind {
	case classify.None, classify.Unique:
		return false
	case classify.Name:
		return strings.Contains(field, "name") || strings.Contains(field, "名")
	}
	return true
}

// look reads the members of the object to come for whose it is, and, where a
// member names the field another one holds, for what that says.
func (j *jsonCleaner) look() (said classify.Kind) {
	s := j.s
	if !s.Object() {
		return classify.None
	}
	begun, mine := s.Pos(), false
	for s.Pos()-begun < ownMost {
		name, ok := s.Member()
		if !ok {
			break
		}
		field := string(name)
		if s.Kind() != jsonscan.String && s.Kind() != jsonscan.Number {
			s.Skip()
			continue
		}
		value := s.Text()
		switch {
		case !mine && j.heading(field) == classify.MRN:
			j.about(value)
			mine = true
		case isFieldKey(field) && said == classify.None && len(value) <= 96:
			said = j.heading(string(value))
		}
	}
	return said
}

func isFieldKey(key string) bool {
	switch strings.ToLower(key) {
	case "key", "field", "label", "column", "name", "code", "title", "item", "字段", "项目", "名称":
		return true
	}
	return false
}

func isValueKey(key string) bool {
	key = strings.ToLower(key)
	return strings.HasPrefix(key, "value") || key == "val" || key == "text" || key == "content" || key == "data" || key == "值" || key == "内容"
}

// key rewrites a key that names somebody.
func (j *jsonCleaner) key(at, to int, name []byte) {
	if j.learning {
		return
	}
	from := at + bytes.IndexByte(j.data[at:to], '"')
	end := from + bytes.LastIndexByte(j.data[from:to], '"') + 1
	out := j.textValues.key(nil, name)
	if !bytes.Equal(out, name) {
		j.put(from, end, jsonscan.AppendString(nil, out))
	}
}

func (j *jsonCleaner) text(kind classify.Kind, field string) {
	j.s.Kind() // moves over white space
	from := j.s.Pos()
	value, plain := j.s.Inside()
	if j.s.Err() != nil {
		return
	}
	if !plain {
		value = jsonscan.Unescape(nil, value)
	}
	if j.learning {
		j.learn(kind, value)
		return
	}
	// A label that says what the value beside it is, is no name.
	if kind == classify.Name && isFieldKey(field) && j.heading(string(value)) != classify.None {
		return
	}
	if out := j.clean(j.room[:0], kind, field, value); !bytes.Equal(out, value) {
		j.put(from, j.s.Pos(), jsonscan.AppendString(nil, out))
	}
}

// number rewrites a number; what stands for it is a string where it is none
// itself.
func (j *jsonCleaner) number(kind classify.Kind, field string) {
	j.s.Kind()
	from := j.s.Pos()
	value := j.s.Raw()
	if j.s.Err() != nil || j.learning {
		return
	}
	if kind == classify.Age || kind == classify.None && strings.EqualFold(field, "age") {
		if out := bytes.TrimLeft(TopCodeAge(value), "0"); !bytes.Equal(out, value) && len(out) > 0 {
			j.put(from, j.s.Pos(), out)
			j.report.Count(Generalise, classify.Age)
		}
		return
	}
	out := j.clean(nil, kind, field, value)
	if bytes.Equal(out, value) {
		return
	}
	if !isNumber(out) {
		out = jsonscan.AppendString(nil, out)
	}
	j.put(from, j.s.Pos(), out)
}

func isNumber(text []byte) bool {
	var s jsonscan.Scanner
	s.Reset(text)
	if s.Kind() != jsonscan.Number {
		return false
	}
	s.Skip()
	return s.End() == nil
}
