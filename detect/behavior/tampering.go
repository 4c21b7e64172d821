package behavior

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// tampering: somebody works on the record itself. A source that falls silent
// is silent-source's; this is about sources that go on sending.
type tampering struct {
	counts  detect.Memory[counted] // by source and machine
	clocks  detect.Memory[clock]   // by source and machine
	pairs   detect.Memory[pairs]   // by source
	waiting queue                  // records whose second half may still come
	feed    detect.Feed            // records with a number
}

var (
	_ detect.Detector = (*tampering)(nil)
	_ detect.Stateful = (*tampering)(nil)
	_ detect.Paired   = (*tampering)(nil)
	_ detect.Fed      = (*tampering)(nil)
)

func newTampering() *tampering {
	return &tampering{counts: detect.NewMemory[counted](5_000, 0), clocks: detect.NewMemory[clock](5_000, 0), pairs: detect.NewMemory[pairs](2_000, 0)}
}

// Snapshot implements [detect.Stateful].
func (d *tampering) Snapshot() ([]byte, error) {
	return together(&d.counts, &d.clocks, &d.pairs, &d.waiting, &d.feed)
}

// Restore implements [detect.Stateful].
func (d *tampering) Restore(data []byte) error {
	return apart(data, &d.counts, &d.clocks, &d.pairs, &d.waiting, &d.feed)
}

// Missing implements [detect.Fed].
func (d *tampering) Missing() (ocsf.Text, bool) {
	return ocsf.Text{
		EN: "No source numbers its records: one that is missing cannot be noticed. Let syslog senders add sequenceId (RFC 5424), other systems a field seq that counts by one.",
		ZH: "没有来源对记录逐条编号，无法发现缺失的记录。请让 syslog 发送端附加 sequenceId（RFC 5424），其他系统附加逐一递增的 seq 字段。",
	}, !d.feed.Came()
}

