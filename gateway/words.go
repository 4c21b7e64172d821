package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/ocsf"
)

func (o Outcome) titles() []ocsf.Text { return Titles(o.Summary.Kinds) }

// Titles names kinds and their counts, most frequent first, at most eight.
func Titles(kinds map[string]int64) []ocsf.Text {
	type count struct {
		name string
		n    int64
	}
	var all []count
	for name, n := range kinds {
		all = append(all, count{name, n})
	}
	slices.SortFunc(all, func(a, b count) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	var out []ocsf.Text
	for _, c := range all[:min(len(all), 8)] {
		title := ocsf.Text{EN: c.name, ZH: c.name}
		if k, ok := classify.KindOf(c.name); ok {
			title = k.Info().Title
		}
		out = append(out, ocsf.Text{EN: fmt.Sprintf("%s: %d", title.EN, c.n), ZH: fmt.Sprintf("%s：%d", title.ZH, c.n)})
	}
	return out
}

// Line is the outcome in one line of ASCII, for protocols that carry no more:
// the reply of a mail server.
func (o Outcome) Line(base string) string {
	var b strings.Builder
	b.WriteString(o.Words().EN)
	if link := o.Link(base); link != "" {
		b.WriteString(" Say why at " + link)
	} else if o.Pass != "" {
		b.WriteString(" Reference " + o.Pass)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, b.String())
}

// Words says a rule in a sentence.
func (r Rule) Words() ocsf.Text {
	var en, zh []string
	add := func(has bool, e, z string) {
		if has {
			en, zh = append(en, e), append(zh, z)
		}
	}
	n := max(r.Findings, 1)
	add(r.Honey, "a planted patient", "含有诱饵患者")
	add(r.Level > 0 || r.Findings > 0, fmt.Sprintf("%d or more findings of level %d and above", n, max(r.Level, 1)), fmt.Sprintf("%d 级及以上内容不少于 %d 处", max(r.Level, 1), n))
	add(r.Patients > 0, fmt.Sprintf("%d or more of our patients", r.Patients), fmt.Sprintf("本院患者不少于 %d 人", r.Patients))
	add(r.Persons > 0, fmt.Sprintf("%d or more people", r.Persons), fmt.Sprintf("涉及不少于 %d 人", r.Persons))
	add(len(r.Kinds) > 0, "one of "+strings.Join(r.Kinds, ", "), "含有其一："+strings.Join(r.Kinds, "、"))
	add(r.Unread, "content that cannot be looked into", "含有无法检查的内容")
	do := r.Do.Title()
	return ocsf.Text{EN: strings.Join(en, ", ") + ": " + do.EN, ZH: strings.Join(zh, "，") + "：" + do.ZH}
}

// Title is the action's name for people.
func (a Action) Title() ocsf.Text {
	switch a {
	case Allow:
		return ocsf.Text{EN: "allow", ZH: "放行"}
	case Coach:
		return ocsf.Text{EN: "ask the sender why", ZH: "要求说明原因"}
	case Redact:
		return ocsf.Text{EN: "take it out", ZH: "脱敏后放行"}
	case Hold:
		return ocsf.Text{EN: "hold for approval", ZH: "暂扣待审批"}
	}
	return ocsf.Text{EN: "block", ZH: "拦截"}
}
