package behavior

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/flow"
	"github.com/cordon-health/cordon/ocsf"
)

// deviceVolume: a device moves many times the data of its own usual day, as a
// viewer does from which images are taken away.
type deviceVolume struct {
	devices detect.Memory[moved] // by sensor and address of who asks
}

// moved is what a device moved by day; days are those since 1970.
type moved struct {
	Day   int64   `json:"d"`
	Bytes int64   `json:"b"`
	Past  []int64 `json:"p,omitempty"` // of the latest days on which it moved any, the latest last
	Next  int64   `json:"n,omitempty"` // at how much it is told again today
	// Event is the report that it was first told by today; Server is whom the
	// largest reports of today were with.
	Event   string `json:"e,omitempty"`
	Server  string `json:"s,omitempty"`
	Largest int64  `json:"l,omitempty"`
}

const mostMovedDays = 28

var (
	_ detect.Detector = (*deviceVolume)(nil)
	_ detect.Stateful = (*deviceVolume)(nil)
)

func newDeviceVolume() *deviceVolume {
	return &deviceVolume{devices: detect.NewMemory[moved](20_000, 35*day)}
}

// Info implements [detect.Detector].
func (*deviceVolume) Info() detect.Info {
	return detect.Info{
		ID: "device-volume", Group: detect.GroupNetwork,
		Title: ocsf.Text{EN: "Device moves far more data than usual", ZH: "设备数据量远超平常"},
		Why: ocsf.Text{
			EN: "A device moved many times the data of its own usual day (the median of the days on which it was at work, and twice the largest of them). Images, or whole databases, are taken away like that. Weak: a new task or a backup does the same, and numbers accuse nobody.",
			ZH: "设备当日数据量为其自身平常工作日的许多倍（高于有业务日的中位数倍数，且超过历史最高日的两倍）。影像或整库外泄常表现如此；新任务或备份也会如此，数字不定罪，故为弱信号。",
		},
		Advice: ocsf.Text{
			EN: "Look with whom it talked and what it is; ask whoever is responsible. Look at exports and media of that day.",
			ZH: "查看通信对象与设备用途，询问责任人，并核对当日的导出与移动介质记录。",
		},
		Severity: ocsf.SeverityMedium, Risk: 36, Weak: true, Statistical: true,
		References: []string{"GB/T 22239-2019 8.1.3.2", "ISO/IEC 27001:2022 A.8.12", "MITRE ATT&CK T1048"},
		Params: []detect.Param{
			{Name: "times", Default: 10, About: ocsf.Text{EN: "times the median day", ZH: "中位日的倍数"}},
			{Name: "megabytes", Default: 500, About: ocsf.Text{EN: "megabytes in a day that nobody asks about", ZH: "一天内不予过问的兆字节数"}},
			{Name: "days", Default: 5, About: ocsf.Text{EN: "days at work by which a device must be known", ZH: "了解一台设备所需的工作日数"}},
		},
	}
}

// Detect implements [detect.Detector].
func (d *deviceVolume) Detect(c *detect.Context, ev *ocsf.Event) {
	talk, ok := flow.Of(ev)
	if !ok || talk.Server.IsMulticast() {
		return
	}
	client := asset.AddrText(talk.Client)
	m := d.devices.Keep(talk.Sensor+" "+client, ev.Time)
	m.add(&talk, ev.Time/day)
	usual, most := m.usual(int(c.Param("days")))
	least := max(int64(c.Param("times"))*usual, 2*most, int64(c.Param("megabytes"))<<20)
	if usual == 0 || m.Bytes < max(least, m.Next) {
		return
	}
	if m.Next == 0 {
		m.Event = ev.Metadata.UID
	}
	m.Next = 2 * m.Bytes
	c.Find(ocsf.Finding{
		ClassUID: ocsf.DetectionFinding, UID: detect.UID("device-volume", client, strconv.FormatInt(m.Day, 10)), Events: slices.Compact([]string{m.Event, ev.Metadata.UID}),
		Subject: "device:" + client,
		Title:   text("%s moved %s in a day (%s)", "%s 一天内传输 %s（%s）", client, size(m.Bytes), c.Clock()),
		Why: text("%s so far today; on a usual day it moves %s, the most was %s. Most of it with %s.", "今日至今 %s；平常一天 %s，最多 %s。主要对象：%s。",
			size(m.Bytes), size(usual), size(most), m.Server),
	})
}

// add counts a report for its day; reports of days gone by are too late.
func (m *moved) add(talk *flow.Conversation, today int64) {
	if today < m.Day {
		return
	}
	if today > m.Day {
		if m.Bytes > 0 {
			m.Past = append(m.Past, m.Bytes)
			m.Past = m.Past[max(0, len(m.Past)-mostMovedDays):]
		}
		*m = moved{Day: today, Past: m.Past}
	}
	n := talk.BytesIn + talk.BytesOut
	m.Bytes += n
	if n > m.Largest {
		m.Largest, m.Server = n, asset.AddrText(talk.Server)
	}
}

// usual is the median and the largest of the days before, 0 where there were
// too few.
func (m *moved) usual(days int) (median, most int64) {
	if len(m.Past) < max(days, 1) {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(m.Past))
	return max(sorted[len(sorted)/2], 1), sorted[len(sorted)-1]
}

// size writes bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f kB", float64(n)/(1<<10))
}

// Snapshot implements [detect.Stateful].
func (d *deviceVolume) Snapshot() ([]byte, error) { return d.devices.Snapshot() }

// Restore implements [detect.Stateful].
func (d *deviceVolume) Restore(data []byte) error { return d.devices.Restore(data) }
