package normalize

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// device is one record of a device or application, read as fields. Its event
// takes what the usual keys say, in CEF's, LEEF's and Chinese spellings: who
// (suser, usrName, user, 用户), whom (duser), from where (src, shost), what
// (act, fname, request, sql), with which outcome, and about which patient.
// All other fields are kept in Unmapped under their own names, except those
// that hold a patient's demographics: they are kept as tokens.
type device struct {
	n        *Normalizer
	line     syslogLine
	received int64

	format                   string
	vendor, product, version string
	signature, name          string
	severity                 int
	fields                   []field
	// text is what stood outside of the fields.
	text string
}

func (d *device) setHeader(vendor, product, version, signature, name string) {
	d.vendor, d.product, d.version, d.signature, d.name = vendor, product, version, signature, name
}

// plain brings a key to the form used below: lower case without "_", "-",
// "." and blanks.
func plain(key string) string {
	return strings.Map(func(c rune) rune {
		switch c {
		case '_', '-', '.', ' ', '@':
			return -1
		}
		return c
	}, strings.ToLower(key))
}

// take returns the first non-empty value of the keys, given in plain form,
// and removes that field.
func (d *device) take(keys ...string) string {
	for _, key := range keys {
		for i, f := range d.fields {
			if f.value != "" && f.value != "-" && f.name == key {
				d.fields = append(d.fields[:i:i], d.fields[i+1:]...)
				return f.value
			}
		}
	}
	return ""
}

// has says whether a field with one of the keys is there.
func (d *device) has(keys ...string) bool {
	for _, f := range d.fields {
		for _, key := range keys {
			if f.value != "" && f.name == key {
				return true
			}
		}
	}
	return false
}

// event makes the event of the record.
func (d *device) event() *ocsf.Event {
	for i := range d.fields {
		d.fields[i].name = plain(d.fields[i].key)
	}
	d.windows()
	e := &ocsf.Event{SeverityID: d.severity}
	if e.SeverityID == 0 {
		e.SeverityID = severityOf(d.line.Severity)
	}
	d.setTime(e)
	d.setSource(e)
	patient := d.patient()
	action := d.take("act", "action", "operation", "operationtype", "optype", "op", "操作", "操作类型", "动作", "行为")
	words := strings.ToLower(strings.Join([]string{action, d.name, d.signature, d.category(), d.text}, " "))
	d.setPeople(e)
	d.setEndpoints(e)
	d.setOutcome(e, words)
	if patient != nil {
		e.Patient = patient
		e.Access = d.access()
	}
	e.QueryInfo = d.search()
	named := d.demographics()
	d.setClass(e, action, words)
	d.traceDevice(e)
	d.setMessage(e, action, named)
	e.Unmapped = d.unmapped(action)
	return e
}

// category is the device's own words for the kind of event, left in place.
func (d *device) category() string {
	var words string
	for _, f := range d.fields {
		switch f.name {
		case "cat", "category", "type", "eventtype", "eventname", "logtype", "module", "msg", "message", "description", "事件类型", "类型", "事件":
			words += " " + f.value
		}
	}
	return words
}

// setTime takes the record's own time before that of the syslog header.
func (d *device) setTime(e *ocsf.Event) {
	e.Time = d.line.at(d.received)
	e.Metadata.OriginalTime = d.line.TimeText
	text := d.take("rt", "devicereceipttime", "end", "start", "devtime", "eventtime", "timestamp", "datetime",
		"logtime", "opertime", "operatetime", "accesstime", "time", "时间", "操作时间")
	if text == "" {
		return
	}
	if ms, zoned, ok := deviceTime(text, d.n.zone, d.received); ok {
		e.Time, e.Metadata.OriginalTime = ms, ""
		if !zoned {
			e.Metadata.OriginalTime = text
		}
	}
}

// deviceTime reads the times devices write: seconds or milliseconds since
// 1970, ISO 8601, "Jan 02 2006 15:04:05", and the like with and without year
// and zone.
func deviceTime(text string, zone *time.Location, received int64) (ms int64, zoned, ok bool) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789.") == "" {
		switch {
		case n >= 1e8 && n < 1e10:
			return int64(n * 1000), true, true
		case n >= 1e11 && n < 1e13:
			return int64(n), true, true
		}
	}
	if t, ok := hl7.ParseTime(text, zone); ok && t.Digits >= 8 {
		return t.Millis, t.Instant(), true
	}
	if t, err := time.ParseInLocation("2006/1/2 15:04:05", text, zone); err == nil {
		return t.UnixMilli(), false, true
	}
	for _, layout := range []string{"Jan _2 2006 15:04:05", "Jan _2 15:04:05"} {
		for _, tail := range []string{"", " MST", " -0700", " Z07:00"} {
			t, err := time.ParseInLocation(layout+tail, text, zone)
			if err != nil {
				continue
			}
			if t.Year() == 0 {
				return latest(t, received), tail != "", true
			}
			return t.UnixMilli(), tail != "", true
		}
	}
	return 0, false, false
}

