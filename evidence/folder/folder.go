// Package folder finds the evidence in the data folder of a server: the log in
// evidence/, the store in store/cordon.db and the files of the lake in blob/.
// It is what the verifier reads when it is given such a folder, or a copy of
// one.
//
// It reads the lake's files with the lake's own reader, and the lake's list of
// files from the lake's table lake_files. It owns nothing and writes nothing;
// opening the store is left to the caller.
package folder

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/store"
)

// The places below a data folder.
const (
	LogDir  = "evidence"
	BlobDir = "blob"
)

// StorePath is where a data folder keeps the embedded store.
func StorePath(dir string) string { return filepath.Join(dir, "store", "cordon.db") }

// Source reads the evidence of the data folder dir, whose store is db (nil
// when there is none to be had).
func Source(dir string, db *store.DB) (evidence.Source, error) {
	root, err := os.OpenRoot(filepath.Join(dir, BlobDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return evidence.Source{}, fmt.Errorf("open data folder: %w", err)
	}
	src := evidence.Source{Log: os.DirFS(filepath.Join(dir, LogDir)), DB: db, Rows: Rows}
	if db != nil {
		src.Manifest = Manifest(db)
	}
	if root != nil {
		src.File = func(_ context.Context, name string) (evidence.File, error) { return openFile(root, name) }
	} else {
		src.File = func(context.Context, string) (evidence.File, error) { return nil, fs.ErrNotExist }
	}
	return src, nil
}

// Rows reads a file of the lake.
func Rows(r io.ReaderAt, size int64) iter.Seq2[evidence.Row, error] {
	return func(yield func(evidence.Row, error) bool) {
		for row, err := range lake.ReadFile(r, size) {
			if !yield(evidence.Row(row), err) {
				return
			}
		}
	}
}

// Manifest reads the lake's list of files.
func Manifest(db *store.DB) func(context.Context) ([]evidence.FileMark, error) {
	return func(ctx context.Context) (list []evidence.FileMark, err error) {
		err = db.View(ctx, func(tx *sql.Tx) (err error) {
			list, err = readManifest(tx)
			return err
		})
		return list, err
	}
}

func readManifest(tx *sql.Tx) ([]evidence.FileMark, error) {
	rows, err := tx.Query("SELECT name, sha256, row_count, first_seq, last_seq FROM lake_files ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read the lake's list of files: %w", err)
	}
	defer rows.Close()
	var list []evidence.FileMark
	for rows.Next() {
		var m evidence.FileMark
		if err := rows.Scan(&m.Name, &m.SHA256, &m.Rows, &m.FirstSeq, &m.LastSeq); err != nil {
			return nil, fmt.Errorf("read the lake's list of files: %w", err)
		}
		list = append(list, m)
	}
	return list, rows.Err()
}

// file is an open file of known size.
type file struct {
	*os.File
	size   int64
	remove bool // a copy of our own
}

// Size is the size when it was opened.
func (f *file) Size() int64 { return f.size }

// Close closes the file, and removes a copy.
func (f *file) Close() error {
	err := f.File.Close()
	if f.remove {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

func openFile(root *os.Root, name string) (evidence.File, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &file{File: f, size: info.Size()}, nil
}

// Blobs opens files of the lake in a blob store, by way of a copy in the
// folder scratch that is removed when the file is closed.
func Blobs(files blob.Store, scratch string) func(ctx context.Context, name string) (evidence.File, error) {
	return func(ctx context.Context, name string) (evidence.File, error) {
		in, err := files.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		out, err := os.CreateTemp(scratch, "verify-")
		if err != nil {
			return nil, fmt.Errorf("copy %s for verification: %w", name, err)
		}
		f := &file{File: out, remove: true}
		if f.size, err = io.Copy(out, in); err != nil {
			return nil, errors.Join(fmt.Errorf("copy %s for verification: %w", name, err), f.Close())
		}
		return f, nil
	}
}
