package deid_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/store/sqlite"
)

// TestFourEyes walks a request through all its steps, and tries every way
// around them.
func TestFourEyes(t *testing.T) {
	ctx := t.Context()
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	log, err := evidence.Open(ctx, evidence.Config{Dir: dir, KeyDir: dir, Origin: "test.example/log"}, db, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()); _ = db.Close() })
	key, err := deid.NewKey(deid.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	desk := &deid.Desk{DB: db, Log: log, Key: func() (*deid.Key, error) { return key, nil }, Now: now}
	pseudonym := string(key.Pseudonym(classify.Mobile, []byte("13800138000")))

	if _, err := desk.Ask(ctx, deid.Request{Purpose: "x", Items: []string{pseudonym}}, "anna"); !errors.As(err, new(deid.Wrong)) {
		t.Errorf("without a basis: %v", err)
	}
	q, err := desk.Ask(ctx, deid.Request{Purpose: "incidental finding", Basis: "ethics 7", Items: []string{pseudonym, pseudonym, " unknown "}}, "anna")
	if err != nil || len(q.Items) != 2 {
		t.Fatal(q, err)
	}
	for name, try := range map[string]func() error{
		"answered before it is granted": func() error { _, err := desk.Answer(ctx, q.ID, "anna"); return err },
		"granted by who asked":          func() error { _, err := desk.Decide(ctx, q.ID, "anna", true, "fine"); return err },
		"granted without a reason":      func() error { _, err := desk.Decide(ctx, q.ID, "ben", true, " "); return err },
	} {
		if try() == nil {
			t.Error(name)
		}
	}
	if _, err := desk.Decide(ctx, q.ID, "ben", true, "the patient must be told"); err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Answer(ctx, q.ID, "ben"); err == nil {
		t.Error("somebody else got the answer")
	}
	answer, err := desk.Answer(ctx, q.ID, "anna")
	if err != nil || len(answer) != 2 || answer[0].Value != "13800138000" || answer[1].Value != "" {
		t.Fatalf("%+v, %v", answer, err)
	}
	if _, err := desk.Answer(ctx, q.ID, "anna"); err == nil {
		t.Error("it was answered twice")
	}
	recs, err := log.History(ctx, deid.KindReidentify, q.ID)
	if err != nil || len(recs) != 4 {
		t.Fatalf("%d records, %v", len(recs), err)
	}
	for _, r := range recs {
		if text, _ := json.Marshal(r); strings.Contains(string(r.Body)+string(text), "13800138000") {
			t.Error("the answer is in the evidence log")
		}
	}

	// An approval nobody uses lapses, and so does a request nobody decides.
	late, err := desk.Ask(ctx, deid.Request{Purpose: "p", Basis: "b", Items: []string{pseudonym}}, "anna")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := desk.Decide(ctx, late.ID, "ben", true, "yes"); err != nil {
		t.Fatal(err)
	}
	at = at.Add(25 * time.Hour)
	if _, err := desk.Answer(ctx, late.ID, "anna"); err == nil {
		t.Error("an old approval was used")
	}
	all, err := desk.List(ctx, 10)
	if err != nil || len(all) != 2 || all[0].State != deid.Lapsed {
		t.Errorf("%+v, %v", all, err)
	}
}
