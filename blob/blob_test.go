package blob

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func FuzzCheckName(f *testing.F) {
	for _, name := range []string{"a", "a/b.parquet", "day=1/x_y-z", "../a", "a/../b", "/a", "a//b", ".a", "a\x00"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if path.Clean(name) != name || !filepath.IsLocal(name) || strings.HasPrefix(path.Base(name), ".") {
			t.Errorf("%q was accepted", name)
		}
	})
}

func TestFull(t *testing.T) {
	for err, want := range map[error]bool{
		ErrFull:                                 true,
		fmt.Errorf("put: %w", ErrFull):          true,
		fmt.Errorf("write: %w", syscall.ENOSPC): true,
		errors.New("other"):                     false,
		nil:                                     false,
	} {
		if Full(err) != want {
			t.Errorf("Full(%v) is %v", err, !want)
		}
	}
}
