package sigma

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/ocsf"
)

// rule is one loaded rule.
type rule struct {
	file, id, level, version string
	title, why               ocsf.Text
	severity                 int
	risk                     float64
	weak                     bool
	source                   logsource
	cond                     node
	routes                   []*route
}

// logsource is the kind of events a rule is about.
type logsource struct {
	Category string `yaml:"category"`
	Product  string `yaml:"product"`
	Service  string `yaml:"service"`
}

// ruleFile is what is read of a rule's YAML. Rules may have any other fields.
// The section cordon is ours: texts in Chinese, and the playbook to run next.
type ruleFile struct {
	Title       string    `yaml:"title"`
	ID          string    `yaml:"id"`
	Name        string    `yaml:"name"`
	Status      string    `yaml:"status"`
	Level       string    `yaml:"level"`
	Description string    `yaml:"description"`
	Logsource   logsource `yaml:"logsource"`
	Detection   yaml.Node `yaml:"detection"`
	Correlation yaml.Node `yaml:"correlation"`
	Filter      yaml.Node `yaml:"filter"`
	Action      string    `yaml:"action"`
	Cordon      struct {
		Title    ocsf.Text `yaml:"title"`
		Why      ocsf.Text `yaml:"why"`
		Playbook string    `yaml:"playbook"`
	} `yaml:"cordon"`
}

// parseRule compiles one rule. What was read is returned with an error too, for
// the list of refused rules.
func parseRule(doc *yaml.Node, raw []byte, fields *fieldNames) (*rule, ruleFile, error) {
	var f ruleFile
	if err := doc.Decode(&f); err != nil {
		return nil, f, fmt.Errorf("not a rule: %w", shortened(err))
	}
	switch {
	case !f.Correlation.IsZero():
		return nil, f, errors.New("correlations over several events are not in this version")
	case !f.Filter.IsZero():
		return nil, f, errors.New("global filters are not in this version")
	case f.Action != "":
		return nil, f, fmt.Errorf("rule collections (action: %s) are not in this version", f.Action)
	case f.Title == "":
		return nil, f, errors.New("it has no title")
	case f.Detection.IsZero():
		return nil, f, errors.New("it has no detection")
	case f.Logsource == logsource{}:
		return nil, f, errors.New("it has no logsource")
	}
	cond, err := parseDetection(&f.Detection, fields)
	if err != nil {
		return nil, f, err
	}
	sum := sha256.Sum256(raw)
	r := &rule{id: f.ID, level: f.Level, version: hex.EncodeToString(sum[:8]), cond: cond, source: lowered(f.Logsource)}
	if r.id == "" {
		r.id = "sigma-" + r.version
	}
	r.describe(&f)
	return r, f, r.weigh()
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
func parseDetection(n *yaml.Node, fields *fieldNames) (node, error) {
	if n = deref(n); n.Kind != yaml.MappingNode {
		return nil, errors.New("detection is not a map")
	}
	c := &compiler{fields: fields}
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
			return nil, errors.New("a timeframe needs a correlation, which this version does not have")
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
	var any anyOf
	for _, c := range list {
		x, err := parseCondition(c.Value, names, nodes)
		if err != nil {
			return nil, err
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
