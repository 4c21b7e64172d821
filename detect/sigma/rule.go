package sigma

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/ocsf"
)

// rule is one loaded rule, and what correlations and filters have in common
// with one.
type rule struct {
	file, id, name, level, version string
	title, why                     ocsf.Text
	severity                       int
	risk                           float64
	weak                           bool
	source                         logsource
	cond                           node
	routes                         []*route

	doc      *document
	replaces string   // the file whose rule of the same id this one replaces
	gone     bool     // another one took its id
	waits    []string // placeholders without a list
	feeds    []feed   // the correlations that count its matches
	partOf   []string // the correlations that count it
	spoken   bool     // one of them wants it reported too (generate)
	silent   bool     // it is only reported through correlations
	filters  []*filter
}

func (r *rule) about() *rule { return r }

// logsource is the kind of events a rule is about.
type logsource struct {
	Category string `yaml:"category"`
	Product  string `yaml:"product"`
	Service  string `yaml:"service"`
}

// ruleFile is what is read of a document's YAML. Rules may have any other
// fields. The section cordon is ours: texts in Chinese, the playbook to run
// next, and for filters how long they hold and who decided it.
type ruleFile struct {
	Title       string `yaml:"title"`
	ID          string `yaml:"id"`
	Name        string `yaml:"name"`
	Status      string `yaml:"status"`
	Level       string `yaml:"level"`
	Description string `yaml:"description"`
	Related     []struct {
		ID   string `yaml:"id"`
		Type string `yaml:"type"`
	} `yaml:"related"`
	Logsource logsource `yaml:"logsource"`
	Generate  bool      `yaml:"generate"`
	Cordon    struct {
		Title      ocsf.Text `yaml:"title"`
		Why        ocsf.Text `yaml:"why"`
		Playbook   string    `yaml:"playbook"`
		Until      string    `yaml:"until"`
		Reason     string    `yaml:"reason"`
		ApprovedBy string    `yaml:"approved_by"`
	} `yaml:"cordon"`
}

// page is a document with its sections, which are only needed while it is read.
type page struct {
	ruleFile    `yaml:",inline"`
	Sigma       yaml.Node `yaml:"sigma-version"`
	Detection   yaml.Node `yaml:"detection"`
	Correlation yaml.Node `yaml:"correlation"`
	Filter      yaml.Node `yaml:"filter"`
}

// read reads what a document says about itself.
func (p *page) read(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return errors.New("not a rule: it is no map")
	}
	if !p.quick(n) { // there is more to it, or something is wrong
		*p = page{}
		if err := n.Decode(p); err != nil {
			return fmt.Errorf("not a rule: %w", shortened(err))
		}
	}
	return p.check()
}

// quick reads a document that is written as most are.
func (p *page) quick(n *yaml.Node) bool {
	return quick(n, func(key string, v *yaml.Node) bool {
		switch key {
		case "sigma-version":
			p.Sigma = *v
		case "detection":
			p.Detection = *v
		case "correlation":
			p.Correlation = *v
		case "filter":
			p.Filter = *v
		case "related":
			return v.Decode(&p.Related) == nil
		case "generate":
			return v.Decode(&p.Generate) == nil
		case "cordon":
			return v.Decode(&p.Cordon) == nil
		case "logsource":
			return v.Kind == yaml.MappingNode && quick(v, func(key string, v *yaml.Node) bool { return plainly(p.Logsource.member(key), v) })
		default:
			return plainly(p.member(key), v)
		}
		return true
	})
}

// quick gives the members of a map to set, if no key is there twice or is more
// than a word.
func quick(n *yaml.Node, set func(key string, v *yaml.Node) bool) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag != "!!str" || indexOf(n, key.Value) != i || !set(key.Value, n.Content[i+1]) {
			return false
		}
	}
	return true
}

// plainly sets a text, if it is one; there may be none to set.
func plainly(to *string, v *yaml.Node) bool {
	if to == nil {
		return true
	}
	*to = v.Value
	return v.Kind == yaml.ScalarNode && v.Tag == "!!str"
}

func (f *ruleFile) member(key string) *string {
	switch key {
	case "title":
		return &f.Title
	case "id":
		return &f.ID
	case "name":
		return &f.Name
	case "status":
		return &f.Status
	case "level":
		return &f.Level
	case "description":
		return &f.Description
	}
	return nil
}

func (l *logsource) member(key string) *string {
	switch key {
	case "category":
		return &l.Category
	case "product":
		return &l.Product
	case "service":
		return &l.Service
	}
	return nil
}

