// Package normalize turns what hospital systems send into [ocsf.Event]s: one
// file per format, one table of formats ([Formats]), one call ([Normalizer.Normalize]).
//
// What it gives. An access to a patient's data becomes a Web Resources
// Activity with who, what, which patient, when and outcome; a message about
// care (HL7 v2, FHIR Encounter, Appointment, CareTeam, ServiceRequest) becomes
// an API Activity whose Care facts feed the care graph; a sign-in becomes an
// Authentication, a statement on the database a Datastore Activity. A record
// that is not quite what its standard asks for is taken as far as it goes.
// [Normalizer.Records] cuts a file or stream into records without loading it,
// and [Joiner] recognises the second half of an access that client and server
// both recorded.
//
// What it guarantees. Nothing is dropped silently: every record of an input
// gives at least one event or one [Reject] with its reason. The same input
// gives the same events, ids included; only a syslog line that tells no time
// has that of its receipt, so a file of such lines counts again when it is
// read again. Names, phones, addresses and identity
// numbers of patients and their kin leave this package only as keyed tokens (a
// caller that asks with Input.Person may hash them its own way),
// and no clinical text leaves it at all; a reason names a field or a position,
// never a value. No input makes a parser panic.
//
// What it does not do. It owns no tables and no files, resolves no accounts
// (directory does), judges nothing, and keeps no state between calls except
// in a Joiner, whose memory is bounded.
package normalize

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"regexp"
	"time"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// Input is what a collector received: one or many records of one format.
type Input struct {
	// Format is a name from Formats.
	Format string
	// Source is the collector's or sender's name, as shown on the Sources
	// page; it becomes Metadata.LogProvider.
	Source string
	// Received is when Cordon got it, in ms; it becomes Metadata.LoggedTime.
	Received int64
	Data     []byte
	// Mapping is needed by the formats json and csv.
	Mapping *Mapping
	// Person is called with each patient whose demographics the input tells, in
	// clear; nil for nobody. What it is given may not be kept.
	Person func(*Person)
}

// Reject is a record that gave no event. It goes to quarantine, where it can
// be listed, fixed and replayed.
type Reject struct {
	// Item is the position of the record in its input, from 0.
	Item int
	// Reason says what is wrong and where, without any value of the record.
	Reason string
	// Data is the record as it came.
	Data []byte
}

// Options are what all parsers share.
type Options struct {
	// Key makes tokens of demographics.
	Key keyed.Key
	// Zone is the zone of times that name none; nil is UTC.
	Zone *time.Location
}

// Normalizer turns inputs into events. It is safe for concurrent use.
type Normalizer struct {
	key     keyed.Key
	zone    *time.Location
	formats map[string]Format
	// patterns of the logs of databases
	pg     *pgPatterns
	mysql  *mysqlPatterns
	oracle *regexp.Regexp
}

// Format is one entry of the table of formats.
type Format struct {
	// Name is how commands and URLs call it.
	Name  string
	About ocsf.Text
	// Mapped says that the format needs a Mapping.
	Mapped bool
	// ownText says that parse finds the character set of each record itself.
	ownText bool
	// split cuts a stream into records; see Records.
	split splitter
	// parse makes events of an input of one or many records. Every record
	// must end in out.Event or out.Reject.
	parse func(n *Normalizer, in Input, out *Output)
}

type splitter func(r io.Reader) iter.Seq2[Record, error]

