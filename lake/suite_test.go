package lake_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/blob/s3"
	"github.com/cordon-health/cordon/internal/pgtest"
	"github.com/cordon-health/cordon/lake/laketest"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

func sqliteStore(t *testing.T) *store.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func postgresStore(t *testing.T) *store.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), pgtest.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func folderStore(t *testing.T) blob.Store {
	t.Helper()
	f, err := folder.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func s3Store(t *testing.T) blob.Store {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	f, err := s3.Open(t.Context(), s3.Config{Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "lake",
		AccessKey: "key", SecretKey: "secret", Insecure: true, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSuite(t *testing.T) {
	for name, setup := range map[string]func(t *testing.T) (*store.DB, blob.Store){
		"sqlite-folder":   func(t *testing.T) (*store.DB, blob.Store) { return sqliteStore(t), folderStore(t) },
		"sqlite-s3":       func(t *testing.T) (*store.DB, blob.Store) { return sqliteStore(t), s3Store(t) },
		"postgres-folder": func(t *testing.T) (*store.DB, blob.Store) { return postgresStore(t), folderStore(t) },
	} {
		t.Run(name, func(t *testing.T) { laketest.Run(t, laketest.Setup{New: setup}) })
	}
}
