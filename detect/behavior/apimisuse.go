package behavior

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// apiMisuse: a program, or whoever holds its key, takes records through an
// interface.
type apiMisuse struct {
	feed    detect.Feed
	clients detect.Memory[client] // by account or client id
}

// client is what is known of a user of the interface.
type client struct {
	First int64 `json:"f"`
	// Nets are the networks it came from, with the day (since 1970) each was
	// first seen; Days the days on which it was seen at all.
	Nets []network `json:"n,omitempty"`
	Day  int64     `json:"d"`
	Days int       `json:"ds"`
	// Odd is when it last came from a new network.
	Odd int64 `json:"o,omitempty"`
	// Walk is the chain of pages it is on, Row the row of patient numbers.
	Walk walk `json:"w"`
	Row  walk `json:"r"`
	// Export is the last day on which one was told.
	Export int64 `json:"e,omitempty"`
}

type network struct {
	Net string `json:"n"`
	Day int64  `json:"d"`
}

// walk is a chain of requests: pages of a search, or consecutive numbers.
type walk struct {
	Key    string   `json:"k,omitempty"` // of the search
	Last   int64    `json:"l,omitempty"` // number
	At     int64    `json:"t,omitempty"`
	Steps  int      `json:"s,omitempty"`
	Next   int      `json:"n,omitempty"`
	First  string   `json:"f,omitempty"`
	Events []string `json:"e,omitempty"`
}

const maxNets = 32

var (
	_ detect.Detector = (*apiMisuse)(nil)
	_ detect.Stateful = (*apiMisuse)(nil)
	_ detect.Fed      = (*apiMisuse)(nil)
)

func newAPIMisuse() *apiMisuse {
	return &apiMisuse{clients: detect.NewMemory[client](10_000, 200*day)}
}

// Snapshot implements [detect.Stateful].
func (d *apiMisuse) Snapshot() ([]byte, error) { return together(&d.feed, &d.clients) }

// Restore implements [detect.Stateful].
func (d *apiMisuse) Restore(data []byte) error { return apart(data, &d.feed, &d.clients) }