// Formats is the table of everything Normalize understands.
func Formats() []Format {
	return []Format{
		{Name: "fhir-auditevent", parse: (*Normalizer).parseFHIR, split: splitMarkup, About: ocsf.Text{
			EN: "FHIR AuditEvent R4 or R5, JSON or XML: a resource, a Bundle, an array or NDJSON",
			ZH: "FHIR AuditEvent（R4、R5），JSON 或 XML：单个资源、Bundle、数组或 NDJSON"}},
		{Name: "fhir", parse: (*Normalizer).parseFHIR, split: splitMarkup, About: ocsf.Text{
			EN: "FHIR Encounter, Appointment, CareTeam, ServiceRequest, Patient, RelatedPerson, R4 or R5",
			ZH: "FHIR 诊疗资源：就诊、预约、医疗组、申请、患者、亲属（R4、R5）"}},
		{Name: "hl7v2", parse: (*Normalizer).parseHL7, split: splitHL7, ownText: true, About: ocsf.Text{
			EN: "HL7 v2.x messages, one or many, MLLP-framed or separated by blank lines",
			ZH: "HL7 v2.x 消息，一条或多条，MLLP 封装或空行分隔"}},
		{Name: "atna", parse: (*Normalizer).parseATNA, split: splitSyslog, ownText: true, About: ocsf.Text{
			EN: "DICOM audit message or RFC 3881 XML, bare or inside syslog lines",
			ZH: "DICOM 审计消息或 RFC 3881 XML，可在 syslog 行内"}},
		{Name: "syslog", parse: (*Normalizer).parseSyslog, split: splitSyslog, ownText: true, About: ocsf.Text{
			EN: "RFC 5424, RFC 3164, CEF, LEEF, key=value, JSON; UTF-8 or GB18030",
			ZH: "RFC 5424、RFC 3164、CEF、LEEF、key=value、JSON；UTF-8 或 GB18030"}},
		{Name: "http-access", parse: (*Normalizer).parseHTTP, split: splitLines, About: ocsf.Text{
			EN: "access logs of FHIR, DICOMweb and other web servers: common, combined, JSON lines, HAPI",
			ZH: "FHIR、DICOMweb 及其他 Web 服务的访问日志：common、combined、JSON 行、HAPI"}},
		{Name: "pgaudit", parse: (*Normalizer).parsePgaudit, split: splitDatabase, About: ocsf.Text{
			EN: "log of PostgreSQL with pgaudit: stderr, csvlog, jsonlog, or inside syslog lines",
			ZH: "PostgreSQL 日志（pgaudit）：stderr、csvlog、jsonlog，可在 syslog 行内"}},
		{Name: "mysql-audit", parse: (*Normalizer).parseMySQLAudit, split: splitMySQL, About: ocsf.Text{
			EN: "audit of MySQL Enterprise or Percona (JSON, XML old and new), MariaDB server_audit, general log",
			ZH: "MySQL 企业版或 Percona 审计（JSON、新旧 XML）、MariaDB server_audit、通用日志"}},
		{Name: "oracle-audit", parse: (*Normalizer).parseOracleAudit, split: splitDatabase, About: ocsf.Text{
			EN: "Oracle unified or traditional audit: rows as CSV or JSON, XML files, syslog",
			ZH: "Oracle 统一审计或传统审计：CSV/JSON 行、XML 文件、syslog"}},
		{Name: "mssql-audit", parse: (*Normalizer).parseMSSQLAudit, split: splitMSSQL, About: ocsf.Text{
			EN: "SQL Server Audit: rows of fn_get_audit_file as CSV or JSON, Windows event 33205 as XML or text",
			ZH: "SQL Server 审计：fn_get_audit_file 的 CSV/JSON 行、Windows 事件 33205 的 XML 或文本"}},
		{Name: "ocsf", parse: (*Normalizer).parseOCSF, split: splitMarkup, About: ocsf.Text{
			EN: "OCSF events: an object, an array or NDJSON",
			ZH: "OCSF 事件：对象、数组或 NDJSON"}},
		{Name: "zeek", parse: (*Normalizer).parseZeek, split: splitMarkup, About: ocsf.Text{
			EN: "logs of Zeek as JSON: conn, dhcp, known_*, software, http, ssl, ssh, ntlm, rdp, snmp, mysql, notice",
			ZH: "Zeek JSON 日志：conn、dhcp、known_*、software、http、ssl、ssh、ntlm、rdp、snmp、mysql、notice"}},
		{Name: "suricata", parse: (*Normalizer).parseSuricata, split: splitMarkup, About: ocsf.Text{
			EN: "eve.json of Suricata: flow, alert, dhcp, http, tls, ssh, smb, rdp, snmp",
			ZH: "Suricata eve.json：flow、alert、dhcp、http、tls、ssh、smb、rdp、snmp"}},
		{Name: "dhcp-log", parse: (*Normalizer).parseDHCPLog, split: splitLines, About: ocsf.Text{
			EN: "leases as DHCP servers log them: ISC dhcpd, Kea, dnsmasq, Windows Server",
			ZH: "DHCP 服务器的租约日志：ISC dhcpd、Kea、dnsmasq、Windows Server"}},
		{Name: "radius-log", parse: (*Normalizer).parseRADIUSLog, split: splitRADIUS, About: ocsf.Text{
			EN: "sign-ins to the network: detail files of FreeRADIUS, DTS compliant log of Windows NPS",
			ZH: "网络准入登录：FreeRADIUS detail 文件、Windows NPS DTS 日志"}},
		{Name: FormatSensor, parse: (*Normalizer).parseSensor, split: splitMarkup, About: ocsf.Text{
			EN: "what Cordon's own sensors send",
			ZH: "Cordon 探针发送的数据"}},
		{Name: "json", parse: (*Normalizer).parseMappedJSON, split: splitMarkup, Mapped: true, About: ocsf.Text{
			EN: "a hospital's own audit records as JSON, read by a mapping",
			ZH: "医院自有审计记录（JSON），按映射文件解析"}},
		{Name: "csv", parse: (*Normalizer).parseMappedCSV, split: splitCSV, Mapped: true, About: ocsf.Text{
			EN: "a hospital's own audit table as CSV, read by a mapping",
			ZH: "医院自有审计表（CSV），按映射文件解析"}},
	}
}

