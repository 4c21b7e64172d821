package lake

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// A frame turns events into records and back without loss: the canonical
// JSON of an event that went through a record is the same, byte for byte.
//
// It holds one event with all its optional parts present, and pointers to
// the members that are columns. What is left after the columns have been
// taken out is the record's rest. Where a column cannot hold a member
// exactly (several resources, a list with separators in it) the column keeps
// what is useful for questions and the rest keeps the member; when reading,
// the rest wins.
type frame struct {
	ev    ocsf.Event
	parts parts
	texts [numTexts]*string // nil: handled apart (lists, resources, rest)
	empty []byte            // canonical JSON of the zero event
	buf   []byte
}

// parts are the optional parts of an event.
type parts struct {
	api      ocsf.API
	http     ocsf.HTTPRequest
	query    ocsf.QueryInfo
	database ocsf.Named
	table    ocsf.Named
	file     ocsf.File
	user     ocsf.User
	patient  ocsf.Patient
	access   ocsf.Access
}

func newFrame() *frame {
	f := &frame{}
	f.empty = f.ev.AppendJSON(nil)
	e, p := &f.ev, &f.parts
	f.texts = [numTexts]*string{
		textUID: &e.Metadata.UID, textVersion: &e.Metadata.Version,
		textProduct: &e.Metadata.Product.Name, textVendor: &e.Metadata.Product.VendorName,
		textProductVersion: &e.Metadata.Product.Version, textLogName: &e.Metadata.LogName,
		textSource: &e.Metadata.LogProvider, textOriginalTime: &e.Metadata.OriginalTime,
		textCorrelation: &e.Metadata.CorrelationUID, textEventCode: &e.Metadata.EventCode,
		textPerson: &e.Actor.User.UID, textAccount: &e.Actor.User.Account,
		textPersonName: &e.Actor.User.FullName, textPersonType: &e.Actor.User.Type,
		textOrg: &e.Actor.User.Org, textApp: &e.Actor.AppName, textSession: &e.Actor.Session,
		textSrcIP: &e.SrcEndpoint.IP, textSrcHost: &e.SrcEndpoint.Hostname, textSrcName: &e.SrcEndpoint.Name,
		textDstIP: &e.DstEndpoint.IP, textDstHost: &e.DstEndpoint.Hostname, textDstName: &e.DstEndpoint.Name,
		textDeviceName: &e.Device.Name, textDeviceUID: &e.Device.UID, textDeviceIP: &e.Device.IP,
		textDeviceHost: &e.Device.Hostname, textDeviceMAC: &e.Device.MAC,
		textMessage: &e.Message, textStatusCode: &e.StatusCode, textStatusDetail: &e.StatusDetail,
		textRawData: &e.RawData,
		textPatient: &p.patient.UID, textEncounter: &p.patient.Encounter,
		textUserUID: &p.user.UID, textUserName: &p.user.Account,
		textOperation: &p.api.Operation, textService: &p.api.Service,
		textHTTPUID: &p.http.UID, textHTTPMethod: &p.http.Method, textURL: &p.http.URL,
		textUserAgent: &p.http.UserAgent,
		textQuery:     &p.query.Text, textDatabase: &p.database.Name, textTable: &p.table.Name,
		textFileName: &p.file.Name, textFilePath: &p.file.Path,
		textDocument: &p.access.Document, textReason: &p.access.Reason, textHalfOf: &p.access.HalfOf,
	}
	return f
}

