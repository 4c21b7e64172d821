package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// sections are the structs of the reference page: where they stand in the
// file, and which package declares them.
func sections() [][3]string {
	return [][3]string{
		{"", "config", "Config"},
		{"site", "config", "Site"},
		{"console", "config", "Console"},
		{"bus", "bus/jetstream", "Config"},
		{"blob", "blob/s3", "Config"},
		{"collect.mllp[]", "collect/mllp", "Config"},
		{"collect.syslog[]", "collect/syslog", "Config"},
		{"collect.file[]", "collect/file", "Config"},
		{"collect.sqlpoll[]", "collect/sqlpoll", "Config"},
		{"collect.capture[]", "collect/capture", "SensorConfig"},
		{"collect.wireless[]", "collect/wireless", "Config"},
		{"collect.wireless[].networks[]", "collect/wireless", "Network"},
		{"collect.netflow[]", "collect/netflow", "Config"},
		{"collect.web", "collect/web", "Config"},
		{"lake", "lake", "Config"},
		{"detect", "detect", "Config"},
		{"detect.exceptions[]", "detect", "Exception"},
		{"incident", "incident", "Config"},
		{"playbook", "playbook", "Config"},
		{"playbook.ask", "playbook", "Ask"},
		{"playbook.mail", "playbook", "Mail"},
		{"playbook.webhook, .wecom, .dingtalk, .feishu, .suspend", "playbook", "Hook"},
		{"identity", "identity", "Config"},
		{"evidence", "config", "Evidence"},
		{"gateway", "gateway", "Config"},
		{"gateway.routes[]", "gateway", "Route"},
		{"gateway.routes[].rules[]", "gateway", "Rule"},
		{"gateway.icap", "gateway/icap", "Config"},
		{"zone", "zone", "Settings"},
		{"zone.radius[]", "node", "radiusServer"},
		{"zone.snmp[]", "node", "snmpSwitch"},
		{"release", "release", "Settings"},
		{"gateway.milter", "gateway/milter", "Config"},
		{"scan", "classify", "ScanConfig"},
		{"scan.targets[]", "classify", "ScanTarget"},
		{"directory", "config", "Directory"},
		{"directory.ldap", "directory/ldap", "Config"},
		{"log", "config", "Log"},
	}
}

// TestReference prints docs/configuration.md from the comments of the structs,
// so that the manual cannot say anything else than the code.
func TestReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Configuration\n\nOne YAML file, `cordon serve --config FILE`; every setting has a working default, and an\n" +
		"unknown key is an error that names its line. Check a file with `cordon config check FILE`.\n" +
		"This page is printed from the comments in the code (`go test ./config -update`).\n")
	for _, s := range sections() {
		b.WriteString(section(t, s[0], s[1], s[2]))
	}
	path := filepath.Join("..", "docs", "configuration.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != b.String() {
		t.Fatalf("docs/configuration.md is not what the comments say (%v); run: go test ./config -update", err)
	}
}

func section(t *testing.T, where, pkg, name string) string {
	t.Helper()
	st := structOf(t, pkg, name)
	var b strings.Builder
	if where == "" {
		b.WriteString("\n## The file\n\n")
	} else {
		fmt.Fprintf(&b, "\n## %s\n\n", where)
	}
	var keys []string
	about := ""
	flush := func() {
		if len(keys) > 0 {
			fmt.Fprintf(&b, "- `%s`: %s\n", strings.Join(keys, "`, `"), about)
		}
		keys = nil
	}
	for _, f := range st.Fields.List {
		if f.Tag == nil || len(f.Names) == 0 {
			continue
		}
		key, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml"), ",")
		text := strings.Join(strings.Fields(f.Doc.Text()), " ")
		switch {
		case key == "" || key == "-":
			continue
		case text == "" && isSection(where, key):
			text = "see its section below."
		}
		if text != "" { // a field without a comment belongs to the one before
			flush()
			about = text
		}
		keys = append(keys, key)
	}
	flush()
	return b.String()
}

func isSection(where, key string) bool {
	for _, s := range sections() {
		if s[0] == strings.TrimPrefix(where+"."+key, ".") {
			return true
		}
	}
	return false
}

func structOf(t *testing.T, pkg, name string) *ast.StructType {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pkg), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			gen, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range gen.Specs {
				if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.Name == name {
					if st, ok := ts.Type.(*ast.StructType); ok {
						return st
					}
				}
			}
		}
	}
	t.Fatalf("no struct %s in %s", name, pkg)
	return nil
}
