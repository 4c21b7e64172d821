package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/zone"
)

// zoneTemplates are the policies to start from.
func zoneTemplates() (fs.FS, error) { return fs.Sub(content.Files(), "zones") }

// readZonePolicy reads a policy file; what is wrong with it is a refusal.
func readZonePolicy(path string) (zone.Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return zone.Policy{}, usage{err}
	}
	p, err := zone.Read(text, time.Local)
	if err != nil {
		return p, found{"refused: " + err.Error()}
	}
	return p, nil
}

// compileZonePolicy reads and compiles; refusals end with exit code 1.
func compileZonePolicy(w *world, path string) (*zone.Ruleset, error) {
	p, err := readZonePolicy(path)
	if err != nil {
		return nil, err
	}
	r, err := zone.Compile(p, w.now())
	if err != nil {
		return nil, found{"refused: " + err.Error() + "\nsee: cordon zone check " + path}
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w.err, n.In(language()))
	}
	return r, nil
}

// writeOut writes a text to a file or to standard output.
func writeOut(w *world, path, text string) error {
	if path == "" {
		_, err := io.WriteString(w.out, text)
		return err
	}
	out, err := durable.Create(path, 0o644)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	return out.Commit()
}

type zoneNewCmd struct {
	Template string `help:"county-hospital, tertiary or clinic." default:"county-hospital" placeholder:"NAME"`
	Out      string `help:"File to write, which must not exist; standard output unless given." placeholder:"FILE" type:"path"`
}

// Run writes a template.
func (c zoneNewCmd) Run(w *world) error {
	files, err := zoneTemplates()
	if err != nil {
		return err
	}
	text, err := zone.Template(files, c.Template, w.now())
	if err != nil {
		return usage{err}
	}
	if c.Out != "" {
		if _, err := os.Stat(c.Out); err == nil {
			return usage{fmt.Errorf("%s exists already; give another name or remove it", c.Out)}
		}
		fmt.Fprintf(w.err, "put your addresses in, then: cordon zone check %s\n", c.Out)
	}
	return writeOut(w, c.Out, string(text))
}

type zoneCheckCmd struct {
	Policy string `arg:"" help:"The policy." type:"path"`
	JSON   bool   `help:"A line of JSON for each thing to say." name:"json"`
}

// Run checks a policy.
func (c zoneCheckCmd) Run(w *world) error {
	p, err := readZonePolicy(c.Policy)
	if err != nil {
		return err
	}
	problems := p.Check(w.now())
	refused := 0
	enc := json.NewEncoder(w.out)
	enc.SetEscapeHTML(false)
	for _, x := range problems {
		if x.Refused {
			refused++
		}
		if c.JSON {
			if err := enc.Encode(x); err != nil {
				return err
			}
			continue
		}
		word := zonePick("warning", "提醒")
		if x.Refused {
			word = zonePick("REFUSED", "拒绝")
		}
		fmt.Fprintf(w.out, "%s  %s  [%s]\n", word, x.In(language()), x.Code)
	}
	if refused > 0 {
		return found{fmt.Sprintf("refused: %d things must be changed; %d warnings", refused, len(problems)-refused)}
	}
	fmt.Fprintf(w.err, "%s: %d zones, %d conduits and %d implicit ones; %d warnings\n", p.Name, len(p.Zones), len(p.Conduits), len(p.Implicit()), len(problems))
	return nil
}

// zonePick is a word in the terminal's language.
func zonePick(en, zh string) string {
	if language() == "zh" {
		return zh
	}
	return en
}

type zoneShowCmd struct {
	Policy string `arg:"" help:"The policy." type:"path"`
	JSON   bool   `help:"A line of JSON for each conduit in force, implicit ones too." name:"json"`
}

// Run shows who may talk to whom.
func (c zoneShowCmd) Run(w *world) error {
	r, err := compileZonePolicy(w, c.Policy)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(w.out)
		enc.SetEscapeHTML(false)
		for _, x := range r.Conduits {
			if err := enc.Encode(x); err != nil {
				return err
			}
		}
		return nil
	}
	zoneMatrix(w.out, r)
	rows := [][]string{{zonePick("CONDUIT", "通道"), zonePick("FROM", "从"), zonePick("TO", "到"), zonePick("ALLOWS", "允许"), zonePick("UNTIL", "期限"), zonePick("OWNER", "责任人"), zonePick("REASON", "理由")}}
	for _, x := range r.Conduits {
		rows = append(rows, []string{x.ID, x.From + zoneHosts(len(x.FromHosts)), x.To + zoneHosts(len(x.ToHosts)), strings.Join(x.Allow, " "), zoneDay(x), x.Owner, x.Reason})
	}
	zoneTable(w.out, rows)
	return nil
}

func zoneHosts(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d)", n)
}

func zoneDay(c zone.Conduit) string {
	switch {
	case c.Implicit:
		return zonePick("implicit", "隐含")
	case c.Expires.IsZero():
		return "-"
	}
	return c.Expires.Format(time.DateOnly)
}

// zoneMatrix prints how many conduits lead from each zone to each.
func zoneMatrix(out io.Writer, r *zone.Ruleset) {
	count := map[[2]string]int{}
	for _, c := range r.Conduits {
		count[[2]string{c.From, c.To}]++
	}
	rows := [][]string{{""}}
	for i := range r.Zones {
		rows[0] = append(rows[0], fmt.Sprint(i+1))
	}
	for i, from := range r.Zones {
		row := []string{fmt.Sprintf("%2d %s", i+1, from.Name)}
		for _, to := range r.Zones {
			n := count[[2]string{from.Name, to.Name}]
			switch {
			case n > 0:
				row = append(row, fmt.Sprint(n))
			case from.Name == to.Name && !from.Isolated:
				row = append(row, "=")
			default:
				row = append(row, ".")
			}
		}
		rows = append(rows, row)
	}
	zoneTable(out, rows)
	fmt.Fprintln(out, zonePick("rows: from; columns: to; numbers: conduits; = within the zone; . nothing passes", "行：发起方；列：接收方；数字：通道数；= 区内互通；. 不放行"))
	fmt.Fprintln(out)
}

// zoneTable prints columns as wide as their widest text, Chinese included.
func zoneTable(out io.Writer, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell)+2))
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
}

type zoneCompileCmd struct {
	Policy string `arg:"" help:"The policy." type:"path"`
	For    string `help:"nft, cisco, huawei, h3c, fortinet or json." default:"nft" enum:"nft,cisco,huawei,h3c,fortinet,json"`
	Remove bool   `help:"The way back instead: the text that takes it away again."`
	Out    string `help:"File to write; standard output unless given." placeholder:"FILE" type:"path"`
}

// Run compiles a policy.
func (c zoneCompileCmd) Run(w *world) error {
	r, err := compileZonePolicy(w, c.Policy)
	if err != nil {
		return err
	}
	if c.For == "json" {
		if c.Remove {
			return usage{errors.New("json has no way back; name a syntax with --for")}
		}
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return writeOut(w, c.Out, string(text)+"\n")
	}
	d, err := zone.DialectNamed(c.For)
	if err != nil {
		return usage{err}
	}
	write := d.Write
	if c.Remove {
		write = d.Remove
	}
	text, err := write(r)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.err, "%s: %d elements, ruleset %s\n", d.Title.In(language()), len(r.Elements), r.Hash)
	return writeOut(w, c.Out, text)
}
