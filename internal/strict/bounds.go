package strict

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// mostAliased bounds what aliases add to a document, in nodes: far beyond what
// people write, and little enough to walk at once.
const mostAliased = 200_000

// Size counts the nodes of a tree, each alias as all that it stands for. It
// refuses a tree that contains itself, which nobody could walk to its end, and
// one that aliases make larger than anybody wants to walk.
func Size(n *yaml.Node) (int, error) {
	s := sizing{within: map[*yaml.Node]bool{}}
	err := s.add(n)
	return s.own + s.aliased, err
}

type sizing struct {
	own, aliased int
	within       map[*yaml.Node]bool // what aliases stand for that are being walked
}

func (s *sizing) add(n *yaml.Node) error {
	if len(s.within) == 0 {
		s.own++
	} else if s.aliased++; s.aliased > mostAliased {
		return fmt.Errorf("line %d: aliases (*name) make it larger than %d values; write out what is meant, or less of it", n.Line, mostAliased)
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return s.follow(n)
	}
	for _, e := range n.Content {
		if err := s.add(e); err != nil {
			return err
		}
	}
	return nil
}

// follow walks what an alias stands for; one that leads into itself is met
// again on the way.
func (s *sizing) follow(n *yaml.Node) error {
	if s.within[n.Alias] {
		return fmt.Errorf("line %d: the alias *%s stands within what it names, so there is no end to it", n.Line, n.Value)
	}
	s.within[n.Alias] = true
	defer delete(s.within, n.Alias)
	return s.add(n.Alias)
}
