package sigma

import (
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

// TestRulesDescribeThemselves: what lists show of a rule.
func TestRulesDescribeThemselves(t *testing.T) {
	rules, refused := Load(fstest.MapFS{"a.yml": {Data: []byte(`title: Export at night
id: 11111111-1111-4111-8111-111111111111
name: export
status: test
level: high
logsource: {category: process_creation, product: windows}
detection:
  x: {Image|endswith: 'export.exe'}
  condition: x
cordon: {title: {zh: 夜间导出}}
---
title: Exports in a row
id: 22222222-2222-4222-8222-222222222222
correlation: {type: event_count, rules: [export], group-by: [User], timespan: 10m, condition: {gte: 3}}
`)}})
	if len(refused) > 0 {
		t.Fatal(refused)
	}
	all := rules.List()
	r, c := all[0], all[1]
	if r.TitleZH != "夜间导出" || r.Status != "test" || r.Source != "process_creation/windows" || r.Type != "" || !slices.Equal(r.Through, []string{c.ID}) {
		t.Errorf("%+v", r)
	}
	if !c.Correlation || c.Type != "event_count" || c.Span != 10*time.Minute || !slices.Equal(c.Counts, []string{r.ID}) {
		t.Errorf("%+v", c)
	}
}
