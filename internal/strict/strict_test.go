package strict

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

type sample struct {
	Name  string        `yaml:"name"`
	Wait  time.Duration `yaml:"wait"`
	Inner struct {
		Size int `yaml:"size"`
	} `yaml:"inner"`
	List []struct {
		A string `yaml:"a"`
	} `yaml:"list"`
	Raw map[string]yaml.Node `yaml:"raw"`
}

func TestDefaultsStay(t *testing.T) {
	s := sample{Name: "default", Wait: time.Second}
	if err := Unmarshal([]byte("inner: {size: 3}\nraw: {any: {thing: goes}}\n"), &s); err != nil {
		t.Fatal(err)
	}
	if s.Name != "default" || s.Inner.Size != 3 || s.Wait != time.Second {
		t.Fatalf("%+v", s)
	}
	if err := Unmarshal(nil, &s); err != nil {
		t.Fatal(err)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"name: x\nnmae: y":      "line 2: unknown setting nmae; did you mean name?",
		"inner:\n  colour: red": "line 2: unknown setting inner.colour; there are: size",
		"list:\n- a: x\n- b: y": "line 3: unknown setting list[1].b",
		"list: {a: x}":          "line 1: list must be a list",
		"inner: [1]":            "line 1: inner must be a group",
		"name: x\nname: y":      "line 2: name is set twice",
		"wait: soon":            "line 1",
		"name: [unclosed":       "yaml",
	} {
		var s sample
		err := Unmarshal([]byte(text), &s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte("name: x\nlist: [{a: b}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sample
		_ = Unmarshal(data, &s)
	})
}
