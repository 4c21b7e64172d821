package sigma

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/internal/strict"
)

// document is one rule, correlation or filter as it stands in a file.
type document struct {
	file   string
	folder int // which of the file systems it is in
	loaded bool
	// text is the document's own text, without its neighbours in the file, and
	// version its hash.
	text, version string
	meta          ruleFile

	// What was read of it, until it is entered: what was made, with the places
	// of its fields' numbers, which are those of names; or why nothing was.
	made  entity
	slots []*int
	names *fieldNames
	fault error
}

// splitDocuments cuts a file at its document markers. YAML allows "---" in the
// first column for nothing else, so dashes inside a rule are never one.
func splitDocuments(data string) []string {
	data = strings.TrimPrefix(data, "\xef\xbb\xbf")
	var out []string
	from := 0
	for at := 0; at < len(data); {
		end := len(data)
		if n := strings.IndexByte(data[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		if line := strings.TrimRight(data[at:end], " \t\r\n"); isMarker(line) {
			out = append(out, data[from:at])
			from = at
			if len(line) == 3 {
				from = end
			}
		}
		at = end
	}
	return append(out, data[from:])
}

func isMarker(s string) bool {
	return s == "---" || s == "..." || strings.HasPrefix(s, "--- ") || strings.HasPrefix(s, "---\t")
}

// fromLibrary reads one document; one without content is nil.
func fromLibrary(text string) (*yaml.Node, error) {
	var n yaml.Node
	err := yaml.NewDecoder(strings.NewReader(text)).Decode(&n)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	if _, err := strict.Size(&n); err != nil {
		return nil, err
	}
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		return n.Content[0], nil
	}
	return &n, nil
}

// reading is what one goroutine reads documents with.
type reading struct {
	yaml   ruleReader
	fields *fieldNames // numbers of its own: whose rules they are is decided later
	lists  map[string][]string
	buf    []byte
	// file is about the regular expressions the file has so far.
	file expressions
}

func newReading(lists map[string][]string) *reading {
	return &reading{fields: &fieldNames{number: map[string]int{}}, lists: lists}
}

// text reads the documents of a file, and gives each, or why it cannot be
// read, to take. One that is broken does not take the others down; one that
// only prepares others is neither.
func (r *reading) text(text string, take func(text string, n *yaml.Node, err error)) {
	r.yaml.reset()
	r.file = expressions{}
	var c collection
	for _, text := range splitDocuments(text) {
		n, err := r.yaml.read(text), error(nil)
		if n == nil {
			n, err = fromLibrary(text)
		}
		if n != nil {
			n, text, err = c.next(text, n)
		} else if err == nil {
			continue
		}
		take(text, n, err)
	}
}

// document makes what a document says.
func (r *reading) document(file string, folder int, text string, n *yaml.Node) *document {
	d := &document{file: file, folder: folder, text: text, version: r.version(text), names: r.fields}
	var p page
	d.fault = p.read(n)
	d.meta = p.ruleFile
	if d.fault == nil {
		c := &compiler{fields: r.fields, lists: r.lists, file: &r.file}
		d.made, d.fault = d.make(&p, c)
		d.slots = c.slots
	}
	return d
}

// version is the hash of a document's text.
func (r *reading) version(text string) string {
	r.buf = append(r.buf[:0], text...)
	sum := sha256.Sum256(r.buf)
	return hex.EncodeToString(sum[:8])
}

// again reads a document from its text, as it was read once before.
func (r *reading) again(d *document) (out *document) {
	r.text(d.text, func(_ string, n *yaml.Node, err error) {
		if err == nil && n != nil {
			out = r.document(d.file, d.folder, d.text, n)
		}
	})
	if out != nil && d.meta.ID != "" {
		out.identify(d.meta.ID)
	}
	return out
}

// identify gives a document the id that it had when it was read in its file:
// there it may have got a number.
func (d *document) identify(id string) {
	if d.meta.ID = id; d.made != nil {
		d.made.about().id = id
	}
}

// collection follows the actions of a file in the old style: what "global"
// documents say holds for all rules after them, "repeat" changes the rule
// before, "reset" forgets.
type collection struct {
	global, last         *yaml.Node
	globalText, lastText string
	inherited            map[string]int // ids that rules have from others
	// values and bytes are what all documents with others in them have.
	values, bytes int
}

// A file may not say more than so many values and bytes by saying it once for
// many rules.
const (
	maxInherited      = 200_000
	maxInheritedBytes = 16 << 20
)

// grow counts a document that has others in it.
func (c *collection) grow(text string, n *yaml.Node) error {
	size, err := strict.Size(n)
	if c.values, c.bytes = c.values+size, c.bytes+len(text); err != nil {
		return err
	}
	return c.full()
}

func (c *collection) full() error {
	if c.values > maxInherited || c.bytes > maxInheritedBytes {
		return errors.New("the rules of this file that share a part are too large together; put them into several files")
	}
	return nil
}

// next says what a document is within its collection: a rule, or nil for a
// document that only prepares others.
func (c *collection) next(text string, n *yaml.Node) (*yaml.Node, string, error) {
	action, own := take(n, "action")
	if err := c.full(); err != nil && (action != "" || c.global != nil) {
		return nil, "", err
	}
	switch action {
	case "reset":
		c.global, c.globalText = nil, ""
		return nil, "", nil
	case "global":
		c.global, c.globalText = overlay(c.global, own), joinTexts(c.globalText, text)
		return nil, "", c.grow(c.globalText, c.global)
	case "repeat":
		if c.last == nil {
			return nil, "", errors.New("action: repeat has no rule before it")
		}
		c.last, c.lastText = c.named(c.last, own), joinTexts(c.lastText, text)
	case "":
		c.last, c.lastText = c.named(c.global, own), joinTexts(c.globalText, text)
	default:
		return nil, "", fmt.Errorf("action: %s is not known; it is global, reset or repeat", action)
	}
	if action == "" && c.global == nil {
		return c.last, c.lastText, nil
	}
	return c.last, c.lastText, c.grow(c.lastText, c.last)
}

// named is a document over what it inherits. An id that is inherited too gets a
// number from the second rule on, for ids are unique.
func (c *collection) named(from, own *yaml.Node) *yaml.Node {
	out := overlay(from, own)
	if from == nil || member(own, "id") != nil {
		return out
	}
	id := member(out, "id")
	if id == nil {
		return out
	}
	name, _, _ := strings.Cut(id.Value, "#")
	if c.inherited == nil {
		c.inherited = map[string]int{}
	}
	if c.inherited[name]++; c.inherited[name] > 1 {
		numbered := *id
		numbered.Value = name + "#" + strconv.Itoa(c.inherited[name])
		return overlay(out, &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "id"}, &numbered}})
	}
	return out
}

func joinTexts(a, b string) string {
	if a == "" {
		return b
	}
	return a + "---\n" + b
}

// take is the value of a key of a map, and the map without it.
func take(n *yaml.Node, key string) (string, *yaml.Node) {
	v := member(n, key)
	if v == nil {
		return "", n
	}
	out := *n
	out.Content = nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != key {
			out.Content = append(out.Content, n.Content[i], n.Content[i+1])
		}
	}
	return v.Value, &out
}

// member is the value of a key of a map, nil for none.
func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return deref(n.Content[i+1])
		}
	}
	return nil
}

// overlay is a map with the members of another put over it, maps within maps
// likewise.
func overlay(under, over *yaml.Node) *yaml.Node {
	if under == nil || over == nil || under.Kind != yaml.MappingNode || over.Kind != yaml.MappingNode {
		if over == nil {
			return under
		}
		return over
	}
	out := *under
	out.Content = append([]*yaml.Node(nil), under.Content...)
	for i := 0; i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], deref(over.Content[i+1])
		if at := indexOf(&out, key.Value); at >= 0 {
			out.Content[at+1] = overlay(deref(out.Content[at+1]), value)
		} else {
			out.Content = append(out.Content, key, value)
		}
	}
	return &out
}

func indexOf(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}
