// Package pgtest gives tests a real PostgreSQL server with an empty database
// for each.
//
// The first Start in a test binary makes a server in a temporary folder,
// reachable by a unix socket in that folder only; later ones share it. It
// ends by itself when the test binary does, in whatever way, and its folder
// with it. Where PostgreSQL is not installed, the test is skipped with the
// command that would install it.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Start returns the address of a new, empty database, as
// postgres:///NAME?host=FOLDER&user=cordon. It is dropped when the test ends.
func Start(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if errors.Is(err, errMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return s.url(name)
}

// Superuser is the name of the user that tests connect as.
const Superuser = "cordon"

var errMissing = errors.New("PostgreSQL is not installed, so this test was skipped; install it: apt-get install postgresql")

// shared makes the server of this test binary once.
var shared = sync.OnceValues(start)

type server struct {
	dir       string    // data in dir/data, socket and log in dir
	alive     io.Closer // the guard's input, never closed but by the end of the process
	databases atomic.Int64
}

func (s *server) url(database string) string {
	q := url.Values{"host": {s.dir}, "user": {Superuser}}
	return "postgres:///" + database + "?" + q.Encode()
}

func (s *server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

func start() (*server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cordon-pg-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	if err := s.run(bin); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// guard runs the server as long as its standard input stays open, which is
// as long as the test binary lives. It gets the server's program, its folder
// and its settings as arguments.
const guard = `
server=$1 dir=$2
shift 2
"$server" -D "$dir/data" -k "$dir" "$@" >"$dir/log" 2>&1 </dev/null &
cat >/dev/null
kill -INT $!
wait $!
rm -rf "$dir"
`

func (s *server) run(bin string) error {
	user, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(s.dir, "data"),
		"-U", Superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = s.dir, user
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	cmd := exec.Command("/bin/sh", "-c", guard, "guard", filepath.Join(bin, "postgres"), s.dir,
		"-c", "listen_addresses=", "-c", "shared_buffers=32MB", "-c", "max_connections=60")
	cmd.Dir, cmd.SysProcAttr = s.dir, user
	if s.alive, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s.waitReady()
}

func (s *server) waitReady() error {
	var err error
	for range 600 {
		if err = s.exec("SELECT 1"); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return fmt.Errorf("PostgreSQL did not start: %w\n%s", err, log)
}

// binaries finds the folder with the programs of the newest PostgreSQL.
func binaries() (string, error) {
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb",
		"/opt/homebrew/opt/postgresql@*/bin/initdb", "/usr/local/opt/postgresql@*/bin/initdb",
	} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		found = append(found, matches...)
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errMissing
}

// version is the number in a path, or 0.
func version(path string) int {
	digits := strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, err := strconv.Atoi(digits[0])
	if err != nil {
		return 0
	}
	return n
}
