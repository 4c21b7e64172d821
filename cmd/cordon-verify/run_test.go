package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/evidence/bundle"
	"github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store/sqlite"
)

// furnish makes a data folder, a bundle from it, and the file of its key.
func furnish(t *testing.T) (dir, zip, key string) {
	t.Helper()
	ctx := context.Background()
	evidence.RouteLogs(slog.New(slog.DiscardHandler))
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Dir(folder.StorePath(dir)), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(ctx, folder.StorePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("CREATE TABLE lake_files (name TEXT, sha256 TEXT, row_count BIGINT, first_seq BIGINT, last_seq BIGINT)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := evidence.Open(ctx, evidence.Config{Dir: filepath.Join(dir, folder.LogDir), Interval: 100 * time.Millisecond}, db, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ev := &ocsf.Event{ClassUID: ocsf.WebResourcesActivity, ActivityID: 2, Metadata: ocsf.Metadata{UID: "ev-1"}}
	if err := log.Events(ctx, 1, []*ocsf.Event{ev}); err != nil {
		t.Fatal(err)
	}
	err = db.Update(ctx, func(tx *sql.Tx) error {
		_, err := log.Put(tx, evidence.Record{Kind: "case", ID: "c1", Body: []byte(`{}`)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	incident, err := log.Get(ctx, "case", "c1")
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := bundle.Export(ctx, &buf, log, bundle.Input{Incident: incident, Events: []evidence.Row{{Event: ev, Seq: 1}}}); err != nil {
		t.Fatal(err)
	}
	zip = filepath.Join(t.TempDir(), "case.zip")
	if err := os.WriteFile(zip, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return dir, zip, filepath.Join(dir, folder.LogDir, evidence.PublicKeyFile)
}

func call(lang string, args ...string) (code int, out, err string) {
	var o, e bytes.Buffer
	code = run(context.Background(), args, environment{out: &o, err: &e, lang: lang})
	return code, o.String(), e.String()
}

func TestRun(t *testing.T) {
	dir, zip, key := furnish(t)
	changed := filepath.Join(t.TempDir(), "changed.zip")
	data, err := os.ReadFile(zip)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(changed, bytes.Replace(data, []byte(`"uid":"ev-1"`), []byte(`"uid":"ev-2"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		lang string
		args []string
		code int
		want string
	}{
		"bundle":           {"", []string{"-key", key, zip}, 0, "SOUND"},
		"bundle, own key":  {"", []string{zip}, 0, "taken from the bundle itself"},
		"changed bundle":   {"", []string{changed, "-key", key}, 1, "BROKEN: event ev-2 (line 1 of events.ndjson) was changed"},
		"in Chinese":       {"zh_CN.UTF-8", []string{changed}, 1, "已损坏：事件 ev-2"},
		"data folder":      {"", []string{"-key", key, dir}, 0, "1 records"},
		"no path":          {"", nil, 2, "PATH is missing"},
		"unknown flag":     {"", []string{"-x", zip}, 2, "flag provided but not defined"},
		"key that is none": {"", []string{"-key", "nowhere", zip}, 2, "neither a public key nor a readable file"},
		"no such file":     {"", []string{zip + "x"}, 3, "no such file"},
		"other folder":     {"", []string{t.TempDir()}, 3, "is not a data folder"},
		"help":             {"", []string{"-h"}, 0, "exit codes"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := call(c.lang, c.args...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("exit %d, want %d\n%s%s", code, c.code, out, errs)
			}
		})
	}
	code, out, _ := call("", "-json", "-key", key, dir)
	var r evidence.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || !r.OK || !r.KeyGiven {
		t.Errorf("exit %d, %v, %s", code, err, out)
	}
}

// The verifier must stay small: no C, no engine but SQLite.
func TestLinksNoEngine(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("the go command is not here: %v", err)
	}
	for _, refused := range []string{"duckdb", "nats-io", "jackc/pgx", "minio"} {
		if bytes.Contains(out, []byte(refused)) {
			t.Errorf("cordon-verify links %s", refused)
		}
	}
}