// check finds what no kind of document may lack.
func (p *page) check() error {
	if p.Title == "" {
		return errors.New("it has no title")
	}
	major, _, _ := strings.Cut(p.Sigma.Value, ".")
	switch major {
	case "", "1", "2":
		return nil
	}
	return fmt.Errorf("it is written for Sigma %s; Cordon speaks Sigma 2", p.Sigma.Value)
}

// parseRule compiles one rule.
func parseRule(d *document, p *page, c *compiler) (*rule, error) {
	switch {
	case p.Detection.IsZero():
		return nil, errors.New("it has no detection")
	case p.Logsource == logsource{}:
		return nil, errors.New("it has no logsource")
	}
	cond, err := parseDetection(&p.Detection, c)
	if err != nil {
		return nil, err
	}
	r := &rule{}
	if err := r.take(d); err != nil {
		return nil, err
	}
	slices.Sort(c.waits)
	r.cond, r.source, r.waits = cond, lowered(p.Logsource), slices.Compact(c.waits)
	return r, nil
}

// take fills in what a document says about itself.
func (r *rule) take(d *document) error {
	f := &d.meta
	r.doc, r.file, r.id, r.name, r.level, r.version = d, d.file, f.ID, f.Name, f.Level, d.version
	if r.id == "" {
		r.id = "sigma-" + r.version
	}
	r.describe(f)
	return r.weigh()
}

func lowered(l logsource) logsource {
	return logsource{strings.ToLower(l.Category), strings.ToLower(l.Product), strings.ToLower(l.Service)}
}

// shortened is a YAML error without the values it quotes.
func shortened(err error) error {
	var te *yaml.TypeError
	if errors.As(err, &te) && len(te.Errors) > 0 {
		line, _, _ := strings.Cut(te.Errors[0], ": ")
		return fmt.Errorf("%s has a value of the wrong kind", line)
	}
	return err
}

// parseDetection compiles the detections and joins them by the condition.
func parseDetection(n *yaml.Node, c *compiler) (node, error) {
	if n = deref(n); n.Kind != yaml.MappingNode {
		return nil, errors.New("detection is not a map")
	}
	nodes := map[string]node{}
	var names []string
	var cond *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, body := n.Content[i].Value, n.Content[i+1]
		switch name {
		case "condition":
			cond = deref(body)
			continue
		case "timeframe":
			return nil, errors.New("a timeframe is written as a correlation now: put the rule and a correlation with its timespan into one file")
		}
		x, err := c.selection(body)
		if err != nil {
			return nil, fmt.Errorf("detection %s: %w", name, err)
		}
		nodes[name] = x
		names = append(names, name)
	}
	return joinConditions(cond, names, nodes)
}

func joinConditions(cond *yaml.Node, names []string, nodes map[string]node) (node, error) {
	if cond == nil {
		return nil, errors.New("it has no condition")
	}
	list := []*yaml.Node{cond}
	if cond.Kind == yaml.SequenceNode {
		list = cond.Content
	}
	if len(names) > maxNames {
		return nil, errTooLong("it has too many detections")
	}
	var any anyOf
	words, left := 0, maxQuestions
	for _, c := range list {
		if words += len(tokens(c.Value)); words > maxWords {
			return nil, errTooLong("its condition is too long")
		}
		x, err := parseCondition(c.Value, names, nodes)
		if err != nil {
			return nil, err
		}
		if !small(x, &left) {
			return nil, errTooLong("its condition asks too much")
		}
		any = append(any, x)
	}
	if len(any) == 1 {
		return any[0], nil
	}
	return any, nil
}

func (r *rule) describe(f *ruleFile) {
	r.title = ocsf.Text{EN: f.Title, ZH: f.Title}
	if f.Cordon.Title.ZH != "" {
		r.title.ZH = f.Cordon.Title.ZH
	}
	why := strings.Join(strings.Fields(f.Description), " ")
	if why == "" {
		why = f.Title
	}
	r.why = ocsf.Text{EN: why, ZH: why}
	if f.Cordon.Why.EN != "" {
		r.why.EN = f.Cordon.Why.EN
	}
	if f.Cordon.Why.ZH != "" {
		r.why.ZH = f.Cordon.Why.ZH
	}
}

// weigh turns the level into severity and risk.
func (r *rule) weigh() error {
	switch strings.ToLower(r.level) {
	case "informational":
		r.severity, r.risk, r.weak = ocsf.SeverityInformational, 4, true
	case "low":
		r.severity, r.risk, r.weak = ocsf.SeverityLow, 12, true
	case "medium", "":
		r.severity, r.risk, r.weak = ocsf.SeverityMedium, 30, true
	case "high":
		r.severity, r.risk = ocsf.SeverityHigh, 60
	case "critical":
		r.severity, r.risk = ocsf.SeverityCritical, 80
	default:
		return fmt.Errorf("the level %q is not known", r.level)
	}
	return nil
}