// Missing implements [detect.Fed].
func (d *apiMisuse) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No interface has told of its requests yet: send AuditEvents of the FHIR server with the query, or its access log (format http-access).",
		ZH: "尚无接口请求记录：请发送 FHIR 服务器带查询内容的 AuditEvent，或其访问日志（格式 http-access）。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*apiMisuse) Info() detect.Info {
	return detect.Info{
		ID: "api-misuse", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Interface misused", ZH: "接口滥用"},
		Why: ocsf.Text{
			EN: "Somebody takes records through an interface as no application does: an export of all or a group of patients ($export), a search without a patient walked page after page, patient numbers tried one after the other, or a key used from a network it was never used from. No approved ticket covers it. A new network alone is a weak sign; what is done from it counts more.",
			ZH: "通过接口以非正常应用的方式获取病历：导出全部或成组患者（$export）、对不限患者的检索逐页翻取、逐号遍历患者编号，或在从未使用过的网络使用密钥，且没有批准单覆盖。仅更换网络为弱信号，其后的行为更重。",
		},
		Advice: ocsf.Text{
			EN: "Revoke the client's key or token; ask its owner which task it was; limit the scopes and the size of pages.",
			ZH: "吊销该客户端的密钥或令牌；向其负责人核实任务；收紧授权范围与分页大小。",
		},
		Severity: ocsf.SeverityHigh, Risk: 72, Steady: true,
		References: []string{"HL7 FHIR Bulk Data Access ($export)", "OWASP API Security Top 10 2023 (API1, API4)", "国卫规划发〔2022〕29号"},
		Params: []detect.Param{
			{Name: "pages", Default: 20, About: ocsf.Text{EN: "pages of one search without a patient", ZH: "同一不限患者检索的页数"}},
			{Name: "numbers", Default: 25, About: ocsf.Text{EN: "patient numbers in a row", ZH: "连续遍历的患者编号数"}},
			{Name: "minutes", Default: 30, About: ocsf.Text{EN: "minutes after which a chain of requests is a new one", ZH: "超过该分钟数视为新的请求链"}},
			{Name: "days", Default: 10, About: ocsf.Text{EN: "days a client must have been seen before a network is new for it", ZH: "判定新网络前客户端须已出现的天数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *apiMisuse) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.ClassUID != ocsf.WebResourcesActivity && ev.ClassUID != ocsf.APIActivity || len(ev.Care) > 0 || !throughAPI(ev) {
		return
	}
	d.feed.Note()
	name := clientOf(c, ev)
	if name == "" {
		return
	}
	cl := d.clients.Keep(name, ev.Time)
	if cl.First == 0 {
		cl.First = ev.Time
	}
	if today := ev.Time / day; today > cl.Day {
		cl.Day = today
		cl.Days++
	}
	if ev.StatusID == ocsf.StatusFailure && !strings.HasPrefix(ev.StatusCode, "4") {
		return
	}
	cl.network(c, ev, name)
	switch {
	case isExport(ev):
		cl.export(c, ev, name)
	case isPage(ev):
		cl.page(c, ev, name)
	default:
		cl.number(c, ev, name)
	}
}

// throughAPI says that an event tells of a request to an interface: it names
// the interaction of FHIR, and the request or the query.
func throughAPI(ev *ocsf.Event) bool {
	switch ev.Metadata.EventCode {
	case "read", "vread", "search-type", "search-system", "$export", "$everything":
		return ev.HTTPRequest != nil || ev.QueryInfo != nil || ev.Actor.AppName != ""
	}
	return isExport(ev)
}

// asks says whether a request names an operation.
func asks(ev *ocsf.Event, operation string) bool {
	return strings.Contains(ev.Metadata.EventCode, operation) || ev.HTTPRequest != nil && strings.Contains(ev.HTTPRequest.URL, operation) ||
		ev.API != nil && strings.Contains(ev.API.Operation, operation)
}

// clientOf is the program, else the account.
func clientOf(c *detect.Context, ev *ocsf.Event) string {
	if _, person := c.Person(); person {
		return c.Who()
	}
	for _, s := range [3]string{ev.Actor.User.Account, ev.Actor.User.UID, ev.Actor.AppName} {
		if s != "" {
			return s
		}
	}
	return ""
}

// isExport says that a request, or the AuditEvent about one, was $export.
func isExport(ev *ocsf.Event) bool {
	return asks(ev, "$export") ||
		ev.Metadata.LogName == "fhir-auditevent" && ev.ActivityID == ocsf.AccessExport && ev.Patient == nil && ev.QueryInfo != nil
}

// isPage says that it is a page of a search that chooses no patient.
func isPage(ev *ocsf.Event) bool {
	return ev.ActivityID == ocsf.AccessSearch && ev.QueryInfo != nil && ev.Patient == nil && pageKey(ev.QueryInfo.Text) != ""
}

// pageKey is what the pages of one search have in common, "" where the query
// does not go through pages: the id of the stored search (HAPI's _getpages), or
// the query without the place it has come to.
func pageKey(query string) string {
	_, params, _ := strings.Cut(query, "?")
	var rest []string
	paged := false
	for pair := range strings.SplitSeq(params, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch strings.ToLower(name) {
		case "_getpages":
			return value
		case "_getpagesoffset", "_offset", "_page", "page", "_page_token", "ct", "_skip", "__page", "_cursor", "after", "pagetoken":
			paged = true
		default:
			rest = append(rest, pair)
		}
	}
	if !paged {
		return ""
	}
	return "?" + strings.Join(rest, "&")
}

// coveredCall says whether a ticket covers the work.
func coveredCall(c *detect.Context, ev *ocsf.Event) bool {
	return ev.Patient != nil && ticketed(c, ev) || departmentTicket(c, ev.Time)
}

// export tells of bulk exports, once a day.
func (cl *client) export(c *detect.Context, ev *ocsf.Event, name string) {
	if cl.Export >= ev.Time/day || strings.HasPrefix(ev.StatusCode, "4") || polls(ev) || coveredCall(c, ev) {
		return
	}
	cl.Export = ev.Time / day
	about(c, name, ocsf.Finding{
		UID: detect.UID("api-misuse", "export", name, ev.Metadata.UID), Events: []string{ev.Metadata.UID}, Risk: 76 + cl.oddBonus(ev),
		Title: text("%s asked the interface for an export of many patients (%s)", "%s 通过接口请求导出大量患者（%s）", name, c.Clock()),
		Why:   text("$export over FHIR; no ticket covers it.", "FHIR 的 $export；没有批准单覆盖。"),
	})
}

// polls says that a request only asks how an export is coming along.
func polls(ev *ocsf.Event) bool {
	return ev.HTTPRequest != nil && (strings.Contains(ev.HTTPRequest.URL, "$export-") || ev.HTTPRequest.Method == "DELETE")
}

func (cl *client) page(c *detect.Context, ev *ocsf.Event, name string) {
	w := &cl.Walk
	if key := pageKey(ev.QueryInfo.Text); key != w.Key || ev.Time-w.At > int64(c.Param("minutes"))*minute {
		*w = walk{Key: key}
	}
	w.step(ev)
	if !w.due(c, "pages") || coveredCall(c, ev) {
		return
	}
	about(c, name, ocsf.Finding{
		UID: detect.UID("api-misuse", "pages", name, w.First), Events: slices.Clone(w.Events), Risk: min(72+float64(w.Steps)/20, 84) + cl.oddBonus(ev),
		Title: text("%s walked through %d pages of a search without a patient (%s)", "%s 对不限患者的检索连续翻取 %d 页（%s）", name, w.Steps, c.Clock()),
		Why:   text("One search, page after page, from %s.", "同一检索逐页翻取，来源 %s。", from(ev)),
	})
}

// number follows patient numbers that are tried in a row.
func (cl *client) number(c *detect.Context, ev *ocsf.Event, name string) {
	id, ok := patientNumber(ev)
	if !ok {
		return
	}
	w := &cl.Row
	gap := id - w.Last
	switch {
	case gap == 0:
		return // the same patient again
	case (gap < 1 || gap > 3) || ev.Time-w.At > int64(c.Param("minutes"))*minute:
		*w = walk{}
	}
	w.Last = id
	w.step(ev)
	if !w.due(c, "numbers") || coveredCall(c, ev) {
		return
	}
	about(c, name, ocsf.Finding{
		UID: detect.UID("api-misuse", "numbers", name, w.First), Events: slices.Clone(w.Events), Risk: min(74+float64(w.Steps)/20, 86) + cl.oddBonus(ev),
		Title: text("%s tried %d patient numbers in a row (%s)", "%s 连续遍历 %d 个患者编号（%s）", name, w.Steps, c.Clock()),
		Why:   text("Numbers that count up, whether a patient exists or not, from %s.", "编号逐一递增，不论患者是否存在，来源 %s。", from(ev)),
	})
}

// patientNumber is the number at the end of a patient's id that was read by
// its number.
func patientNumber(ev *ocsf.Event) (int64, bool) {
	if ev.Metadata.EventCode != "read" && ev.Metadata.EventCode != "$everything" || ev.Patient == nil {
		return 0, false
	}
	id := ev.Patient.UID
	digits := len(id)
	for digits > 0 && id[digits-1] >= '0' && id[digits-1] <= '9' {
		digits--
	}
	n, err := strconv.ParseInt(id[digits:], 10, 64)
	return n, err == nil
}

func (w *walk) step(ev *ocsf.Event) {
	if w.Steps == 0 {
		w.First = ev.Metadata.UID
	}
	w.Steps++
	w.At = max(w.At, ev.Time)
	if len(w.Events) < 40 {
		w.Events = append(w.Events, ev.Metadata.UID)
	}
}

// due says that a chain has become long enough to be told, or told again.
func (w *walk) due(c *detect.Context, param string) bool {
	if w.Steps < max(int(c.Param(param)), w.Next) {
		return false
	}
	w.Next = 2 * w.Steps
	return true
}

// network notices a client in a network it never came from. People move about;
// only programs are held to theirs.
func (cl *client) network(c *detect.Context, ev *ocsf.Event, name string) {
	net := netOf(ev.SrcEndpoint.IP)
	if _, person := c.Person(); person || net == "" {
		return
	}
	today := ev.Time / day
	if slices.ContainsFunc(cl.Nets, func(n network) bool { return n.Net == net }) {
		return
	}
	settled := cl.Days > int(c.Param("days")) && len(cl.Nets) > 0 && len(cl.Nets) < 8 && cl.Nets[len(cl.Nets)-1].Day <= today-int64(c.Param("days"))
	if len(cl.Nets) < maxNets {
		cl.Nets = append(cl.Nets, network{net, today})
	}
	if !settled {
		return // one that moves about, or is not known yet
	}
	cl.Odd = ev.Time
	about(c, name, ocsf.Finding{
		UID: detect.UID("api-misuse", "network", name, net), Events: []string{ev.Metadata.UID}, Weak: true, Risk: 34, SeverityID: ocsf.SeverityMedium,
		Title: text("%s came from a network it was never used from: %s (%s)", "%s 来自从未使用过的网络：%s（%s）", name, net, c.Clock()),
		Why:   text("Known for %d days, from %d other networks.", "已知 %d 天，此前使用过 %d 个网络。", cl.Days, len(cl.Nets)-1),
	})
}

// oddBonus is what a new network within the day adds to a finding.
func (cl *client) oddBonus(ev *ocsf.Event) float64 {
	if cl.Odd != 0 && ev.Time-cl.Odd < day {
		return 8
	}
	return 0
}

// netOf is the network of an address: 24 bits of IPv4, 64 of IPv6.
func netOf(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	bits := 64
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

func from(ev *ocsf.Event) string {
	if h := host(ev); h != "" {
		return h
	}
	return "?"
}

// about makes a finding one about the client: a person, an account, or a
// program without one.
func about(c *detect.Context, name string, f ocsf.Finding) {
	if c.Who() == "" {
		f.Subject = "client:" + name
	}
	c.Find(f)
}
