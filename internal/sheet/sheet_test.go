package sheet

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

func read(t *testing.T, text string) (rows []Row, warnings []string, err error) {
	t.Helper()
	cols := Columns{Required: []string{"id"}, Optional: []string{"name"}}
	warnings, err = Read(strings.NewReader(text), cols, func(r Row) error {
		rows = append(rows, r)
		return nil
	})
	return rows, warnings, err
}

func TestRead(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().String("id,name\n1,心内科\n")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, in, want string }{
		{"plain", "id,name\n1, 心内科 \n", "心内科"},
		{"byte order mark and CRLF", "\ufeffID,Name\r\n1,心内科\r\n", "心内科"},
		{"GB18030", gb, "心内科"},
		{"quoted", "name,id\n\"a,\"\"b\"\"\",1\n", `a,"b"`},
		{"no such column", "id\n1\n", ""},
	}
	for _, tt := range tests {
		rows, _, err := read(t, tt.in)
		if err != nil || len(rows) != 1 || rows[0].Bad != "" {
			t.Errorf("%s: rows %v, error %v", tt.name, rows, err)
			continue
		}
		if rows[0].Get("id") != "1" || rows[0].Get("name") != tt.want || rows[0].Line != 2 {
			t.Errorf("%s: id %q, name %q, line %d", tt.name, rows[0].Get("id"), rows[0].Get("name"), rows[0].Line)
		}
	}
}

func TestReadBadRowsGoOn(t *testing.T) {
	rows, warnings, err := read(t, "id,name,extra\n1,a,\n2\n3,\"x\"y,\n4,d,\n")
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, error %v", len(rows), err)
	}
	if rows[0].Bad != "" || rows[1].Bad == "" || rows[2].Bad == "" || rows[3].Get("id") != "4" {
		t.Errorf("rows: %+v", rows)
	}
	if rows[2].Line != 4 {
		t.Errorf("the bad line is 4, not %d", rows[2].Line)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "extra") {
		t.Errorf("warnings: %q", warnings)
	}
}

func TestReadRefusesHeader(t *testing.T) {
	for _, in := range []string{"", "name\nx\n", "id,id\n1,2\n"} {
		if _, _, err := read(t, in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
	if _, _, err := read(t, "name\n"); err == nil || !strings.Contains(err.Error(), "id") {
		t.Errorf("the error does not name the column: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("id,name\n1,a\n")
	f.Add("\xEF\xBB\xBFid\n\"")
	f.Add("id,name\n\xd0\xc4,\xff\n")
	f.Fuzz(func(t *testing.T, in string) {
		_, _ = Read(strings.NewReader(in), Columns{Required: []string{"id"}}, func(r Row) error {
			r.Get("id")
			r.Text()
			if r.Line < 1 {
				return io.ErrUnexpectedEOF
			}
			return nil
		})
	})
}

func TestSeparatorsAndUTF16(t *testing.T) {
	wide := func(text string, order unicode.Endianness) string {
		out, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	narrow, err := simplifiedchinese.GB18030.NewEncoder().String("id;name\n1;张三\n")
	if err != nil {
		t.Fatal(err)
	}
	cols := Columns{Required: []string{"id", "name"}}
	for name, text := range map[string]string{
		"semicolon": "id;name\n1;张三\n", "tab": "id\tname\r\n1\t张三\r\n", "comma": "id,name\n1,张三\n", "GB18030": narrow,
		"one column with a semicolon inside": "id,name,x;y\n1,张三,z\n",
		"UTF-16LE":                           wide("id,name\n1,张三\n", unicode.LittleEndian),
		"UTF-16BE with tabs":                 wide("id\tname\n1\t张三\n", unicode.BigEndian),
	} {
		var got []string
		_, err := Read(strings.NewReader(text), cols, func(r Row) error {
			got = append(got, r.Get("id")+" "+r.Get("name")+r.Bad)
			return nil
		})
		if err != nil || len(got) != 1 || got[0] != "1 张三" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	_, err = Read(strings.NewReader("id|name\n1|x\n"), cols, func(Row) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "separate the columns by") {
		t.Errorf("a wrong separator: %v", err)
	}
}
