package jsonlines

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestLayouts(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"lines":              {"{\"a\":1}\n{\"a\":2}\n", "{\"a\":1}\n{\"a\":2}\n"},
		"lines with bad":     {"nonsense\n\n{\"a\":2}", "nonsense\n\n{\"a\":2}"},
		"a bad line first":   {"{\"a\":}\n{\"a\":2}\n", "{\"a\":}\n{\"a\":2}\n"},
		"one":                {"{\"a\":1}", "{\"a\":1}"},
		"nothing":            {"", ""},
		"pretty":             {"{\n  \"a\": \"x y\",\n  \"b\": [1,\n 2]\n}\n{\n\"c\":{}\n}", "{   \"a\": \"x y\",   \"b\": [1,  2] }\n{ \"c\":{} }\n"},
		"an array":           {"[{\"a\":1},{\"a\":[{}]}]", "{\"a\":1}\n{\"a\":[{}]}\n"},
		"an array of lines":  {"\xef\xbb\xbf[\n{\"a\":1},\n{\"a\":\"]},{\\\"\"}\n]\n", "{\"a\":1}\n{\"a\":\"]},{\\\"\"}\n"},
		"an array of others": {"[1, \"x\", null, []]", "1\n\"x\"\nnull\n[]\n"},
		"two arrays":         {"[{}]\n[{},{}]", "{}\n{}\n{}\n"},
		"cut off":            {"[{\"a\":1},{\"a\":", "{\"a\":1}\n{\"a\":\n"},
		"a break in a text":  {"[{\"a\":\"x\ny\"}]", "{\"a\":\"x\x00y\"}\n"},
		"too many brackets":  {"[{}}]}{}", "{}\n}\n}\n{}\n"},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
			in, err := NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(in)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func TestFailingFile(t *testing.T) {
	broken := errors.New("broken")
	if _, err := NewReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	in, err := NewReader(io.MultiReader(strings.NewReader("[{},"+strings.Repeat(" ", peeked)), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(in); !errors.Is(err, broken) || string(got) != "{}\n" {
		t.Errorf("%q %v", got, err)
	}
}

// FuzzReader: an array of values, however laid out, becomes those values.
func FuzzReader(f *testing.F) {
	f.Add([]byte("[{\"a\":\"x\"},\n 2]"))
	f.Add([]byte("{\n\"a\":[1,{\"b\":\"\\\\\"}]}"))
	f.Add([]byte("]}{[\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		var list []json.RawMessage
		if data = bytes.TrimLeft(data, " \t\r\n"); len(data) == 0 || data[0] != '[' || json.Unmarshal(data, &list) != nil {
			return
		}
		lines := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
		if len(list) == 0 {
			lines = nil
			if len(got) > 0 {
				t.Errorf("nothing became %q", got)
			}
		}
		if len(lines) != len(list) {
			t.Fatalf("%d values became %d lines: %q", len(list), len(lines), got)
		}
		for i, l := range lines {
			if !same(t, list[i], []byte(l)) {
				t.Errorf("%s became %s", list[i], l)
			}
		}
	})
}

func same(t *testing.T, a, b []byte) bool {
	var x, y bytes.Buffer
	if err := json.Compact(&x, a); err != nil {
		t.Fatal(err)
	}
	return json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}