// setSource names the device and the event's own id and code.
func (d *device) setSource(e *ocsf.Event) {
	m := &e.Metadata
	m.Product = ocsf.Product{Name: firstOf(d.product, d.line.App), VendorName: d.vendor, Version: d.version}
	m.EventCode = firstOf(d.signature, d.take("eventcode", "sid", "ruleid", "signatureid"), d.line.MsgID)
	e.Device = ocsf.Endpoint{
		Hostname: firstOf(d.take("dvchost", "devicehostname", "devname", "hostname"), d.line.Host),
		IP:       addressOf(d.take("dvc", "deviceaddress", "devip")),
	}
	id := d.take("externalid", "eventid", "eventuuid", "uuid", "guid", "logid", "recordid", "traceid")
	if id != "" && len(id) < 16 {
		id = firstOf(e.Device.Hostname, m.Product.Name) + ":" + id
	}
	m.UID = id
	m.CorrelationUID = d.take("xrequestid", "requestid")
	if m.UID == "" {
		m.UID = m.CorrelationUID
	}
}

// addressOf is text if it is an IP address.
func addressOf(text string) string {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return ip.Unmap().String()
}

// setPeople takes the acting account and the one acted upon.
func (d *device) setPeople(e *ocsf.Event) {
	account := d.take("suser", "usrname", "username", "user", "account", "srcuser", "userid", "suid", "loginname", "login",
		"loginuser", "operator", "operatorid", "opuser", "dbuser", "ruser", "usr", "accountname", "staffid", "employeeid",
		"用户", "用户名", "账号", "操作员", "操作人", "工号")
	target := d.take("duser", "targetuser", "dstuser", "targetaccount", "destinationusername", "目标用户")
	if account == "" {
		account = target
	}
	e.Actor.User = ocsf.User{
		Account:  account,
		FullName: d.take("userfullname", "realname", "operatorname", "staffname", "操作员姓名", "用户姓名"),
		Org:      d.take("dept", "department", "userdept", "科室", "部门"),
	}
	if role := d.take("role", "userrole", "spriv", "角色"); role != "" {
		e.Actor.User.Roles = []string{role}
	}
	if target != "" {
		e.User = &ocsf.User{Account: target}
	}
	e.Actor.AppName = firstOf(d.take("sproc", "app", "application", "appname", "program", "clientprogram", "程序", "系统"), d.product, d.line.App)
	e.Actor.Session = d.take("sessionid", "session", "sid")
}

// setEndpoints takes both ends of the action.
func (d *device) setEndpoints(e *ocsf.Event) {
	src := d.take("src", "srcip", "sourceip", "sourceaddress", "clientip", "client", "remoteip", "rhost", "saddr", "ip",
		"ipaddress", "源ip", "源地址", "客户端ip", "终端ip")
	dst := d.take("dst", "dstip", "destip", "destinationip", "destinationaddress", "serverip", "daddr", "目的ip", "目的地址", "目标ip")
	e.SrcEndpoint = endpointOf(src)
	e.DstEndpoint = endpointOf(dst)
	if host := d.take("shost", "srchost", "sourcehostname", "workstation", "computer", "computername", "terminal", "clienthost", "终端", "计算机名"); host != "" {
		e.SrcEndpoint.Hostname = host
	}
	if host := d.take("dhost", "dsthost", "destinationhostname", "server"); host != "" {
		e.DstEndpoint.Hostname = host
	}
	e.SrcEndpoint.MAC = d.take("smac", "srcmac", "mac", "源mac")
	e.DstEndpoint.MAC = d.take("dmac", "dstmac", "目的mac")
	e.SrcEndpoint.Port = port(d.take("spt", "srcport", "sport", "源端口"))
	e.DstEndpoint.Port = port(d.take("dpt", "dstport", "dport", "destport", "目的端口"))
}

// endpointOf is an address, or a name where the text is none.
func endpointOf(text string) ocsf.Endpoint {
	if ip := addressOf(text); ip != "" {
		return ocsf.Endpoint{IP: ip}
	}
	return ocsf.Endpoint{Hostname: text}
}

