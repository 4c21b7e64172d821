// Package bucket lets a scan look into object storage that speaks the S3
// protocol: Amazon S3, Aliyun OSS, Tencent COS, MinIO, Ceph and others.
//
// Objects are listed page by page and read in ranges: what a reader does not
// ask for is not transferred. An object's mark is its ETag with its size, so
// that a repeated scan reads only what was written anew.
//
// It writes nothing, and needs no right but to list and to get. It keeps no
// tables. Objects in cold storage that must be restored first are reported as
// not readable; nothing restores them.
package bucket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/cordon-health/cordon/classify"
)

// Options say how to reach a bucket.
type Options struct {
	// Address is s3://BUCKET/PREFIX, and behind it, as a query, endpoint
	// (host:port; s3.amazonaws.com otherwise), region, and insecure=true for
	// HTTP in closed networks. Keys may stand before the bucket
	// (s3://KEY:SECRET@BUCKET/PREFIX); otherwise they come from the
	// environment (AWS_ACCESS_KEY_ID, ...), ~/.aws/credentials or the machine.
	Address string
	// Include and Exclude choose objects by their names below the prefix.
	Include, Exclude classify.Globs
}

// Bucket is a classify.Origin.
type Bucket struct {
	client         *minio.Client
	bucket, prefix string
	options        Options
}

var _ classify.Origin = (*Bucket)(nil)

// New prepares a client. It does not connect.
func New(o Options) (*Bucket, error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		return nil, errors.New("a bucket is s3://BUCKET/PREFIX, with ?endpoint=HOST:PORT where it is not Amazon's")
	}
	q := u.Query()
	client, err := minio.New(cmp.Or(q.Get("endpoint"), "s3.amazonaws.com"), &minio.Options{
		Creds: keys(u.User), Secure: q.Get("insecure") != "true", Region: q.Get("region"),
	})
	if err != nil {
		return nil, fmt.Errorf("object storage: %w", err)
	}
	return &Bucket{client: client, bucket: u.Host, prefix: strings.TrimPrefix(u.Path, "/"), options: o}, nil
}

func keys(u *url.Userinfo) *credentials.Credentials {
	if u != nil {
		secret, _ := u.Password()
		return credentials.NewStaticV4(u.Username(), secret, "")
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.EnvMinio{}, &credentials.FileAWSCredentials{},
		&credentials.IAM{Client: &http.Client{}},
	})
}

// Name implements classify.Origin.
func (b *Bucket) Name() string { return "s3://" + b.bucket + "/" + b.prefix }

// List implements classify.Origin.
func (b *Bucket) List(ctx context.Context, each func(classify.Object) error, _ func(string, error) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing's goroutine when each fails
	for o := range b.client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix, Recursive: true}) {
		if o.Err != nil {
			return refused(o.Err)
		}
		name := strings.TrimPrefix(o.Key, b.prefix)
		if strings.HasSuffix(o.Key, "/") || b.options.Exclude.Match(name) || len(b.options.Include) > 0 && !b.options.Include.Match(name) {
			continue
		}
		if err := each(classify.Object{
			Path: b.path(o.Key), Size: o.Size, Modified: o.LastModified.UnixMilli(), Owner: o.Owner.DisplayName,
			Mark: fmt.Sprintf("%s.%d", strings.Trim(o.ETag, `"`), o.Size),
		}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *Bucket) path(key string) string { return "s3://" + b.bucket + "/" + key }

// Inspect implements classify.Origin.
func (b *Bucket) Inspect(ctx context.Context, o classify.Object, examine classify.Examine, emit func(*classify.Finding) error) (classify.Look, error) {
	src := &object{ctx: ctx, bucket: b, key: strings.TrimPrefix(o.Path, b.path("")), size: o.Size}
	sum, err := examine(ctx, src, nil, emit)
	look := classify.Look{Summary: sum, Changed: src.changed()}
	if err == nil {
		err = src.failure()
	}
	return look, err
}

// anew is the service's word for a range of another version than was asked for.
const anew = "PreconditionFailed"

// refused says why the service did not answer as asked, without its own text,
// which may hold a key.
func refused(err error) error {
	code := minio.ToErrorResponse(err).Code
	switch code {
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return classify.Because("the keys may not list or read here ("+code+")", "密钥无权列出或读取（"+code+"）")
	case "NoSuchBucket":
		return classify.Because("there is no such bucket", "存储桶不存在")
	case "NoSuchKey":
		return classify.Because("it was gone when its turn came", "扫描时已不存在")
	case "InvalidObjectState":
		return classify.Because("it lies in cold storage and must be restored first", "对象处于归档存储，须先恢复")
	case anew:
		return classify.Because("it was written anew while it was read", "读取过程中对象被改写")
	case "":
		return classify.Because("the service does not answer; check address and network", "服务无响应，请检查地址与网络")
	}
	return classify.Because("the service refuses ("+code+")", "服务拒绝访问（"+code+"）")
}

const (
	// block is what one request asks for, blocks how many are kept: readers
	// mostly go forward, and some look at the end first.
	block  = 1 << 20
	blocks = 8
)

// object is a classify.Source that asks for ranges as they are needed.
type object struct {
	ctx    context.Context // of its inspection
	bucket *Bucket
	key    string
	size   int64

	mu   sync.Mutex // guards what follows
	kept map[int64][]byte
	used []int64 // numbers of kept blocks, the one used last at the end
	etag string
	err  error
}

var _ classify.Source = (*object)(nil)

// Size implements classify.Source.
func (o *object) Size() int64 { return o.size }

// Name implements classify.Source.
func (o *object) Name() string { return path.Base(o.key) }

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for n < len(p) {
		if off >= o.size {
			return n, io.EOF
		}
		data, err := o.block(off / block)
		if err != nil {
			return n, err
		}
		from := off % block
		if from >= int64(len(data)) {
			return n, io.ErrUnexpectedEOF
		}
		k := copy(p[n:], data[from:])
		n, off = n+k, off+int64(k)
	}
	return n, nil
}

// block gives one block, from memory or from the service.
func (o *object) block(n int64) ([]byte, error) {
	for i, k := range o.used {
		if k == n {
			o.used = append(append(o.used[:i:i], o.used[i+1:]...), n)
			return o.kept[n], nil
		}
	}
	data, err := o.get(n*block, min((n+1)*block, o.size)-1)
	if err != nil {
		o.err = refused(err)
		return nil, o.err
	}
	if o.kept == nil {
		o.kept = map[int64][]byte{}
	}
	if len(o.used) == blocks {
		delete(o.kept, o.used[0])
		o.used = o.used[1:]
	}
	o.kept[n], o.used = data, append(o.used, n)
	return data, nil
}

// get reads a range of one and the same version of the object.
func (o *object) get(first, last int64) ([]byte, error) {
	var opts minio.GetObjectOptions
	if err := opts.SetRange(first, last); err != nil {
		return nil, err
	}
	if o.etag != "" {
		if err := opts.SetMatchETag(o.etag); err != nil {
			return nil, err
		}
	}
	r, info, _, err := (&minio.Core{Client: o.bucket.client}).GetObject(o.ctx, o.bucket.bucket, o.key, opts)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tag := strings.Trim(info.ETag, `"`)
	if o.etag != "" && tag != o.etag { // a service that does not know the condition
		return nil, minio.ErrorResponse{Code: anew}
	}
	o.etag = tag
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(r, last-first+1))
	return b.Bytes(), err
}

// failure is why a range could not be read; readers tell it in other words.
func (o *object) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

func (o *object) changed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil && strings.Contains(o.err.Error(), "written anew")
}
