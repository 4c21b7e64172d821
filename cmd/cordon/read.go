package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// lines runs a command whose answer is NDJSON: as it is with --json, else as a
// table made by row from each line.
func lines(w *world, t target, asJSON bool, method, path string, body any, header string, row func(map[string]any) string) error {
	return t.with(w, func(s *session) error {
		if asJSON {
			return s.pour(w.ctx, w.out, method, path, body)
		}
		pr, pw := io.Pipe()
		go func() { pw.CloseWithError(s.pour(w.ctx, pw, method, path, body)) }()
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(tab, header)
		n := 0
		for d := json.NewDecoder(pr); ; n++ {
			var v map[string]any
			err := d.Decode(&v)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(tab, row(v))
		}
		if n == 0 {
			fmt.Fprintln(w.err, "nothing found")
		}
		return tab.Flush()
	})
}

// at reads a member of nested JSON objects, "" when it is not there.
func at(v map[string]any, path string) string {
	var cur any = v
	for name := range strings.SplitSeq(path, ".") {
		m, ok := cur.(map[string]any)
		if !ok {
			return ""
		}
		cur = m[name]
	}
	switch x := cur.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(cur)
}

type incidentsCmd struct {
	target
	JSON   bool   `help:"OCSF Incident Findings, a line each." name:"json"`
	Status string `help:"Only cases in this state." enum:",waiting,new,assigned,closed" default:""`
	Since  string `help:"Only cases with events at or after: a date or RFC 3339 time." placeholder:"TIME"`
	Until  string `help:"Only cases with events before." placeholder:"TIME"`
	Limit  int    `help:"At most so many."`
}

// Run lists cases.
func (c incidentsCmd) Run(w *world) error {
	path := "/api/v1/incidents?" + query("status", c.Status, "since", c.Since, "until", c.Until, "limit", number(c.Limit))
	return lines(w, c.target, c.JSON, "GET", path, nil, "CASE\tRISK\tSTATUS\tPERSON\tTIME\tWHAT", func(v map[string]any) string {
		return strings.Join([]string{at(v, "finding_info.uid"), at(v, "risk_score"), at(v, "status"), at(v, "actor.user.uid"), moment(v), title(v)}, "\t")
	})
}

func title(v map[string]any) string {
	if t := at(v, "finding_info.title"); t != "" {
		return t
	}
	return at(v, "message")
}

// moment is when it was, for people.
func moment(v map[string]any) string {
	ms, ok := v["time"].(float64)
	if !ok {
		return at(v, "time")
	}
	return time.UnixMilli(int64(ms)).Format("2006-01-02 15:04")
}

type findingsCmd struct {
	target
	JSON      bool   `help:"OCSF findings, a line each." name:"json"`
	Withdrawn bool   `help:"Also findings that were explained later."`
	Since     string `help:"Only findings at or after." placeholder:"TIME"`
	Until     string `help:"Only findings before." placeholder:"TIME"`
	Limit     int    `help:"At most so many."`
}

// Run lists findings.
func (c findingsCmd) Run(w *world) error {
	withdrawn := ""
	if c.Withdrawn {
		withdrawn = "true"
	}
	path := "/api/v1/findings?" + query("withdrawn", withdrawn, "since", c.Since, "until", c.Until, "limit", number(c.Limit))
	return lines(w, c.target, c.JSON, "GET", path, nil, "DETECTOR\tRISK\tPERSON\tTIME\tWHAT", func(v map[string]any) string {
		return strings.Join([]string{at(v, "finding_info.analytic.uid"), at(v, "risk_score"), at(v, "actor.user.uid"), moment(v), title(v)}, "\t")
	})
}

type explainCmd struct {
	target
	JSON   bool     `help:"A line of JSON for each access." name:"json"`
	All    bool     `help:"All accesses."`
	Lang   string   `help:"Language of the sentences." enum:"en,zh" default:"en"`
	Events []string `arg:"" optional:"" help:"Ids of events as given by their source." name:"event-id"`
}

// Run explains accesses.
func (c explainCmd) Run(w *world) error {
	if c.All == (len(c.Events) > 0) {
		return usage{errors.New("give event ids, or --all")}
	}
	body := map[string]any{"events": c.Events, "all": c.All}
	missing := 0
	err := c.with(w, func(s *session) error {
		pr, pw := io.Pipe()
		go func() { pw.CloseWithError(s.pour(w.ctx, pw, "POST", "/api/v1/explanations?lang="+c.Lang, body)) }()
		out := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		if !c.JSON {
			fmt.Fprintln(out, "EVENT\tEXPLAINED\tKIND\tWHY")
		}
		for in := bufio.NewReader(pr); ; {
			line, err := in.ReadBytes('\n')
			if len(line) > 1 && !c.line(w, out, line) {
				missing++
			}
			switch {
			case errors.Is(err, io.EOF):
				return out.Flush()
			case err != nil:
				return err
			}
		}
	})
	if err == nil && missing > 0 {
		err = fmt.Errorf("%d of the events have no explanation to give; see above", missing)
	}
	return err
}

// line prints one answer; false when it says that there is none.
func (c explainCmd) line(w *world, out io.Writer, line []byte) bool {
	var x struct {
		EventUID  string `json:"event_uid"`
		Explained bool   `json:"explained"`
		Kind      string `json:"kind"`
		Sentence  string `json:"sentence"`
		Error     string `json:"error"`
	}
	if json.Unmarshal(line, &x) == nil && x.Error != "" {
		fmt.Fprintf(w.err, "%s: %s\n", x.EventUID, x.Error)
		return false
	}
	if c.JSON {
		_, _ = w.out.Write(line) // a reader that hung up is told by the next write
		return true
	}
	fmt.Fprintf(out, "%s\t%v\t%s\t%s\n", x.EventUID, x.Explained, x.Kind, x.Sentence)
	return true
}

type accessesCmd struct {
	target
	JSON    bool   `help:"A line of JSON for each access." name:"json"`
	Patient string `help:"Number of the patient." required:"" placeholder:"ID"`
	From    string `help:"Only accesses at or after." placeholder:"TIME"`
	Until   string `help:"Only accesses before." placeholder:"TIME"`
	Limit   int    `help:"At most so many."`
	Lang    string `help:"Language of the sentences." enum:"en,zh" default:"en"`
}

// Run lists who looked.
func (c accessesCmd) Run(w *world) error {
	body := map[string]any{"patient": c.Patient, "from": c.From, "until": c.Until, "limit": c.Limit}
	return lines(w, c.target, c.JSON, "POST", "/api/v1/accesses?lang="+c.Lang, body, "TIME\tWHO\tROLE\tWHAT\tWHY", func(v map[string]any) string {
		return strings.Join([]string{at(v, "time"), at(v, "person"), at(v, "role"), at(v, "activity"), at(v, "sentence")}, "\t")
	})
}

type queryCmd struct {
	target
	Format string `help:"Form of the answer: table, csv, json or parquet." enum:"table,csv,json,parquet" default:"table"`
	SQL    string `arg:"" help:"One SELECT over the views events, records and explanations." name:"sql"`
}

// Run asks SQL.
func (c queryCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		return s.pour(w.ctx, w.out, "POST", "/api/v1/query", map[string]string{"sql": c.SQL, "format": c.Format})
	})
}

// query encodes the parameters that are set.
func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v.Encode()
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
