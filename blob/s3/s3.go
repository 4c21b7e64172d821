// Package s3 keeps blobs in object storage that speaks the S3 protocol:
// Amazon S3, Aliyun OSS, Tencent COS, MinIO, Ceph and others.
//
// A blob is one object; durability, and that an object appears as a whole,
// are the service's promise. Blobs longer than a part (16 MiB) are sent in
// parts; what an interrupted Put leaves there is invisible, but is paid for:
// give the bucket a lifecycle rule that aborts incomplete uploads after a day.
//
// It does not create the bucket, and sets neither encryption, retention nor
// versions: those are the bucket's settings. A Delete in a bucket with
// versions hides the blob.
package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/cordon-health/cordon/blob"
)

// Config says where the bucket is.
type Config struct {
	// Endpoint is host or host:port of the service. Default s3.amazonaws.com.
	Endpoint string `yaml:"endpoint"`
	// Bucket must exist.
	Bucket string `yaml:"bucket"`
	// Prefix is put before every name, so that several sites can share a
	// bucket; without slash at its ends.
	Prefix string `yaml:"prefix"`
	// Region, when the service wants one.
	Region string `yaml:"region"`
	// AccessKey and SecretKey. Empty means the environment
	// (AWS_ACCESS_KEY_ID, ...), the file ~/.aws/credentials or the role of
	// the machine, in this order.
	AccessKey string `yaml:"access_key"`
	SecretKey string `yaml:"secret_key"`
	// Insecure uses HTTP instead of HTTPS. For tests and closed networks.
	Insecure bool `yaml:"insecure"`
}

// part is how much of a blob is held in memory while it is sent.
const part = 16 << 20

// short is how much of a blob of unknown length is read before it is sent.
const short = 1 << 20

// S3 is a blob.Store in a bucket.
type S3 struct {
	client *minio.Client
	bucket string
	prefix string // empty or with a slash at its end
}

var _ blob.Store = (*S3)(nil)

// Open connects and checks that the bucket is there.
func Open(ctx context.Context, cfg Config) (*S3, error) {
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("object storage: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config) (*S3, error) {
	if cfg.Bucket == "" {
		return nil, errors.New("set the bucket")
	}
	prefix := ""
	if cfg.Prefix != "" {
		if err := blob.CheckName(cfg.Prefix); err != nil {
			return nil, fmt.Errorf("prefix: %w", err)
		}
		prefix = cfg.Prefix + "/"
	}
	client, err := minio.New(cmp.Or(cfg.Endpoint, "s3.amazonaws.com"), &minio.Options{
		Creds:  keys(cfg),
		Secure: !cfg.Insecure,
		Region: cfg.Region,
	})
	if err != nil {
		return nil, err
	}
	found, err := client.BucketExists(ctx, cfg.Bucket)
	if err != nil {
		return nil, fmt.Errorf("look for bucket %s at %s; check address, keys and clock: %w", cfg.Bucket, cfg.Endpoint, err)
	}
	if !found {
		return nil, fmt.Errorf("there is no bucket %s at %s: create it", cfg.Bucket, cfg.Endpoint)
	}
	return &S3{client: client, bucket: cfg.Bucket, prefix: prefix}, nil
}

func keys(cfg Config) *credentials.Credentials {
	if cfg.AccessKey != "" {
		return credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, "")
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{}},
	})
}

// Put implements blob.Store.
func (s *S3) Put(ctx context.Context, name string, r io.Reader) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	r, n, err := measure(r)
	if err != nil {
		return failure("store", name, err)
	}
	_, err = s.client.PutObject(ctx, s.bucket, s.prefix+name, r, n, minio.PutObjectOptions{
		ContentType: "application/octet-stream",
		PartSize:    part,
		// The service checks each request against its MD5. Signing the body
		// piece by piece is not understood by every service.
		SendContentMd5:       true,
		DisableContentSha256: true,
	})
	return failure("store", name, err)
}

// measure returns a reader of the same bytes, and how many they are or -1
// when they are many. What is short is sent in one request then.
func measure(r io.Reader) (io.Reader, int64, error) {
	if n := size(r); n >= 0 {
		return r, n, nil
	}
	var head bytes.Buffer
	n, err := io.CopyN(&head, r, short)
	if errors.Is(err, io.EOF) {
		return &head, n, nil
	}
	return io.MultiReader(&head, r), -1, err
}

// size tells how much r still holds, or -1.
func size(r io.Reader) int64 {
	seeker, ok := r.(io.Seeker)
	if !ok {
		return -1
	}
	here, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return -1
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err != nil {
		return -1
	}
	if _, err := seeker.Seek(here, io.SeekStart); err != nil {
		return -1
	}
	return end - here
}

// Get implements blob.Store. The object is read in one request, which the
// service answers from the version it found at the beginning.
func (s *S3) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	core := minio.Core{Client: s.client}
	body, _, _, err := core.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, failure("open", name, err)
	}
	return body, nil
}

// Stat implements blob.Store.
func (s *S3) Stat(ctx context.Context, name string) (int64, error) {
	if err := blob.CheckName(name); err != nil {
		return 0, err
	}
	info, err := s.client.StatObject(ctx, s.bucket, s.prefix+name, minio.StatObjectOptions{})
	return info.Size, failure("look at", name, err)
}

// List implements blob.Store.
func (s *S3) List(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for info := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
		if info.Err != nil {
			return nil, fmt.Errorf("object storage: list files: %w", info.Err)
		}
		name := strings.TrimPrefix(info.Key, s.prefix)
		if blob.CheckName(name) == nil { // others put other things into buckets
			names = append(names, name)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.Sort(names)
	return names, nil
}

// Delete implements blob.Store.
func (s *S3) Delete(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	err := failure("delete", name, s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// failure words an error of the service in the terms of package blob.
func failure(what, name string, err error) error {
	if err == nil {
		return nil
	}
	response := minio.ToErrorResponse(err)
	switch response.Code {
	case minio.NoSuchKey:
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage":
		err = fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	if response.StatusCode == http.StatusInsufficientStorage {
		err = fmt.Errorf("%w: %w", blob.ErrFull, err)
	}
	return fmt.Errorf("object storage: %s file %s: %w", what, name, err)
}
