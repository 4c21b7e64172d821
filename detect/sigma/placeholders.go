package sigma

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// placeholders reads a file of value lists, which fill the %placeholders% of
// rules with the modifier expand:
//
//	placeholders:
//	  Jumphosts: [jump-1, jump-2]
//	  ServiceAccounts: ['svc_*', his_app]
//
// Names are read in any case, with or without percent signs. A list replaces
// one of the same name in a file read before.
func (l *loader) placeholders(name string, data []byte) {
	var f struct {
		Placeholders yaml.Node `yaml:"placeholders"`
	}
	if err := unmarshal(data, &f); err != nil {
		l.refuse(Refused{File: name, Reason: "not readable: " + shortened(err).Error()})
		return
	}
	n := deref(&f.Placeholders)
	if n.Kind != yaml.MappingNode {
		l.refuse(Refused{File: name, Reason: "it has no map placeholders, from names to lists of values"})
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := strings.Trim(n.Content[i].Value, "%")
		list, err := scalars(n.Content[i+1])
		if err != nil {
			l.refuse(Refused{File: name, Reason: fmt.Sprintf("placeholder %s: %v", key, err)})
			continue
		}
		l.lists[strings.ToLower(key)] = list
	}
}

// unmarshal reads a document into a struct, unless it has no end.
func unmarshal(data []byte, out any) error {
	n, err := fromLibrary(string(data))
	if err != nil || n == nil {
		return err
	}
	return n.Decode(out)
}

// scalars are the values of a list, or a single one.
func scalars(n *yaml.Node) ([]string, error) {
	switch n = deref(n); n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil, errors.New("it is empty")
		}
		return []string{n.Value}, nil
	case yaml.SequenceNode:
		var out []string
		for _, e := range n.Content {
			if e = deref(e); e.Kind != yaml.ScalarNode {
				return nil, errors.New("its values are texts and numbers")
			}
			out = append(out, e.Value)
		}
		return out, nil
	}
	return nil, errors.New("it is a list of texts")
}
