package s3

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/blob/blobtest"
)

// service is an S3 service in memory, with the bucket "files".
func service(t *testing.T) Config {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return Config{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "files",
		AccessKey: "key", SecretKey: "secret", Insecure: true, Region: "us-east-1",
	}
}

func TestS3(t *testing.T) {
	for _, prefix := range []string{"", "site-1/files"} {
		t.Run("prefix="+strings.ReplaceAll(prefix, "/", "-"), func(t *testing.T) {
			var cfg Config
			blobtest.Run(t, blobtest.Engine{
				New: func(t *testing.T) string {
					cfg = service(t)
					cfg.Prefix = prefix
					return ""
				},
				Open: func(ctx context.Context, _ string) (blob.Store, error) { return Open(ctx, cfg) },
			})
		})
	}
}

func TestPrefixesAreApart(t *testing.T) {
	cfg := service(t)
	var stores []*S3
	for _, prefix := range []string{"a", "b"} {
		cfg.Prefix = prefix
		s, err := Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, s)
	}
	if err := stores[0].Put(t.Context(), "name", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if names, err := stores[1].List(t.Context(), ""); err != nil || len(names) != 0 {
		t.Errorf("the other site sees %q (error %v)", names, err)
	}
}

func TestOpenFails(t *testing.T) {
	good := service(t)
	for want, change := range map[string]func(*Config){
		"set the bucket":                 func(c *Config) { c.Bucket = "" },
		"create it":                      func(c *Config) { c.Bucket = "other" },
		"prefix":                         func(c *Config) { c.Prefix = "../up" },
		"check address, keys and clock:": func(c *Config) { c.Endpoint = "127.0.0.1:1" },
	} {
		cfg := good
		change(&cfg)
		ctx, cancel := context.WithCancel(t.Context())
		if strings.HasPrefix(want, "check") {
			cancel() // do not wait for the client's own retries
		}
		_, err := Open(ctx, cfg)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestFull(t *testing.T) {
	for _, response := range []minio.ErrorResponse{
		{Code: "XMinioStorageFull", StatusCode: http.StatusInsufficientStorage},
		{Code: "QuotaExceeded", StatusCode: http.StatusForbidden},
		{Code: "other", StatusCode: http.StatusInsufficientStorage},
	} {
		if err := failure("store", "name", response); !blob.Full(err) {
			t.Errorf("%v is not taken for a full disk", err)
		}
	}
	if blob.Full(failure("store", "name", minio.ErrorResponse{Code: "AccessDenied", StatusCode: http.StatusForbidden})) {
		t.Error("a refused key is taken for a full disk")
	}
}
