package gateway

import (
	"bytes"
	"html/template"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// Words is what a person stopped by the gateway is told, in both languages:
// what was found, never the values.
func (o Outcome) Words() ocsf.Text {
	switch {
	case o.Failed != nil:
		return ocsf.Text{EN: "Not sent: " + o.Failed.EN + ".", ZH: "未发送：" + o.Failed.ZH + "。"}
	case o.Action == Coach:
		return ocsf.Text{EN: "Not sent yet: this holds patient data. If it must go, say why, then send again.", ZH: "暂未发送：内容含有患者数据。如确需发送，请先说明原因，然后重新发送。"}
	case o.Action == Hold:
		return ocsf.Text{EN: "Not sent yet: this holds patient data and needs somebody's approval.", ZH: "暂未发送：内容含有患者数据，须经审批。"}
	}
	return ocsf.Text{EN: "Not sent: this holds patient data that may not leave this way.", ZH: "未发送：内容含有患者数据，不得经此途径外传。"}
}

// Link is where a coached sender says why; empty where there is nothing to
// say. base is how people reach the console.
func (o Outcome) Link(base string) string {
	if o.Action != Coach || o.Pass == "" || base == "" {
		return ""
	}
	return strings.TrimRight(base, "/") + "/pass/" + o.Pass
}

// Page is what a browser shows instead of the answer of the web server.
func (o Outcome) Page(base string) []byte {
	var b bytes.Buffer
	words := o.Words()
	err := stopped().Execute(&b, map[string]any{
		"Words": words, "Link": o.Link(base), "Ref": o.Pass, "Kinds": o.titles(), "Level": o.Summary.Level, "Patients": o.Summary.Patients,
	})
	if err != nil { // the template and its values are ours
		return []byte(words.ZH + "\n" + words.EN + "\n")
	}
	return b.Bytes()
}

// stopped is self-contained: it is shown in place of another site's page.
func stopped() *template.Template {
	return template.Must(template.New("stopped").Parse(`<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Cordon</title><style>
body{margin:0;font:16px/1.6 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif;background:#f4f6f8;color:#16212c}
main{max-width:40rem;margin:8vh auto;padding:2rem;background:#fff;border:1px solid #d7dee5;border-top:6px solid #b3261e;border-radius:8px}
h1{font-size:1.35rem;margin:0 0 .4rem}p{margin:.4rem 0}.en{color:#46525e}
ul{padding-left:1.2rem}a.go{display:inline-block;margin:1rem 0;padding:.6rem 1.2rem;background:#0b5cad;color:#fff;border-radius:6px;text-decoration:none}
small{color:#5b6874;word-break:break-all}
@media (max-width:44rem){main{margin:0;border-radius:0;min-height:100vh;box-sizing:border-box}}
</style></head><body><main>
<h1>{{.Words.ZH}}</h1><p class="en" lang="en">{{.Words.EN}}</p>
{{if .Kinds}}<p>发现的内容 <span class="en" lang="en">/ What was found</span></p><ul>{{range .Kinds}}<li>{{.ZH}} <span class="en" lang="en">{{.EN}}</span></li>{{end}}</ul>{{end}}
{{if .Patients}}<p>涉及本院患者 {{.Patients}} 人 <span class="en" lang="en">/ {{.Patients}} of our patients</span></p>{{end}}
{{if .Link}}<p><a class="go" href="{{.Link}}">说明原因 / Say why</a></p>{{end}}
{{if .Ref}}<small>{{.Ref}}</small>{{end}}
</main></body></html>
`))
}
