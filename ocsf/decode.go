package ocsf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"slices"
	"strconv"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// Decode reads one JSON object into e, which is overwritten and shares no
// memory with data. Nothing is lost on the way: a top-level member this
// package does not know goes to Extra, a member of an inner object, or a value
// of a type that does not fit, to Unmapped under its path ("actor.user.domain").
// Of members with the same name the last counts. null is the same as absent.
func Decode(data []byte, e *Event) error {
	var d Decoder
	return d.Decode(data, e)
}

// Decoder decodes many events and keeps one copy of strings that come again
// and again: accounts, sources, kinds. It is not safe for concurrent use; the
// zero value decodes without that memory.
type Decoder struct {
	s     jsonscan.Scanner
	kept  []Member
	words []string
}

// NewDecoder makes a Decoder that remembers some hundreds of strings.
func NewDecoder() *Decoder { return &Decoder{words: make([]string, 1024)} }

// Decode does what the function Decode does.
func (d *Decoder) Decode(data []byte, e *Event) error {
	*e = Event{}
	d.kept = d.kept[:0]
	d.s.Reset(data)
	if d.s.Kind() != jsonscan.Object {
		return errors.New("an OCSF event must be a JSON object")
	}
	d.s.Object()
	for name, ok := d.s.Member(); ok; name, ok = d.s.Member() {
		if !d.head(e, name) && !d.things(e, name) && !d.own(e, name) {
			d.extra(e, name)
		}
	}
	if err := d.s.End(); err != nil {
		return err
	}
	if len(d.kept) > 0 {
		e.Unmapped = mergeUnmapped(e.Unmapped, d.kept)
	}
	return nil
}

// topLevel says whether a top-level member has a place in Event.
func topLevel(name string) bool {
	switch name {
	case "class_uid", "category_uid", "type_uid", "activity_id", "severity_id", "status_id", "status_code", "status_detail",
		"time", "message", "metadata", "actor", "user", "src_endpoint", "dst_endpoint", "device", "api", "http_request",
		"web_resources", "resources", "query_info", "database", "table", "file", "data_classifications",
		"patient", "access", "care", "explanation", "unmapped", "raw_data":
		return true
	}
	return false
}

// head reads the members that classify an event; false is none of them.
func (d *Decoder) head(e *Event, name []byte) bool {
	switch string(name) {
	case "class_uid":
		e.ClassUID = Class(d.number("", name, 0, math.MaxUint32))
	case "category_uid", "type_uid": // follow from class and activity
		d.s.Skip()
	case "activity_id":
		e.ActivityID = d.integer("", name)
	case "severity_id":
		e.SeverityID = d.integer("", name)
	case "status_id":
		e.StatusID = d.integer("", name)
	case "status_code":
		e.StatusCode = d.text("", name)
	case "status_detail":
		e.StatusDetail = d.text("", name)
	case "time":
		d.time(e)
	case "message":
		e.Message = d.text("", name)
	case "metadata":
		e.Metadata = Metadata{}
		d.metadata(&e.Metadata, "metadata")
	case "raw_data":
		e.RawData = d.text("", name)
	case "unmapped":
		d.unmapped(e)
	default:
		return false
	}
	return true
}

// time reads the time in ms. One written as text is kept as what OCSF calls
// time_dt: which zone it means, the reader knows.
func (d *Decoder) time(e *Event) {
	if d.s.Kind() == jsonscan.String {
		start := d.s
		if _, err := strconv.ParseFloat(string(d.s.Text()), 64); err != nil {
			d.s = start
			d.extra(e, []byte("time_dt"))
			return
		}
		d.s = start
	}
	e.Time = d.number("", []byte("time"), math.MinInt64, math.MaxInt64)
}

// things reads who, where and what; false is none of them.
func (d *Decoder) things(e *Event, name []byte) bool {
	switch string(name) {
	case "actor":
		e.Actor = Actor{}
		d.actor(&e.Actor, "actor")
	case "user":
		e.User = one(d, d.user, "user")
	case "src_endpoint":
		e.SrcEndpoint = Endpoint{}
		d.endpoint(&e.SrcEndpoint, "src_endpoint")
	case "dst_endpoint":
		e.DstEndpoint = Endpoint{}
		d.endpoint(&e.DstEndpoint, "dst_endpoint")
	case "device":
		e.Device = Endpoint{}
		d.endpoint(&e.Device, "device")
	case "api":
		e.API = one(d, d.api, "api")
	case "http_request":
		e.HTTPRequest = one(d, d.httpRequest, "http_request")
	case "web_resources":
		e.WebResources = all(d, d.resource, "web_resources")
	case "resources":
		e.Resources = all(d, d.resource, "resources")
	case "query_info":
		e.QueryInfo = one(d, d.queryInfo, "query_info")
	case "database":
		e.Database = one(d, d.named, "database")
	case "table":
		e.Table = one(d, d.named, "table")
	case "file":
		e.File = one(d, d.file, "file")
	case "data_classifications":
		e.DataClassifications = all(d, d.classification, "data_classifications")
	default:
		return false
	}
	return true
}