// Info implements [detect.Detector].
func (*tampering) Info() detect.Info {
	return detect.Info{
		ID: "audit-tampering", Group: detect.GroupMissing,
		Title: ocsf.Text{EN: "The audit trail was tampered with", ZH: "审计记录被干预"},
		Why: ocsf.Text{
			EN: "Whoever wants to leave no trace works on the trace. It is found when a system says that recording was stopped (DICOM 110133), when numbers are missing in a source that counts its records one by one, when a machine's clock jumps and stays so, and when only one of two records of each access arrives from a source that always had both. What comes late or out of order is waited for, and only what a source has long kept to is expected of it.",
			ZH: "要不留痕迹，先动痕迹。以下情形予以提示：系统报告停止记录审计（DICOM 110133）；逐条编号的来源出现缺号；机器时钟突变且不恢复；一向成对到达的访问记录只剩一半。迟到与乱序会等待；只以来源长期保持的规律要求它。",
		},
		Advice: ocsf.Text{
			EN: "Find out who was on the machine at that time, and whether it was maintenance. Look for missing records in quarantine and at the sender before anything is cleaned up.",
			ZH: "查明当时谁在操作该机器、是否例行维护。清理之前，先在隔离区与发送端寻找缺失的记录。",
		},
		Severity: ocsf.SeverityHigh, Risk: 68, Steady: true,
		References: []string{"GB/T 22239-2019 8.1.4.3 c) d)", "国卫规划发〔2022〕29号（杜绝篡改、删除日志）", "DICOM PS3.16 CID 401 (110133)", "IHE BALP (client and server both record)", "RFC 5424 section 7.3.1 (sequenceId)"},
		Params: []detect.Param{
			{Name: "grace", Default: 15, About: ocsf.Text{EN: "minutes that missing records and second halves are waited for", ZH: "等待缺失记录与另一半记录的分钟数"}},
			{Name: "counted", Default: 100, About: ocsf.Text{EN: "records without a hole by which a source is known to count", ZH: "连续无缺号达此条数，才认定该来源逐条编号"}},
			{Name: "jump", Default: 10, About: ocsf.Text{EN: "minutes by which a clock must jump", ZH: "时钟突变的分钟数"}},
			{Name: "halves", Default: 12, About: ocsf.Text{EN: "accesses in a row of which only one half came (one in eight is looked at)", ZH: "连续只到一半的访问次数（按八分之一抽查）"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *tampering) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.Metadata.EventCode == "110133" {
		d.stopped(c, ev)
	}
	d.trace(c, ev)
	if ev.Metadata.CorrelationUID != "" && ev.ClassUID == ocsf.WebResourcesActivity {
		d.waiting.await(ev)
	}
	d.alone(c)
}

// Half implements [detect.Paired].
func (d *tampering) Half(c *detect.Context, ev *ocsf.Event) {
	d.trace(c, ev)
	if source, ok := d.waiting.met(ev); ok {
		p := d.pairs.Keep(source, ev.Time)
		p.Both.add(ev.Time, week, 1)
		p.Run = nil
	}
	d.alone(c)
}

// trace looks at the number and the clock of a record.
func (d *tampering) trace(c *detect.Context, ev *ocsf.Event) {
	name := ev.Metadata.LogProvider
	if name == "" {
		return
	}
	machine := name + "|" + firstWord(ev.Device.Hostname, ev.Device.Name, ev.Metadata.Product.Name)
	if ev.Metadata.Sequence > 0 {
		d.feed.Note()
		d.number(c, ev, d.counts.Keep(machine, ev.Time))
	}
	if ev.Metadata.LoggedTime != 0 && len(ev.Care) == 0 {
		d.clock(c, ev, d.clocks.Keep(machine, ev.Time))
	}
}

func firstWord(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// stopped tells that a system's recording was stopped.
func (d *tampering) stopped(c *detect.Context, ev *ocsf.Event) {
	source := ev.Metadata.LogProvider
	f := ocsf.Finding{
		UID: detect.UID("audit-tampering", "stopped", ev.Metadata.UID), Source: source, Risk: 74,
		Title: text("%s stopped recording its audit trail (%s)", "%s 停止了审计记录（%s）", firstWord(ev.Metadata.Product.Name, source), c.Clock()),
		Why:   text("The system says so itself (110133).", "系统自身报告（110133）。"),
	}
	if who := c.Who(); who != "" {
		f.Why = text("The system says so itself (110133); it was done by %s.", "系统自身报告（110133），操作人 %s。", who)
	} else {
		f.Subject = "source:" + source
	}
	c.Find(f)
}

// counted is how a source numbers its records.
type counted struct {
	Last int64 `json:"l"`
	// Good counts records that followed their predecessor, All all new ones.
	Good  fading `json:"g"`
	All   fading `json:"a"`
	Holes []hole `json:"h,omitempty"`
}

// hole is a range of numbers that have not come, noticed at a time of arrival.
type hole struct {
	From  int64  `json:"f"`
	To    int64  `json:"t"`
	At    int64  `json:"a"`
	After string `json:"u"` // the record behind it
}

const (
	maxHoles = 32
	// widest hole: beyond it the source began to count anew.
	widest = 100_000
	// keeps is the share of records that follow their predecessor in a source
	// that counts: others share their numbers with records that do not come.
	keeps = 0.98
)

// number notes a record's number and tells of holes that nothing filled.
func (d *tampering) number(c *detect.Context, ev *ocsf.Event, s *counted) {
	n, at := ev.Metadata.Sequence, arrival(ev)
	switch gap := n - s.Last; {
	case s.Last == 0, gap > widest:
		s.Last = n
	case gap == 1:
		s.Last = n
		s.All.add(ev.Time, week, 1)
		s.Good.add(ev.Time, week, 1)
	case gap > 1:
		s.All.add(ev.Time, week, 1)
		if len(s.Holes) < maxHoles {
			s.Holes = append(s.Holes, hole{s.Last + 1, n - 1, at, ev.Metadata.UID})
		}
		s.Last = n
	case s.fill(n):
		s.Good.add(ev.Time, week, 1) // only late
	case gap < 0 && n < s.Last/2:
		s.Last = n // counts anew
	}
	d.holes(c, ev, s, at)
}

// fill takes a number out of the holes; ok is false where it is in none.
func (s *counted) fill(n int64) (ok bool) {
	for i, h := range s.Holes {
		if n < h.From || n > h.To {
			continue
		}
		s.Holes = slices.Delete(s.Holes, i, i+1)
		if n > h.From {
			s.Holes = append(s.Holes, hole{h.From, n - 1, h.At, h.After})
		}
		if n < h.To && len(s.Holes) < maxHoles {
			s.Holes = append(s.Holes, hole{n + 1, h.To, h.At, h.After})
		}
		return true
	}
	return false
}

func (d *tampering) holes(c *detect.Context, ev *ocsf.Event, s *counted, at int64) {
	if len(s.Holes) == 0 {
		return
	}
	grace := int64(c.Param("grace")) * minute
	known := s.Good.at(ev.Time, week) >= c.Param("counted") && s.Good.N >= keeps*s.All.N
	missing, after := int64(0), ""
	s.Holes = slices.DeleteFunc(s.Holes, func(h hole) bool {
		if at-h.At < grace {
			return false
		}
		if missing += h.To - h.From + 1; after == "" {
			after = h.After
		}
		return true
	})
	if missing == 0 || !known {
		return
	}
	source := ev.Metadata.LogProvider
	c.Find(ocsf.Finding{
		UID: detect.UID("audit-tampering", "numbers", source, after), Events: []string{after}, Source: source, Subject: "source:" + source,
		Title: text("%d records of %s are missing (%s)", "来源 %[2]s 缺失 %[1]d 条记录（%[3]s）", missing, firstWord(ev.Device.Hostname, source), c.Clock()),
		Why:   text("The source numbers its records one by one, and these numbers never came.", "该来源逐条编号，这些编号始终未到。"),
		Risk:  min(52+5*float64(len(strconv.FormatInt(missing, 10))), 76),
	})
}

// arrival is when a record came.
func arrival(ev *ocsf.Event) int64 {
	if at := ev.Metadata.LoggedTime; at != 0 {
		return at
	}
	return ev.Time
}

// clock is how far a machine's clock stands behind Cordon's, delivery
// included. What a source spools or sends in batches has no steady distance
// and is not judged.
type clock struct {
	Behind int64    `json:"b"`           // the usual distance in ms
	Steady int64    `json:"s"`           // records at it, up to enoughSteady
	Now    int64    `json:"n,omitempty"` // another distance that may be the new one
	Since  int64    `json:"a,omitempty"`
	Count  int64    `json:"c,omitempty"`
	UIDs   []string `json:"u,omitempty"`
}

const (
	enoughSteady = 50          // records at one distance make it the usual one
	closeTo      = 2 * minute  // still the usual distance
	alike        = minute      // still the new distance
	enoughJumped = 10          // records at a new distance,
	jumpedFor    = 10 * minute // over this time, make it a jump
)

// clock notes a record's distance and tells of one that changed for good.
func (d *tampering) clock(c *detect.Context, ev *ocsf.Event, k *clock) {
	at := ev.Metadata.LoggedTime
	behind := at - ev.Time - c.Ahead()
	switch {
	case k.Steady == 0 || k.Steady < enoughSteady && apartBy(behind, k.Behind) > closeTo:
		*k = clock{Behind: behind, Steady: 1}
		return
	case apartBy(behind, k.Behind) <= closeTo:
		k.Steady = min(k.Steady+1, enoughSteady)
		k.Count, k.UIDs = 0, nil
		return
	case k.Count == 0 || apartBy(behind, k.Now) > alike:
		k.Now, k.Since, k.Count, k.UIDs = behind, at, 0, nil
	}
	k.Count++
	if len(k.UIDs) < enoughJumped {
		k.UIDs = append(k.UIDs, ev.Metadata.UID)
	}
	if k.Count < enoughJumped || at-k.Since < jumpedFor || apartBy(k.Now, k.Behind) < int64(c.Param("jump"))*minute {
		return
	}
	d.jumped(c, ev, k)
	*k = clock{Behind: k.Now, Steady: enoughSteady}
}

func apartBy(a, b int64) int64 { return max(a-b, b-a) }

// jumped tells of a clock that jumped, unless the site's own clocks were put
// forward or back.
func (d *tampering) jumped(c *detect.Context, ev *ocsf.Event, k *clock) {
	_, now := time.UnixMilli(ev.Metadata.LoggedTime).In(c.Zone()).Zone()
	_, before := time.UnixMilli(ev.Metadata.LoggedTime - 36*hour).In(c.Zone()).Zone()
	if now != before {
		return
	}
	source := ev.Metadata.LogProvider
	minutes := (k.Now - k.Behind) / minute
	title := text("The clock of %s was put back by %d minutes (%s)", "%s 的时钟被向后调整 %d 分钟（%s）", firstWord(ev.Device.Hostname, source), minutes, c.At(k.Since))
	if minutes < 0 {
		title = text("The clock of %s was put forward by %d minutes (%s)", "%s 的时钟被向前调整 %d 分钟（%s）", firstWord(ev.Device.Hostname, source), -minutes, c.At(k.Since))
	}
	c.Find(ocsf.Finding{
		UID: detect.UID("audit-tampering", "clock", source, k.UIDs[0]), Events: k.UIDs, Source: source, Subject: "source:" + source, Time: ev.Metadata.LoggedTime,
		Title: title,
		Why:   text("Its records had come at a steady distance and now come at another. Times in them are wrong from then on.", "其记录此前与到达时间保持固定间隔，此后变为另一间隔；其后记录中的时间不可信。"),
		Risk:  58,
	})
}

// pairs is how a source's accesses are recorded twice.
type pairs struct {
	Both  fading `json:"b"`
	Alone fading `json:"a"`
	// Run are the accesses since the last pair of which one half came, Known
	// says that before them pairs were the rule.
	Run   []string `json:"r,omitempty"`
	Known bool     `json:"k,omitempty"`
}

// alone takes the records whose time is up and tells of a source whose second
// halves stopped.
func (d *tampering) alone(c *detect.Context) {
	for _, w := range d.waiting.due(d.waiting.now - int64(c.Param("grace"))*minute) {
		p := d.pairs.Keep(w.Source, w.At)
		if len(p.Run) == 0 {
			both, alone := p.Both.at(w.At, week), p.Alone.at(w.At, week)
			p.Known = both >= pairsKnown && both >= pairsShare*(both+alone)
		}
		p.Alone.add(w.At, week, 1)
		if len(p.Run) >= maxSightsOfRun || !p.Known {
			continue
		}
		p.Run = append(p.Run, w.UID)
		if len(p.Run) == int(c.Param("halves")) {
			d.halved(c, w, p)
		}
	}
}

const (
	pairsKnown     = 60
	pairsShare     = 0.95
	maxSightsOfRun = 64
)

func (d *tampering) halved(c *detect.Context, w waiter, p *pairs) {
	c.Find(ocsf.Finding{
		UID: detect.UID("audit-tampering", "half", w.Source, p.Run[0]), Events: slices.Clone(p.Run), Source: w.Source, Subject: "source:" + w.Source, Time: w.At,
		Title: text("Only one record of each access comes from %s (%s)", "来源 %s 的每次访问只到一半记录（%s）", w.Source, c.At(w.At)),
		Why:   text("Client and server both recorded nearly every access of the last week; the last %d in a row came from one of them only.", "近一周客户端与服务端几乎均有记录，最近连续 %d 次只剩一端。", len(p.Run)),
		Risk:  56,
	})
}

// queue holds records that wait for their second half, in the order in which
// they came; the waiting is measured by arrival, so that old files may be
// imported. One in eight is enough to see a source change.
type queue struct {
	list []waiter
	now  int64 // latest arrival
}

type waiter struct {
	Key    uint32 `json:"k"`
	Source string `json:"s"`
	UID    string `json:"u"`
	At     int64  `json:"t"`
	Came   int64  `json:"c"`
}

const maxWaiters = 4_000

func keyOf(ev *ocsf.Event) (uint32, bool) {
	key := ev.Metadata.CorrelationUID
	if ev.Patient != nil {
		key += "|" + ev.Patient.UID
	}
	h := hash(key)
	return h, h%8 == 0
}

func (q *queue) await(ev *ocsf.Event) {
	came := arrival(ev)
	q.now = max(q.now, came)
	key, sampled := keyOf(ev)
	if !sampled || slices.ContainsFunc(q.list, func(w waiter) bool { return w.Key == key }) {
		return
	}
	if len(q.list) >= maxWaiters {
		q.list = slices.Delete(q.list, 0, 1)
	}
	q.list = append(q.list, waiter{key, ev.Metadata.LogProvider, ev.Metadata.UID, ev.Time, came})
}

// met takes a record out whose second half came.
func (q *queue) met(ev *ocsf.Event) (source string, ok bool) {
	key, _ := keyOf(ev)
	i := slices.IndexFunc(q.list, func(w waiter) bool { return w.Key == key })
	if i < 0 {
		return "", false
	}
	source = q.list[i].Source
	q.list = slices.Delete(q.list, i, i+1)
	return source, true
}

// due takes out what came before a time.
func (q *queue) due(before int64) []waiter {
	n := 0
	for n < len(q.list) && q.list[n].Came < before {
		n++
	}
	if n == 0 {
		return nil
	}
	out := slices.Clone(q.list[:n])
	q.list = slices.Delete(q.list, 0, n)
	return out
}

// Snapshot makes it a part of the detector's memory.
func (q *queue) Snapshot() ([]byte, error) { return json.Marshal(queueMemory{q.list, q.now}) }

// Restore implements [detect.Stateful].
func (q *queue) Restore(data []byte) error {
	var m queueMemory
	if data != nil {
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
	}
	q.list, q.now = m.List, m.Now
	return nil
}

type queueMemory struct {
	List []waiter `json:"l"`
	Now  int64    `json:"n"`
}
