package zone

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text is the policy in its canonical form: YAML that [Read] reads back to
// the same policy, without comments, always in one order of settings. Two
// files of the same meaning have the same text.
func (p Policy) Text() string { return p.Commented(nil) }

// Hash is the hex SHA-256 of the canonical text.
func (p Policy) Hash() string {
	sum := sha256.Sum256([]byte(p.Text()))
	return hex.EncodeToString(sum[:])
}

// Commented is Text with lines of comment before what they are about: the
// policy itself (""), zones and conduits by name.
func (p Policy) Commented(comments map[string][]string) string {
	w := writer{comments: comments}
	w.comment("", "")
	w.b.WriteString("version: 1\n")
	w.line("", "name", p.Name)
	w.services(p.Services)
	w.b.WriteString("zones:\n")
	for i := range p.Zones {
		w.zone(&p.Zones[i])
	}
	w.b.WriteString("conduits:\n")
	for i := range p.Conduits {
		w.conduit(&p.Conduits[i])
	}
	return w.b.String()
}

// writer writes YAML of one shape.
type writer struct {
	b        strings.Builder
	comments map[string][]string
}

func (w *writer) comment(indent, about string) {
	for _, line := range w.comments[about] {
		w.b.WriteString(strings.TrimRight(indent+"# "+oneLine(line), " ") + "\n")
	}
}

// oneLine keeps words of the network inside a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// line writes one setting, unless it is empty.
func (w *writer) line(indent, key, value string) {
	if value != "" {
		w.b.WriteString(indent + key + ": " + scalar(value) + "\n")
	}
}

func (w *writer) flag(key string, on bool) {
	if on {
		w.b.WriteString("    " + key + ": true\n")
	}
}

func (w *writer) list(key string, values []string) {
	if len(values) == 0 {
		return
	}
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, scalar(v))
	}
	w.b.WriteString("    " + key + ": [" + strings.Join(out, ", ") + "]\n")
}

func (w *writer) prefixes(key string, all []netip.Prefix) {
	out := make([]string, 0, len(all))
	for _, p := range all {
		out = append(out, prefixText(p))
	}
	w.list(key, out)
}

// prefixText writes a single address without its length.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func (w *writer) services(own map[string][]string) {
	if len(own) == 0 {
		return
	}
	names := make([]string, 0, len(own))
	for name := range own {
		names = append(names, name)
	}
	slices.Sort(names)
	w.b.WriteString("services:\n")
	for _, name := range names {
		w.b.WriteString("  " + scalar(name) + ": [" + strings.Join(own[name], ", ") + "]\n")
	}
}

func (w *writer) zone(z *Zone) {
	w.comment("  ", z.Name)
	w.b.WriteString("  - name: " + scalar(z.Name) + "\n")
	if z.Title.EN != "" || z.Title.ZH != "" {
		w.b.WriteString("    title: {en: " + scalar(z.Title.EN) + ", zh: " + scalar(z.Title.ZH) + "}\n")
	}
	w.line("    ", "kind", z.Kind)
	w.line("    ", "interface", z.Interface)
	w.prefixes("networks", z.Networks)
	ids := make([]string, 0, len(z.VLANs))
	for _, id := range z.VLANs {
		ids = append(ids, strconv.Itoa(id))
	}
	if len(ids) > 0 {
		w.b.WriteString("    vlans: [" + strings.Join(ids, ", ") + "]\n")
	}
	w.line("    ", "department", z.Department)
	w.line("    ", "owner", z.Owner)
	w.b.WriteString("    target_level: " + strconv.Itoa(z.Target) + "\n")
	w.flag("fail_open", z.FailOpen)
	w.flag("isolated", z.Isolated)
	w.prefixes("dns_servers", z.DNS)
	w.prefixes("ntp_servers", z.NTP)
	w.flag("no_implicit", z.NoImplicit)
}

func (w *writer) conduit(c *Conduit) {
	w.comment("  ", c.ID)
	w.b.WriteString("  - id: " + scalar(c.ID) + "\n")
	w.line("    ", "from", c.From)
	w.line("    ", "to", c.To)
	w.prefixes("from_hosts", c.FromHosts)
	w.prefixes("to_hosts", c.ToHosts)
	w.list("allow", c.Allow)
	w.line("    ", "owner", c.Owner)
	w.line("    ", "reason", c.Reason)
	if !c.Expires.IsZero() {
		w.line("    ", "expires", c.Expires.Format(time.DateOnly))
	}
	w.line("    ", "level_reason", c.LevelReason)
	w.list("despite", c.Despite)
}

// Snippet is a conduit as it stands in the file, for advice.
func (c Conduit) Snippet() string {
	var w writer
	w.conduit(&c)
	return w.b.String()
}

// scalar writes a word as YAML, in quotes unless it cannot be taken for
// anything else.
func scalar(s string) string {
	s = strings.ToValidUTF8(s, "?")
	plain := s != "" && len(s) < 200 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" -_./", r))
	})
	first, _ := utf8.DecodeRuneInString(s)
	if plain && s == strings.TrimSpace(s) && (unicode.IsLetter(first) || isDate(s) || isIPv4(s)) && !yamlWord(s) {
		return s
	}
	return quoted(s)
}

// isIPv4 reports whether a word is an address or network with dots, which YAML
// takes for nothing else.
func isIPv4(s string) bool {
	p, err := parsePrefix(s)
	return err == nil && p.Addr().Is4()
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// yamlWord reports whether YAML takes the word for a truth value or nothing.
func yamlWord(s string) bool {
	return slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(s))
}

// quoted is a YAML string in double quotes.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(`\U` + hex8(r))
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hex8(r rune) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", 8-len(s)) + s
}
