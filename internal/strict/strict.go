// Package strict reads YAML into structs and refuses what it does not know:
// an unknown key is an error that names its line and the nearest key there
// is. It exists because a mistyped setting that is silently ignored is worse
// than none. What contains itself by aliases, or grows by them, is refused
// before anybody walks it. It knows nothing of any setting's meaning.
package strict

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Unmarshal reads one YAML document into out, a pointer to a struct that holds
// the defaults. An empty document changes nothing.
func Unmarshal(data []byte, out any) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return err
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return Decode(doc.Content[0], out)
}

// Decode reads one node into out, a pointer.
func Decode(n *yaml.Node, out any) error {
	if _, err := Size(n); err != nil {
		return err
	}
	if err := check(n, reflect.TypeOf(out), ""); err != nil {
		return err
	}
	return n.Decode(out)
}

func check(n *yaml.Node, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t == reflect.TypeFor[yaml.Node]() || n.Kind == yaml.ScalarNode {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkStruct(n, t, path)
	case reflect.Slice, reflect.Array:
		return checkList(n, t, path)
	case reflect.Map:
		return checkMap(n, t, path)
	}
	return nil
}

func checkStruct(n *yaml.Node, t reflect.Type, path string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %s must be a group of settings", n.Line, name(path))
	}
	fields := fieldsOf(t)
	var errs []error
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, ok := fields[key.Value]
		switch {
		case !ok:
			errs = append(errs, unknown(key, path, fields))
			continue
		case seen[key.Value]:
			errs = append(errs, fmt.Errorf("line %d: %s is set twice", key.Line, join(path, key.Value)))
		}
		seen[key.Value] = true
		errs = append(errs, check(value, field, join(path, key.Value)))
	}
	return errors.Join(errs...)
}

func checkList(n *yaml.Node, t reflect.Type, path string) error {
	if n.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: %s must be a list", n.Line, name(path))
	}
	var errs []error
	for i, item := range n.Content {
		errs = append(errs, check(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i)))
	}
	return errors.Join(errs...)
}

func checkMap(n *yaml.Node, t reflect.Type, path string) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %s must be a group of settings", n.Line, name(path))
	}
	var errs []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		errs = append(errs, check(n.Content[i+1], t.Elem(), join(path, n.Content[i].Value)))
	}
	return errors.Join(errs...)
}

// fieldsOf maps YAML keys to types as the yaml package does.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case key == "-" || !f.IsExported():
			continue
		case strings.Contains(options, "inline"):
			for k, v := range fieldsOf(f.Type) {
				fields[k] = v
			}
			continue
		case key == "":
			key = strings.ToLower(f.Name)
		}
		fields[key] = f.Type
	}
	return fields
}

func unknown(key *yaml.Node, path string, fields map[string]reflect.Type) error {
	best, least := "", 3
	var all []string
	for k := range fields {
		all = append(all, k)
		if d := distance(key.Value, k); d < least {
			best, least = k, d
		}
	}
	if best != "" {
		return fmt.Errorf("line %d: unknown setting %s; did you mean %s?", key.Line, join(path, key.Value), best)
	}
	slices.Sort(all)
	return fmt.Errorf("line %d: unknown setting %s; there are: %s", key.Line, join(path, key.Value), strings.Join(all, ", "))
}

// distance is Levenshtein's.
func distance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur := make([]int, len(b)+1)
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			cur[j+1] = min(prev[j+1]+1, cur[j]+1, prev[j]+cost)
		}
		prev = cur
	}
	return prev[len(b)]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func name(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}
