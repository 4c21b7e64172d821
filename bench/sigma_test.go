package bench

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var (
	apart  = flag.String("apart", "", "internal: what a measuring process of Sigma rules does")
	answer = flag.String("answer", "", "internal: the file it writes its figures to")
)

// TestSigmaApart is no test: it is the measuring process that Sigma starts.
func TestSigmaApart(t *testing.T) {
	if *apart == "" {
		t.Skip("only a part of measuring: make bench-sigma")
	}
	var work SigmaWork
	if err := json.Unmarshal([]byte(*apart), &work); err != nil {
		t.Fatal(err)
	}
	done, err := work.Do()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(done)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(*answer, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sigma measures the rule engine on the sample data beside the repository.
func (r *run) sigma() error {
	const data = "../../shared/data"
	dir := filepath.Join(r.dir, "sigma")
	defer os.RemoveAll(dir)
	s, err := NewSigma(r.ctx, data, dir, r.say)
	if err != nil {
		return err
	}
	lines, tables, err := s.Report()
	if err != nil {
		return err
	}
	r.report.Add(lines...)
	r.report.Tables = append(r.report.Tables, tables...)
	line, table, err := s.Correlations()
	if err != nil {
		return err
	}
	r.report.Add(line)
	r.report.Tables = append(r.report.Tables, table)
	line, tables, err = s.Peer("peer")
	if err != nil { // its module may not be to be had
		r.report.Fail("Sigma: beside sigma-go", err)
		return nil
	}
	r.report.Add(line)
	r.report.Tables = append(r.report.Tables, tables...)
	return nil
}

// TestSigmaWork runs the measuring on a handful of events.
func TestSigmaWork(t *testing.T) {
	dir := t.TempDir()
	rules, events := filepath.Join(dir, "rules"), filepath.Join(dir, "events.ndjson")
	rule := "title: t\nid: r\nlogsource: {category: x}\ndetection: {s: {a: 1}, condition: s}\n"
	if err := writeFile(filepath.Join(rules, "r.yml"), []byte(rule)); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(events, []byte("{\"a\":1}\n{\"a\":2}\n{\"a\":1}\n")); err != nil {
		t.Fatal(err)
	}
	done, err := SigmaWork{Rules: rules, Events: events, Detail: true, Passes: 3}.Do()
	if err != nil {
		t.Fatal(err)
	}
	if done.Events != 9 || done.Loaded != 1 || done.Refused != 0 || done.Matches["r"] != 2 || len(done.Hits) != 2 || done.Hits[0] != "1 r" || done.Memory == 0 {
		t.Errorf("%+v", done)
	}
	done, err = SigmaWork{Rules: rules}.Do()
	if err != nil {
		t.Fatal(err)
	}
	if done.Loaded != 1 || done.Events != 0 || done.Wall <= 0 || done.Resident <= 0 || done.Memory < done.Resident {
		t.Errorf("loading alone: %+v", done)
	}
}