// load copies ev into the frame; members behind pointers are copied too, and
// lists are shared but never written.
func (f *frame) load(ev *ocsf.Event) {
	f.ev = *ev
	f.parts = parts{
		api: deref(ev.API), http: deref(ev.HTTPRequest), query: deref(ev.QueryInfo),
		database: deref(ev.Database), table: deref(ev.Table), file: deref(ev.File),
		user: deref(ev.User), patient: deref(ev.Patient), access: deref(ev.Access),
	}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// flatten fills r from row. The strings of r may share memory with the event.
func (f *frame) flatten(row Row, r *record) {
	ev := row.Event
	*r = record{}
	f.load(ev)
	f.ev.Explanation = nil
	before := f.present()
	for i, p := range f.texts {
		if p != nil && *p != "" {
			r.texts[i], *p = *p, ""
		}
	}
	f.takeInts(r)
	f.takeLists(r)
	r.ints[intSeq], r.ints[intIndex] = int64(row.Seq), int64(row.Index)
	if ev.Explanation != nil {
		setExplanation(r, ev.Explanation)
	}
	f.link(ev, before)
	f.buf = f.ev.AppendJSON(f.buf[:0])
	if !bytes.Equal(f.buf, f.empty) {
		r.texts[textRest] = string(f.buf)
	}
}

func (f *frame) takeInts(r *record) {
	e, p := &f.ev, &f.parts
	r.ints[intTime], e.Time = e.Time, 0
	r.ints[intClass], e.ClassUID = int64(e.ClassUID), 0
	r.ints[intActivity], e.ActivityID = int64(e.ActivityID), 0
	r.ints[intSeverity], e.SeverityID = int64(e.SeverityID), 0
	r.ints[intStatus], e.StatusID = int64(e.StatusID), 0
	r.ints[intLogged], e.Metadata.LoggedTime = e.Metadata.LoggedTime, 0
	r.ints[intQueryRows], p.query.Rows = p.query.Rows, 0
	r.ints[intBreakGlass], p.access.BreakGlass = truth(p.access.BreakGlass), false
	r.ints[intIncidental], p.access.Incidental = truth(p.access.Incidental), false
	for _, c := range e.DataClassifications {
		r.ints[intLevel] = max(r.ints[intLevel], int64(c.Level))
	}
}

// takeLists takes lists of words, the one resource, and the unmapped fields.
func (f *frame) takeLists(r *record) {
	e, p := &f.ev, &f.parts
	r.texts[textRoles] = takeList(&e.Actor.User.Roles)
	r.texts[textProfiles] = takeList(&e.Metadata.Profiles)
	r.texts[textPurpose] = takeList(&p.access.Purpose)
	r.texts[textUnmapped], e.Unmapped = string(e.Unmapped), nil
	list := e.WebResources
	if len(list) == 0 {
		list = e.Resources
	}
	if len(list) == 0 {
		return
	}
	x := list[0]
	r.texts[textResourceType], r.texts[textResourceUID], r.texts[textResourceName] = x.Type, x.UID, x.Name
	exact := len(e.WebResources) == 1 && len(e.Resources) == 0 && len(x.Labels) == 0 && x.Count == 0
	if exact && (x.Type != "" || x.UID != "" || x.Name != "") {
		e.WebResources = nil
	}
}

// link restores the nil pointers: a part disappears when it was absent, or
// when the columns took all there was in it.
func (f *frame) link(ev *ocsf.Event, before presence) {
	after := f.present()
	e, p := &f.ev, &f.parts
	e.API = keep(ev.API, &p.api, before.api, after.api)
	e.HTTPRequest = keep(ev.HTTPRequest, &p.http, before.http, after.http)
	e.QueryInfo = keep(ev.QueryInfo, &p.query, before.query, after.query)
	e.Database = keep(ev.Database, &p.database, before.database, after.database)
	e.Table = keep(ev.Table, &p.table, before.table, after.table)
	e.File = keep(ev.File, &p.file, before.file, after.file)
	e.User = keep(ev.User, &p.user, before.user, after.user)
	e.Patient = keep(ev.Patient, &p.patient, before.patient, after.patient)
	e.Access = keep(ev.Access, &p.access, before.access, after.access)
}

func keep[T any](original, part *T, before, after bool) *T {
	if original == nil || before && !after {
		return nil
	}
	return part
}

// presence says which parts hold anything.
type presence struct {
	api, http, query, database, table, file, user, patient, access bool
}

func (f *frame) present() presence {
	p := &f.parts
	return presence{
		api: p.api != ocsf.API{}, http: p.http != ocsf.HTTPRequest{}, query: p.query != ocsf.QueryInfo{},
		database: p.database != ocsf.Named{}, table: p.table != ocsf.Named{}, file: p.file != ocsf.File{},
		user:    userPresent(&p.user),
		patient: p.patient.UID != "" || p.patient.Encounter != "" || len(p.patient.AltUIDs) > 0,
		access:  accessPresent(&p.access),
	}
}

func userPresent(u *ocsf.User) bool {
	return u.UID != "" || u.Account != "" || u.FullName != "" || u.Type != "" || u.Org != "" || len(u.Roles) > 0
}

func accessPresent(a *ocsf.Access) bool {
	return len(a.Purpose) > 0 || a.BreakGlass || a.Reason != "" || a.Incidental || a.HalfOf != "" || a.Document != ""
}

// setExplanation needs the record's time.
func setExplanation(r *record, x *ocsf.Explanation) {
	// 1: not explained, 2: explained; null: no explanation was asked for.
	r.ints[intExplained] = 1 + truth(x.Explained)
	r.ints[intWeak] = truth(x.Weak)
	r.ints[intExplainedLag] = x.At - r.ints[intTime]
	r.texts[textKind] = x.Kind
	r.texts[textBecause] = joinList(x.Because)
	r.texts[textArgs] = joinList(x.Args)
}

// restore builds the event of a record.
func (f *frame) restore(r *record) (*ocsf.Event, error) {
	var rest ocsf.Event
	if t := r.texts[textRest]; t != "" {
		if err := ocsf.Decode([]byte(t), &rest); err != nil {
			return nil, fmt.Errorf("rest of event %d/%d: %w", r.ints[intSeq], r.ints[intIndex], err)
		}
	}
	f.load(&rest)
	for i, p := range f.texts {
		if p != nil && r.texts[i] != "" {
			*p = r.texts[i]
		}
	}
	f.putInts(r)
	f.putLists(r)
	f.ev.Explanation = restoreExplanation(r)
	ev := f.ev
	f.unlink(&rest, &ev)
	return &ev, nil
}

func (f *frame) putInts(r *record) {
	e, p := &f.ev, &f.parts
	e.Time = r.ints[intTime]
	e.ClassUID = ocsf.Class(r.ints[intClass])
	e.ActivityID = int(r.ints[intActivity])
	e.SeverityID = int(r.ints[intSeverity])
	e.StatusID = int(r.ints[intStatus])
	e.Metadata.LoggedTime = r.ints[intLogged]
	p.query.Rows = r.ints[intQueryRows]
	p.access.BreakGlass = r.ints[intBreakGlass] != 0
	p.access.Incidental = r.ints[intIncidental] != 0
}

func (f *frame) putLists(r *record) {
	e, p := &f.ev, &f.parts
	putList(&e.Actor.User.Roles, r.texts[textRoles])
	putList(&e.Metadata.Profiles, r.texts[textProfiles])
	putList(&p.access.Purpose, r.texts[textPurpose])
	if t := r.texts[textUnmapped]; t != "" {
		e.Unmapped = ocsf.RawJSON(t)
	}
	x := ocsf.Resource{Type: r.texts[textResourceType], UID: r.texts[textResourceUID], Name: r.texts[textResourceName]}
	if len(e.WebResources) == 0 && len(e.Resources) == 0 && (x.Type != "" || x.UID != "" || x.Name != "") {
		e.WebResources = []ocsf.Resource{x}
	}
}

// unlink gives ev its own copies of the parts that hold anything.
func (f *frame) unlink(rest, ev *ocsf.Event) {
	p, has := f.parts, f.present()
	ev.API = own(rest.API, p.api, has.api)
	ev.HTTPRequest = own(rest.HTTPRequest, p.http, has.http)
	ev.QueryInfo = own(rest.QueryInfo, p.query, has.query)
	ev.Database = own(rest.Database, p.database, has.database)
	ev.Table = own(rest.Table, p.table, has.table)
	ev.File = own(rest.File, p.file, has.file)
	ev.User = own(rest.User, p.user, has.user)
	ev.Patient = own(rest.Patient, p.patient, has.patient)
	ev.Access = own(rest.Access, p.access, has.access)
}

func own[T any](rest *T, part T, has bool) *T {
	if rest == nil && !has {
		return nil
	}
	return &part
}

func restoreExplanation(r *record) *ocsf.Explanation {
	if r.ints[intExplained] == 0 {
		return nil
	}
	return &ocsf.Explanation{
		Explained: r.ints[intExplained] == 2,
		Weak:      r.ints[intWeak] != 0,
		At:        r.ints[intTime] + r.ints[intExplainedLag],
		Kind:      r.texts[textKind],
		Because:   SplitList(r.texts[textBecause]),
		Args:      SplitList(r.texts[textArgs]),
	}
}

// separator joins lists in a column. Explanations escape it; a list of an
// event that contains it (or an empty word) stays in the rest as well.
const separator = ";"

func takeList(list *[]string) string {
	if len(*list) == 0 {
		return ""
	}
	joined := strings.Join(*list, separator)
	if !slices.ContainsFunc(*list, func(s string) bool { return s == "" || strings.Contains(s, separator) }) {
		*list = nil
	}
	return joined
}

func putList(list *[]string, joined string) {
	if len(*list) == 0 && joined != "" {
		*list = strings.Split(joined, separator)
	}
}

// joinList joins a list of an explanation so that SplitList gives it back.
func joinList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	if len(list) == 1 && list[0] == "" {
		return `\0`
	}
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(escapeWord(s))
	}
	return b.String()
}

func escapeWord(s string) string {
	if !strings.ContainsAny(s, `\;`) {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `;`, `\;`)
}

// SplitList reads a list as the columns because and args hold it: joined by
// ";", with "\" before a ";" or "\" that belongs to a word, and "\0" for a list
// of one empty word.
func SplitList(joined string) []string {
	if joined == "" {
		return nil
	}
	if joined == `\0` {
		return []string{""}
	}
	if !strings.Contains(joined, `\`) {
		return strings.Split(joined, separator)
	}
	return splitEscaped(joined)
}

func splitEscaped(joined string) []string {
	var list []string
	var word []byte
	for i := 0; i < len(joined); i++ {
		switch c := joined[i]; {
		case c == '\\' && i+1 < len(joined):
			i++
			word = append(word, joined[i])
		case c == ';':
			list = append(list, string(word))
			word = word[:0]
		default:
			word = append(word, c)
		}
	}
	return append(list, string(word))
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
