package zone

import (
	"fmt"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// daySet holds days of the site's calendar, as days since 1970.
type daySet map[int32]struct{}

// mostDays bounds a set: three years are more than anybody simulates.
const mostDays = 1100

func dayOf(ms int64, site *time.Location) int32 {
	t := time.UnixMilli(ms)
	_, offset := t.In(site).Zone()
	return int32((t.Unix() + int64(offset)) / 86400)
}

func (d daySet) add(day int32) {
	if _, ok := d[day]; !ok && len(d) < mostDays {
		d[day] = struct{}{}
	}
}

func dateOf(day int32) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }

func weekend(day int32) bool {
	w := dateOf(day).Weekday()
	return w == time.Saturday || w == time.Sunday
}

// monthEnd reports whether a day is the last or first of a month, when
// settlements and reports are made.
func monthEnd(day int32) bool {
	t := dateOf(day)
	return t.Day() == 1 || t.AddDate(0, 0, 1).Day() == 1
}

func (d daySet) all(is func(int32) bool) bool {
	for day := range d {
		if !is(day) {
			return false
		}
	}
	return len(d) > 0
}

func (d daySet) none(is func(int32) bool) bool {
	return d.all(func(day int32) bool { return !is(day) })
}

// cautions say what a sample cannot show.
func (d daySet) cautions() []ocsf.Text {
	var out []ocsf.Text
	if len(d) == 0 {
		return []ocsf.Text{title("nothing was seen: the simulation says nothing", "没有任何流量样本：模拟不能说明任何问题")}
	}
	if len(d) < 7 {
		out = append(out, text("only %[2]s in the sample; simulate on 7 to 30", "样本只有 %[1]d 天；建议用 7 至 30 天的流量模拟", len(d), dayCount(len(d))))
	}
	if d.none(weekend) {
		out = append(out, title("no weekend in the sample: what only happens then is not judged", "样本中没有周末：只在周末发生的通信未被评估"))
	}
	if d.none(monthEnd) {
		out = append(out, title("no month end in the sample: settlement, reports and backups of that day are not judged", "样本中没有月末月初：当日的结算、报表与备份未被评估"))
	}
	if low, high := d.bounds(); int(high-low)+1 > len(d) {
		out = append(out, text("%[1]d days between were not seen: was a sensor down?", "中间缺少 %[1]d 天：传感器是否中断过？", int(high-low)+1-len(d)))
	}
	return out
}

func (d daySet) bounds() (low, high int32) {
	begun := false
	for day := range d {
		if !begun || day < low {
			low = day
		}
		if !begun || day > high {
			high = day
		}
		begun = true
	}
	return low, high
}

// rhythm says when something happens that a quiet week would not show.
func (d daySet) rhythm(sample daySet) ocsf.Text {
	switch {
	case len(sample) >= 7 && d.all(monthEnd) && !sample.all(monthEnd):
		return title(" Only at the month's end.", "仅在月末月初出现。")
	case len(d) == 1 && len(sample) >= 7:
		return title(" On one day only.", "仅出现一天。")
	case len(sample) >= 7 && d.all(weekend) && !sample.all(weekend):
		return title(" Only at weekends.", "仅在周末出现。")
	}
	return ocsf.Text{}
}

func dayCount(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
