package main

import (
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/zone"
)

// severityWord is an OCSF severity in the terminal's language.
func severityWord(n int, lang string) string {
	words := []string{"-", "note", "low", "medium", "high", "CRITICAL"}
	if lang == "zh" {
		words = []string{"-", "提示", "低", "中", "高", "严重"}
	}
	return words[max(0, min(n, len(words)-1))]
}

// printSimulation writes the report as text.
func printSimulation(out io.Writer, s zone.Simulation) {
	lang := language()
	fmt.Fprintf(out, zonePick("policy %s, ruleset %.12s: %d days, %d conversations, %d sessions of which %d would be denied\n", "策略 %s，规则集 %.12s：%d 天，%d 条通信，%d 次会话，其中 %d 次会被拒绝\n"),
		s.Policy, s.Hash, s.Days, s.Conversations, s.Sessions, s.DeniedSessions)
	for _, c := range s.Cautions {
		fmt.Fprintln(out, zonePick("CAUTION", "注意"), c.In(lang))
	}
	fmt.Fprintln(out)
	if len(s.Effects) == 0 {
		fmt.Fprintln(out, zonePick("nothing that people would notice", "没有人会察觉到变化"))
	}
	for _, e := range s.Effects {
		printEffect(out, e, lang)
	}
	if s.More > 0 {
		fmt.Fprintf(out, zonePick("... and %d more\n", "……另有 %d 项\n"), s.More)
	}
	if len(s.Blocked) > 0 {
		fmt.Fprintln(out, zonePick("\nwhat the policy is for:", "\n策略要阻止的："))
	}
	for _, e := range s.Blocked {
		fmt.Fprintf(out, "  %s\n    %s\n", e.Text.In(lang), e.Advice.In(lang))
	}
	for _, name := range sortedNames(s.Departments) {
		fmt.Fprintf(out, zonePick("department %s: %.1f %% of its traffic goes on\n", "科室 %s：%.1f%% 的通信不受影响\n"), name, 100*s.Departments[name])
	}
	if len(s.Unused) > 0 {
		fmt.Fprintln(out, zonePick("conduits nothing went through:", "没有流量经过的通道："), strings.Join(s.Unused, ", "))
	}
}

func printEffect(out io.Writer, e zone.Effect, lang string) {
	last := ""
	if e.Last > 0 {
		last = " (" + zonePick("last", "最近") + " " + time.UnixMilli(e.Last).Format("2006-01-02 15:04") + ")"
	}
	fmt.Fprintf(out, "%-8s %s%s\n         %s\n", severityWord(e.Severity, lang), e.Text.In(lang), last, e.Advice.In(lang))
	if e.Proposal != "" {
		fmt.Fprint(out, "         | "+strings.ReplaceAll(strings.TrimRight(e.Proposal, "\n"), "\n", "\n         | ")+"\n")
	}
}

// zonePage is the report to print: one page of HTML without anything from
// elsewhere.
func zonePage(s zone.Simulation, lang string, now time.Time) (string, error) {
	t, err := template.New("report").Funcs(template.FuncMap{
		"pick": func(en, zh string) string {
			if lang == "zh" {
				return zh
			}
			return en
		},
		"word":    func(n int) string { return severityWord(n, lang) },
		"day":     func(ms int64) string { return time.UnixMilli(ms).Format(time.DateOnly) },
		"percent": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
		"join":    func(all []string) string { return strings.Join(all, ", ") },
	}).Parse(zonePageText)
	if err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, struct {
		zone.Simulation
		Lang string
		Now  string
	}{s, lang, now.Format("2006-01-02 15:04")}); err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	return b.String(), nil
}

const zonePageText = `<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><title>{{pick "Simulation" "模拟报告"}} {{.Policy}}</title>
<style>
body{font:14px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#111}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;text-align:left;padding:.3em .5em;vertical-align:top}
pre{background:#f4f4f4;padding:.5em;margin:.3em 0;white-space:pre-wrap}
.s5{border-left:6px solid #a00}.s4{border-left:6px solid #d60}.s3{border-left:6px solid #ca0}.s2,.s1{border-left:6px solid #999}
.e{padding:.2em .8em;margin:.8em 0;break-inside:avoid}.no{color:#a00;font-weight:600}small{color:#555}
@media print{body{margin:0;max-width:none}}
</style></head><body>
<h1>{{pick "What would change" "策略生效后的变化"}}: {{.Policy}}</h1>
<p>{{pick "Ruleset" "规则集"}} <code>{{.Hash}}</code><br>
{{pick "Sample" "样本"}}: {{if .From}}{{day .From}} – {{day .Until}}, {{end}}{{.Days}} {{pick "days" "天"}};
{{.Conversations}} {{pick "conversations" "条通信"}}, {{.Sessions}} {{pick "sessions" "次会话"}}, {{.DeniedSessions}} {{pick "denied" "次被拒绝"}}. <small>{{.Now}}</small></p>
{{range .Cautions}}<p><strong>{{pick "Caution" "注意"}}</strong> {{pick .EN .ZH}}</p>{{end}}
<h2>{{pick "What people would notice" "人们会察觉到的影响"}}</h2>
{{range .Effects}}<div class="e s{{.Severity}}"><strong>{{word .Severity}}</strong> {{pick .Text.EN .Text.ZH}}<br><small>{{pick .Advice.EN .Advice.ZH}}{{if .Last}} · {{pick "last" "最近"}} {{day .Last}}{{end}}</small>{{if .Proposal}}<pre>{{.Proposal}}</pre>{{end}}</div>
{{else}}<p>{{pick "Nothing." "没有影响。"}}</p>{{end}}
{{if .More}}<p>… +{{.More}}</p>{{end}}
{{if .Blocked}}<h2>{{pick "What the policy is for" "策略要阻止的"}}</h2>{{range .Blocked}}<div class="e s1">{{pick .Text.EN .Text.ZH}}<br><small>{{pick .Advice.EN .Advice.ZH}}</small></div>{{end}}{{end}}
{{if .Departments}}<h2>{{pick "Departments" "科室"}}</h2><table>{{range $name, $share := .Departments}}<tr><td>{{$name}}</td><td>{{percent $share}} {{pick "of its traffic goes on" "的通信不受影响"}}</td></tr>{{end}}</table>{{end}}
<h2>{{pick "Zones" "分区矩阵"}}</h2><table><tr><th>{{pick "From" "从"}}</th><th>{{pick "To" "到"}}</th><th>{{pick "Allowed" "放行"}}</th><th>{{pick "Denied" "拒绝"}}</th><th>{{pick "Conduits" "通道"}}</th></tr>
{{range .Pairs}}<tr><td>{{.From}}</td><td>{{.To}}</td><td>{{.Allowed}}</td><td{{if .Denied}} class="no"{{end}}>{{.Denied}}</td><td>{{join .Conduits}}</td></tr>
{{end}}</table>
{{if .Unused}}<h2>{{pick "Conduits that nothing went through" "没有流量经过的通道"}}</h2><p>{{join .Unused}}</p>{{end}}
</body></html>
`

// sortedNames are the keys of a map in order.
func sortedNames(m map[string]float64) []string {
	return slices.Sorted(maps.Keys(m))
}