func port(text string) int {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// setOutcome reads the outcome field or, without one, the words.
func (d *device) setOutcome(e *ocsf.Event, words string) {
	outcome := d.take("outcome", "result", "status", "eventoutcome", "结果", "操作结果", "状态")
	e.StatusDetail = d.take("reason", "failurereason", "errormessage", "原因")
	if outcome == "" {
		if hasWord(words, "fail", "denied", "deny", "reject", "block", "invalid", "失败", "拒绝", "阻断") {
			e.StatusID = ocsf.StatusFailure
		} else if hasWord(words, "success", "succeeded", "accepted", "permit", "allow", "成功", "放行") {
			e.StatusID = ocsf.StatusSuccess
		}
		return
	}
	e.StatusCode = outcome
	switch o := strings.ToLower(strings.TrimPrefix(outcome, "/")); {
	case hasWord(o, "fail", "denied", "deny", "error", "reject", "block", "invalid", "unsuccess", "失败", "拒绝", "阻断", "异常"):
		e.StatusID = ocsf.StatusFailure
	case hasWord(o, "success", "ok", "succeed", "accept", "permit", "allow", "pass", "成功", "正常", "允许"), o == "0", o == "200", o == "true":
		e.StatusID = ocsf.StatusSuccess
	default:
		e.StatusID = ocsf.StatusOther
	}
}

func hasWord(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// patient takes the patient's number. "pid" is a process in most logs: it is
// taken for a patient only beside words of a ward or a record.
func (d *device) patient() *ocsf.Patient {
	id := d.take("patientid", "patient", "mrn", "patientno", "patno", "ptid", "medicalrecordnumber", "medrecno",
		"inpatientno", "hospno", "患者id", "患者编号", "病历号", "病人id", "病案号", "住院号", "门诊号")
	visit := d.take("visitid", "visitno", "encounter", "encounterid", "visit", "admissionno", "就诊号", "就诊流水号")
	if id == "" && (visit != "" || d.has("ward", "mrno", "chart", "document", "doctype", "emr", "病区", "patientname", "病人姓名", "患者姓名")) {
		id = d.take("pid")
	}
	if isResidentID(id) {
		d.fields = append(d.fields, field{key: "patient", name: "patient", value: id}) // becomes a token
		return nil
	}
	p := patientID(id)
	if p.UID == "" {
		return nil
	}
	p.Encounter = visit
	return &p
}

// access takes what the record says about the reason for an access.
func (d *device) access() *ocsf.Access {
	a := ocsf.Access{
		Document: d.take("document", "documenttype", "doctype", "resource", "recordtype", "文书", "文书类型"),
		Reason:   d.take("accessreason", "breakglassreason", "justification", "访问原因", "调阅原因"),
	}
	if purpose := d.take("purpose", "purposeofuse", "目的"); purpose != "" {
		a.Purpose = []string{purpose}
		a.BreakGlass = breakGlassCode(purpose)
	}
	switch strings.ToLower(d.take("breakglass", "btg", "emergencyaccess", "紧急访问")) {
	case "1", "true", "y", "yes", "是":
		a.BreakGlass = true
	}
	if a.Document == "" && a.Reason == "" && len(a.Purpose) == 0 && !a.BreakGlass {
		return nil
	}
	return &a
}

// demographics replaces what the fields say about a person's identity by
// tokens, and says whether there was any.
func (d *device) demographics() (found bool) {
	for i, f := range d.fields {
		kind := ""
		switch f.name {
		case "patientname", "ptname", "name", "fullname", "病人姓名", "患者姓名", "姓名":
			kind = keyed.Name
		case "phone", "mobile", "tel", "telephone", "patientphone", "电话", "手机", "手机号", "联系电话":
			kind = keyed.Phone
		case "address", "addr", "homeaddress", "patientaddress", "地址", "住址", "家庭住址":
			kind = keyed.Address
		case "idcard", "idno", "nationalid", "ssn", "身份证", "身份证号", "证件号":
			kind = keyed.NationalID
		case "birthdate", "dob", "birthday", "出生日期":
			kind = "birthdate"
		default:
			if isResidentID(f.value) {
				kind = keyed.NationalID
			}
		}
		if kind != "" && f.value != "" {
			d.fields[i].value = "~" + d.n.key.Token(kind, f.value)
			found = true
		}
	}
	return found
}

// setMessage keeps the text that explains a record. Where a patient or other
// person is named the text may name them too, so only the name of the kind of
// event stays.
func (d *device) setMessage(e *ocsf.Event, action string, named bool) {
	text := firstOf(d.take("msg", "message", "description", "日志内容", "内容"), d.text)
	if e.Patient != nil || named {
		e.Message = firstOf(d.name, action)
		return
	}
	e.Message = firstOf(d.name, text, action)
	if e.ClassUID == ocsf.BaseEvent {
		e.RawData = strings.TrimSpace(string(d.line.Message))
	}
}

// unmapped writes the fields that are left.
func (d *device) unmapped(action string) ocsf.RawJSON {
	var o jsonObject
	o.add("act", action)
	known := map[string]bool{"act": true}
	for _, f := range d.fields {
		if !known[f.key] {
			known[f.key] = true
			o.add(f.key, f.value)
		}
	}
	return o.bytes()
}

// jsonObject writes a flat JSON object of strings.
type jsonObject struct{ text []byte }

// add writes a member unless its value is empty.
func (o *jsonObject) add(name, value string) {
	if value == "" || name == "" {
		return
	}
	if o.text == nil {
		o.text = append(o.text, '{')
	} else {
		o.text = append(o.text, ',')
	}
	o.text = jsonscan.AppendString(o.text, name)
	o.text = append(o.text, ':')
	o.text = jsonscan.AppendString(o.text, value)
}

// bytes is the object, or nil if it has no members.
func (o *jsonObject) bytes() ocsf.RawJSON {
	if o.text == nil {
		return nil
	}
	return append(o.text, '}')
}
