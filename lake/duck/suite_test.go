//go:build cgo

package duck_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/blob/s3"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/lake/duck"
	"github.com/cordon-health/cordon/lake/laketest"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

func TestSuite(t *testing.T) {
	for name, files := range map[string]func(t *testing.T) (blob.Store, error){
		"folder": func(t *testing.T) (blob.Store, error) { return folder.Open(t.TempDir()) },
		"s3": func(t *testing.T) (blob.Store, error) {
			backend := s3mem.New()
			if err := backend.CreateBucket("lake"); err != nil {
				return nil, err
			}
			server := httptest.NewServer(gofakes3.New(backend).Server())
			t.Cleanup(server.Close)
			return s3.Open(t.Context(), s3.Config{Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "lake",
				AccessKey: "key", SecretKey: "secret", Insecure: true, Region: "us-east-1"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			laketest.Run(t, laketest.Setup{
				New: func(t *testing.T) (*store.DB, blob.Store) {
					db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { db.Close() })
					blobs, err := files(t)
					if err != nil {
						t.Fatal(err)
					}
					return db, blobs
				},
				Engine: func(t *testing.T) lake.Engine { return duck.New(t.TempDir()) },
			})
		})
	}
}
