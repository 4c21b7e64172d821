package incident

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// InWords says how the risk of a case came about: what leads, what raises it,
// and what earlier verdicts made of it. title names a detector.
func (c Case) InWords(title func(id string) ocsf.Text) ocsf.Text {
	var en, zh []string
	for i, p := range c.Parts {
		name, local := title(p.Analytic), p.here()
		switch {
		case i == 0:
			en = append(en, fmt.Sprintf("%s %s%s", name.In("en"), local, p.factorWords("en")))
			zh = append(zh, fmt.Sprintf("%s %s%s", name.In("zh"), local, p.factorWords("zh")))
		default:
			en = append(en, fmt.Sprintf("raised by %s +%s%s", name.In("en"), short(p.Adds), p.factorWords("en")))
			zh = append(zh, fmt.Sprintf("因%s +%s%s", name.In("zh"), short(p.Adds), p.factorWords("zh")))
		}
	}
	return ocsf.Text{EN: strings.Join(en, ", "), ZH: strings.Join(zh, "，")}
}

// here is what the part counts here.
func (p Part) here() string {
	if p.Local == 0 {
		return short(p.Risk) // of a version that knew no calibration
	}
	return short(p.Local)
}

// factorWords says what calibration did, "" when nothing.
func (p Part) factorWords(lang string) string {
	if p.Factor == 0 || p.Factor == 1 || p.Local == p.Risk {
		return ""
	}
	factor := strconv.FormatFloat(p.Local/max(p.Risk, 0.01), 'f', 2, 64)
	if lang == "zh" {
		return fmt.Sprintf("（由 %s 校准 ×%s：此类已判定 %d 起，属实 %d 起）", short(p.Risk), factor, p.Decided, p.Confirmed)
	}
	return fmt.Sprintf(" (calibrated ×%s from %s: %d of %d like this were confirmed here)", factor, short(p.Risk), p.Confirmed, p.Decided)
}

// short writes a risk: whole numbers, and a digit more where that would be 0.
func short(r float64) string {
	if r < 1 && r > 0 {
		return strconv.FormatFloat(r, 'f', 1, 64)
	}
	return strconv.FormatFloat(r, 'f', 0, 64)
}
