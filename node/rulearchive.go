package node

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"
)

// archives are the endings of what rules may be packed in.
func isArchive(name string) bool {
	for _, end := range []string{".tar", ".tar.gz", ".tgz", ".tar.zst"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// openArchive reads an archive of rules into memory: the rules and their
// settings, nothing else.
func openArchive(name string) (fs.FS, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var in io.Reader = f
	switch path.Ext(name) {
	case ".gz", ".tgz":
		if in, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
	case ".zst":
		z, err := zstd.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		defer z.Close()
		in = z
	}
	files, err := unpackRules(in)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return files, nil
}

// tarBlock is what each entry of an archive takes, whatever it holds.
const tarBlock = 512

func unpackRules(in io.Reader) (fstest.MapFS, error) {
	files := fstest.MapFS{}
	left := int64(mostRules)
	for t := tar.NewReader(in); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("not a tar archive of rules: %w", err)
		}
		at := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if left -= tarBlock; left < 0 {
			return nil, fmt.Errorf("the rules are larger than %d MiB", mostRules>>20)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !ruleKind(at) {
			files[at] = &fstest.MapFile{} // it is told of, not read
			continue
		}
		body, err := io.ReadAll(io.LimitReader(t, left+1))
		if err != nil {
			return nil, err
		}
		if left -= int64(len(body)); left < 0 {
			return nil, fmt.Errorf("the rules are larger than %d MiB", mostRules>>20)
		}
		files[at] = &fstest.MapFile{Data: body}
	}
}
