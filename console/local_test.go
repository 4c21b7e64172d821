package console

import "testing"

func TestLocal(t *testing.T) {
	for next, want := range map[string]string{
		"/incidents?x=1": "/incidents?x=1", "/": "/", "": "/", "incidents": "/", "https://example.org": "/", "//example.org": "/",
		`/\example.org`: "/", "/\t/example.org": "/", "\t//example.org": "/", "/\x00/example.org": "/", "/\n/example.org": "/", "/\x1f/e": "/", " /x": "/",
	} {
		if got := local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}