// own reads the members of the "cordon" extension; false is none of them.
func (d *Decoder) own(e *Event, name []byte) bool {
	switch string(name) {
	case "patient":
		e.Patient = one(d, d.patient, "patient")
	case "access":
		e.Access = one(d, d.access, "access")
	case "care":
		e.Care = all(d, d.fact, "care")
	case "explanation":
		e.Explanation = one(d, d.explanation, "explanation")
	default:
		return false
	}
	return true
}

// extra keeps a member nobody knows; a later one of the same name replaces it.
func (d *Decoder) extra(e *Event, name []byte) {
	value := RawJSON(jsonscan.AppendCompact(nil, d.s.Raw()))
	for i := range e.Extra {
		if e.Extra[i].Name == string(name) {
			e.Extra[i].Value = value
			return
		}
	}
	e.Extra = append(e.Extra, Member{Name: string(name), Value: value})
}

// unmapped reads the source's own members. What is not an object is wrapped
// into one.
func (d *Decoder) unmapped(e *Event) {
	kind := d.s.Kind()
	value := jsonscan.AppendCompact(nil, d.s.Raw())
	switch {
	case kind == jsonscan.Null || string(value) == "{}":
		e.Unmapped = nil
	case kind == jsonscan.Object:
		e.Unmapped = value
	default:
		e.Unmapped = slices.Concat([]byte(`{"value":`), value, []byte{'}'})
	}
}

// keep moves a value without a place to Unmapped.
func (d *Decoder) keep(path string, name []byte) {
	full := string(name)
	if path != "" {
		full = path + "." + full
	}
	raw := d.s.Raw()
	if string(raw) != "null" && d.s.Err() == nil {
		d.kept = append(d.kept, Member{Name: full, Value: jsonscan.AppendCompact(nil, raw)})
	}
}

// mergeUnmapped adds members to an object; a name that is taken gets a number.
func mergeUnmapped(object RawJSON, members []Member) RawJSON {
	taken := memberNames(object)
	out := []byte{'{'}
	if len(object) > 0 {
		out = append(out[:0], object[:len(object)-1]...)
	}
	for _, m := range members {
		name := m.Name
		for n := 2; slices.Contains(taken, name); n++ {
			name = m.Name + " (" + strconv.Itoa(n) + ")"
		}
		taken = append(taken, name)
		if out[len(out)-1] != '{' {
			out = append(out, ',')
		}
		out = append(jsonscan.AppendString(out, name), ':')
		out = append(out, m.Value...)
	}
	return append(out, '}')
}

func memberNames(object []byte) (names []string) {
	var s jsonscan.Scanner
	s.Reset(object)
	if len(object) == 0 || !s.Object() {
		return nil
	}
	for name, ok := s.Member(); ok; name, ok = s.Member() {
		names = append(names, string(name))
		s.Skip()
	}
	return names
}

// text reads a string, a number or a truth value as text.
func (d *Decoder) text(path string, name []byte) string {
	switch d.s.Kind() {
	case jsonscan.Object, jsonscan.Array:
		d.keep(path, name)
		return ""
	}
	return d.word(d.s.Text())
}

// number reads a number, also one in a string, within bounds; a fraction is
// cut off.
func (d *Decoder) number(path string, name []byte, least, most int64) int64 {
	start := d.s
	text := d.s.Text()
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		f, floatErr := strconv.ParseFloat(string(text), 64)
		if floatErr != nil || f != f || f >= 1<<63 || f < -1<<63 {
			d.s = start
			d.keep(path, name)
			return 0
		}
		n = int64(f)
	}
	if n < least || n > most {
		d.s = start
		d.keep(path, name)
		return 0
	}
	return n
}

func (d *Decoder) integer(path string, name []byte) int {
	return int(d.number(path, name, math.MinInt32, math.MaxInt32))
}

func (d *Decoder) int64(path string, name []byte) int64 {
	return d.number(path, name, math.MinInt64, math.MaxInt64)
}

// flag reads a truth value; anything but true and false is kept.
func (d *Decoder) flag(path string, name []byte) bool {
	if d.s.Kind() != jsonscan.Bool {
		d.keep(path, name)
		return false
	}
	return d.s.Bool()
}

