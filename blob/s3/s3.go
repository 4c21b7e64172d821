// Package s3 keeps blobs in object storage that speaks the S3 protocol.
//
// Soon more.
package s3

import (
	"context"
	"io"

	"github.com/cordon-health/cordon/blob"
)

// Config says where the bucket is.
type Config struct {
	// Endpoint is host or host:port of the service.
	Endpoint string `yaml:"endpoint"`
	// Bucket must exist.
	Bucket string `yaml:"bucket"`
	// Prefix is put before every name, without slash at its ends.
	Prefix string `yaml:"prefix"`
	// Region, when the service wants one.
	Region string `yaml:"region"`
	// AccessKey and SecretKey. Empty means the environment, the shared
	// credentials file or the machine's role.
	AccessKey string `yaml:"access_key"`
	SecretKey string `yaml:"secret_key"`
	// Insecure uses HTTP instead of HTTPS. For tests and closed networks.
	Insecure bool `yaml:"insecure"`
}

// S3 is a blob.Store in a bucket.
type S3 struct{}

var _ blob.Store = (*S3)(nil)

// Open connects and checks that the bucket is there.
func Open(ctx context.Context, cfg Config) (*S3, error) { panic("soon") }

// Put implements blob.Store.
func (s *S3) Put(ctx context.Context, name string, r io.Reader) error { panic("soon") }

// Get implements blob.Store.
func (s *S3) Get(ctx context.Context, name string) (io.ReadCloser, error) { panic("soon") }

// Stat implements blob.Store.
func (s *S3) Stat(ctx context.Context, name string) (int64, error) { panic("soon") }

// List implements blob.Store.
func (s *S3) List(ctx context.Context, prefix string) ([]string, error) { panic("soon") }

// Delete implements blob.Store.
func (s *S3) Delete(ctx context.Context, name string) error { panic("soon") }