// New makes a Normalizer for all formats.
func New(o Options) *Normalizer {
	n := &Normalizer{key: o.Key, zone: o.Zone, formats: map[string]Format{},
		pg: newPgPatterns(), mysql: newMySQLPatterns(), oracle: newOraclePair()}
	if n.zone == nil {
		n.zone = time.UTC
	}
	for _, f := range Formats() {
		n.formats[f.Name] = f
	}
	return n
}

// Has says whether a format is known.
func (n *Normalizer) Has(format string) bool {
	_, ok := n.formats[format]
	return ok
}

// Normalize turns an input into events; what cannot be used comes back as
// rejects. An input without any record gives neither.
func (n *Normalizer) Normalize(in Input) ([]*ocsf.Event, []Reject) {
	out := &Output{in: in}
	f, ok := n.formats[in.Format]
	switch {
	case !ok:
		out.Reject(0, in.Data, fmt.Sprintf("unknown format %q; see the list of formats", in.Format))
	case f.Mapped && in.Mapping == nil:
		out.Reject(0, in.Data, fmt.Sprintf("format %s needs a mapping; name one from content/mappings", in.Format))
	default:
		if !f.ownText {
			in.Data = utf8Records(in.Data)
		}
		f.parse(n, in, out)
	}
	return out.events, out.rejects
}

// Output collects what a parser makes of one input.
type Output struct {
	in      Input
	events  []*ocsf.Event
	rejects []Reject
	// item and raw are the record being read.
	item int
	raw  []byte
}

// reading says which record the next events come from.
func (o *Output) reading(item int, raw []byte) { o.item, o.raw = item, raw }

// Event adds an event. It fills what is the same for all: format, source,
// time of receipt, schema version, severity, an id made of the content where
// the source gave none, and what OCSF requires of the class. An event with an
// identifier that cannot be one is rejected.
func (o *Output) Event(e *ocsf.Event) {
	if what := tooLong(e); what != "" {
		o.Reject(o.item, o.raw, fmt.Sprintf("%s is longer than %d bytes: no identifier is", what, maxID))
		return
	}
	m := &e.Metadata
	if m.Version == "" {
		m.Version = ocsf.Version
	}
	if e.SeverityID == ocsf.SeverityUnknown {
		e.SeverityID = ocsf.SeverityInformational
	}
	if m.UID == "" {
		m.UID = contentUID(e)
	}
	m.LogName = cmp.Or(m.LogName, o.in.Format)
	m.LogProvider = cmp.Or(m.LogProvider, o.in.Source)
	m.Product.Name = cmp.Or(m.Product.Name, o.in.Source, o.in.Format)
	m.LoggedTime = cmp.Or(m.LoggedTime, o.in.Received)
	complete(e)
	o.events = append(o.events, e)
}

// Reject adds a record that gave no event. The reason must not quote it.
func (o *Output) Reject(item int, data []byte, reason string) {
	o.rejects = append(o.rejects, Reject{Item: item, Reason: reason, Data: data})
}