// texts reads an array of strings; a lone string is an array of one.
func (d *Decoder) texts(path string, name []byte) (list []string) {
	for l := d.s.List(); d.s.More(&l); {
		switch d.s.Kind() {
		case jsonscan.Object:
			if list = append(list, d.nameOf(path, name)); list[len(list)-1] == "" {
				list = list[:len(list)-1]
			}
		case jsonscan.Array, jsonscan.Null:
			d.keep(path, name)
		default:
			if list == nil {
				list = make([]string, 0, 2)
			}
			list = append(list, d.word(d.s.Text()))
		}
	}
	return list
}

// nameOf reads what OCSF has as an object and this package as a string: the
// name (or uid) stands for it, its other members are kept.
func (d *Decoder) nameOf(path string, name []byte) (text string) {
	inner := string(name)
	if path != "" {
		inner = path + "." + inner
	}
	if d.s.Kind() != jsonscan.Object {
		return d.text(path, name)
	}
	var uid string
	d.s.Object()
	for member, ok := d.s.Member(); ok; member, ok = d.s.Member() {
		switch string(member) {
		case "name", "url_string":
			text = d.text(inner, member)
		case "uid":
			uid = d.text(inner, member)
		default:
			d.keep(inner, member)
		}
	}
	switch {
	case text == "":
		return uid
	case uid != "":
		d.kept = append(d.kept, Member{Name: inner + ".uid", Value: jsonscan.AppendString(nil, uid)})
	}
	return text
}

// one reads an object behind a pointer; null is nil.
func one[T any](d *Decoder, read func(*T, string), path string) *T {
	if d.s.Kind() == jsonscan.Null {
		d.s.Skip()
		return nil
	}
	v := new(T)
	read(v, path)
	return v
}

// all reads an array of objects; a lone object is an array of one.
func all[T any](d *Decoder, read func(*T, string), path string) (list []T) {
	for l := d.s.List(); d.s.More(&l); {
		if d.s.Kind() == jsonscan.Null {
			d.s.Skip()
			continue
		}
		list = append(list, *new(T))
		read(&list[len(list)-1], path+index(len(list)-1))
	}
	return list
}

// index is the suffix of a path for an element of a list; without an
// allocation for the frequent ones.
func index(i int) string {
	const small = "[0][1][2][3][4][5][6][7][8][9]"
	if i < 10 {
		return small[3*i : 3*i+3]
	}
	return "[" + strconv.Itoa(i) + "]"
}

// word is the string of b: a constant for the vocabulary, a remembered copy,
// or a new one.
func (d *Decoder) word(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if w := vocabulary(b); w != "" {
		return w
	}
	if d.words == nil || len(b) > 64 {
		return string(b)
	}
	slot := &d.words[hash(b)%uint32(len(d.words))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}

// hash mixes the length and both ends; it only chooses a slot.
func hash(b []byte) uint32 {
	var head, tail uint64
	if len(b) >= 8 {
		head, tail = binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[len(b)-8:])
	} else {
		for _, c := range b {
			head = head<<8 | uint64(c)
		}
	}
	h := (head ^ tail<<1 ^ uint64(len(b))<<56) * 0x9e3779b97f4a7c15
	return uint32(h >> 40)
}

// vocabulary is the words most events share.
func vocabulary(b []byte) string {
	switch string(b) {
	case Version:
		return Version
	case "fhir-auditevent":
		return "fhir-auditevent"
	case "hl7v2":
		return "hl7v2"
	case "atna":
		return "atna"
	case "syslog":
		return "syslog"
	case "read":
		return "read"
	case "search-type":
		return "search-type"
	case "0":
		return "0"
	case "TREAT":
		return "TREAT"
	case "Patient":
		return "Patient"
	case "Observation":
		return "Observation"
	case "DocumentReference":
		return "DocumentReference"
	case "DiagnosticReport":
		return "DiagnosticReport"
	case "MedicationRequest":
		return "MedicationRequest"
	case "Encounter":
		return "Encounter"
	}
	return ""
}

// address fills an endpoint that is given as a bare string.
func (p *Endpoint) address(text string) {
	if _, err := netip.ParseAddr(text); err == nil {
		p.IP = text
	} else {
		p.Hostname = text
	}
}

// members walks the next object. A bare string is handed to lone where a
// type has an obvious meaning for it; other values are kept.
func (d *Decoder) members(path string, lone *string, member func(name []byte) bool) {
	switch d.s.Kind() {
	case jsonscan.Object:
	case jsonscan.String:
		if lone != nil {
			*lone = d.word(d.s.Text())
			return
		}
		fallthrough
	default:
		outer, name := splitPath(path)
		d.keep(outer, []byte(name))
		return
	}
	d.s.Object()
	for name, ok := d.s.Member(); ok; name, ok = d.s.Member() {
		if !member(name) {
			d.keep(path, name)
		}
	}
}

func splitPath(path string) (outer, name string) {
	if i := bytes.LastIndexByte([]byte(path), '.'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}
