package main

import (
	"archive/zip"
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // the driver that edit opens a store with
)

// commands are what scripts may say besides exec.
func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "members": members, "pick": pick, "pack": pack, "flip": flip,
		"edit": edit, "spoil": spoil, "port": port, "reach": reach, "same": same,
		"secret": secret, "sorted": sorted, "settings": settings, "frombase64": fromBase64,
		"zones": new(zoneLabs).zones, "probes": fillIn, "waitfor": waitFor,
	}
}

// members checks that every line of a file is a JSON object with all these
// members: members FILE PATH[=REGEXP]... In a path, 0 is the first of a list.
func members(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: members FILE PATH[=REGEXP]...")
	}
	eachLine(ts, args[0], func(n int, line []byte) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			ts.Fatalf("line %d is not JSON: %v", n, err)
		}
		for _, arg := range args[1:] {
			path, want, limited := strings.Cut(arg, "=")
			got, ok := member(v, path)
			if !ok {
				ts.Fatalf("line %d has no %s: %.300s", n, path, line)
			}
			if limited && !regexp.MustCompile("^(?:"+want+")$").MatchString(got) {
				ts.Fatalf("line %d: %s is %s, want %s", n, path, describe(got), want)
			}
		}
	})
}

// member reads a member of nested objects as text.
func member(v any, path string) (string, bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			next, ok := x[name]
			if !ok {
				return "", false
			}
			v = next
		case []any:
			if name != "0" || len(x) == 0 {
				return "", false
			}
			v = x[0]
		default:
			return "", false
		}
	}
	if s, ok := v.(string); ok {
		return s, true
	}
	text, err := json.Marshal(v)
	return string(text), err == nil
}

// pick puts a member of the first line that has it into a variable:
// pick VARIABLE FILE PATH [PATH=VALUE].
func pick(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: pick VARIABLE FILE PATH [PATH=VALUE]")
	}
	found := false
	eachLine(ts, args[1], func(_ int, line []byte) {
		var v any
		if found || json.Unmarshal(line, &v) != nil {
			return
		}
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		if len(args) > 3 {
			path, want, _ := strings.Cut(args[3], "=")
			if got, _ := member(v, path); got != want {
				return
			}
		}
		if got, ok := member(v, args[2]); ok {
			ts.Setenv(args[0], got)
			found = true
		}
	})
	if !found {
		ts.Fatalf("no line of %s has %s", args[1], args[2:])
	}
}

// pack compresses a file to FILE.gz and FILE.zst.
func pack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pack FILE")
	}
	data := []byte(ts.ReadFile(args[0]))
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, err := w.Write(data)
	ts.Check(errors.Join(err, w.Close()))
	z, err := zstd.NewWriter(nil)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".gz"), gz.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".zst"), z.EncodeAll(data, nil), 0o600))
}

// flip changes one byte in the middle of a file: flip PATTERN.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip PATTERN")
	}
	name := one(ts, args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(name, data, 0o600))
}

// edit runs a statement on a stopped server's records: edit FILE STATEMENT.
// It fails when the statement changes nothing.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: edit FILE STATEMENT")
	}
	db, err := sql.Open("sqlite", "file:"+one(ts, args[0]))
	ts.Check(err)
	res, err := db.Exec(args[1])
	ts.Check(err)
	n, err := res.RowsAffected()
	ts.Check(errors.Join(err, db.Close()))
	if n == 0 {
		ts.Fatalf("nothing to edit")
	}
}

// spoil replaces text inside the members of a zip file whose names match:
// spoil FILE MEMBER OLD NEW.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: spoil FILE MEMBER OLD NEW")
	}
	r, err := zip.OpenReader(ts.MkAbs(args[0]))
	ts.Check(err)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	changed := false
	for _, f := range r.File {
		src, err := f.Open()
		ts.Check(err)
		data, err := io.ReadAll(src)
		ts.Check(errors.Join(err, src.Close()))
		if strings.Contains(f.Name, args[1]) && bytes.Contains(data, []byte(args[2])) {
			data, changed = bytes.Replace(data, []byte(args[2]), []byte(args[3]), 1), true
		}
		dst, err := w.Create(f.Name)
		ts.Check(err)
		_, err = dst.Write(data)
		ts.Check(err)
	}
	ts.Check(errors.Join(w.Close(), r.Close(), os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600)))
	if !changed {
		ts.Fatalf("no %s in %s", args[2], args[1])
	}
}

// port puts a free port of the loopback interface into a variable.
func port(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port VARIABLE")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, p, err := net.SplitHostPort(ln.Addr().String())
	ts.Check(errors.Join(err, ln.Close()))
	ts.Setenv(args[0], p)
}

// patience is how long scripts wait for what must come.
const patience = 60 * time.Second

// reach waits until an address answers 200: reach URL.
func reach(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: reach URL")
	}
	var last error
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(args[0])
		if err != nil {
			last = err
			continue
		}
		last = errors.New(res.Status)
		if res.Body.Close() == nil && res.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s does not answer: %v", args[0], last)
}

// same compares folders byte for byte.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same FOLDER FOLDER")
	}
	a, b := tree(ts, args[0]), tree(ts, args[1])
	if equal := a == b; equal == neg {
		ts.Fatalf("%s and %s: same is %v", args[0], args[1], equal)
	}
}

func tree(ts *testscript.TestScript, dir string) string {
	var all strings.Builder
	err := walk(ts.MkAbs(dir), func(rel string, data []byte) {
		all.WriteString(rel + "\n")
		all.Write(data)
	})
	ts.Check(err)
	return all.String()
}

func walk(dir string, do func(rel string, data []byte)) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err == nil {
			do(path, data)
		}
		return err
	})
}

// secret puts the text of a file into a variable: secret VARIABLE FILE.
func secret(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: secret VARIABLE FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// settings puts the values of variables into a file that names them as $NAME.
func settings(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: settings FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// sorted puts the lines of a file in order: sorted FILE. What comes in no
// order is compared so.
func sorted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sorted FILE")
	}
	lines := strings.Split(ts.ReadFile(args[0]), "\n")
	slices.Sort(lines)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "\n")), 0o600))
}
