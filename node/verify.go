package node

import (
	"context"
	"io"
	"os"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/evidence/bundle"
	evidencefolder "github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

// Offline is how evidence is checked without a running instance.
type Offline struct {
	// Key is the log's public key from a place out of the folder's reach; empty
	// takes the folder's own, and the report says so.
	Key string
	// Witness is the key of the witness whose signature is demanded, and
	// Checkpoints are heads kept elsewhere that the log must contain.
	Witness     string
	Checkpoints []string
	// Store is a postgres:// URL when the records are not in the folder.
	Store string
}

// HasRecords says whether a data folder holds the records; without them only
// the log and the files are checked.
func (o Offline) HasRecords(dir string) bool {
	_, err := os.Stat(evidencefolder.StorePath(dir))
	return o.Store != "" || err == nil
}

// VerifyFolder checks a data folder, or a copy of one.
func (o Offline) VerifyFolder(ctx context.Context, dir string, progress func(evidence.Progress)) (evidence.Report, error) {
	db, err := o.openStore(ctx, dir)
	if err != nil {
		return evidence.Report{}, err
	}
	if db != nil {
		defer db.Close()
	}
	src, err := evidencefolder.Source(dir, db)
	if err != nil {
		return evidence.Report{}, err
	}
	src.Key, src.WitnessKey, src.Checkpoints = o.Key, o.Witness, o.Checkpoints
	return evidence.Verify(ctx, src, progress)
}

func (o Offline) openStore(ctx context.Context, dir string) (*store.DB, error) {
	switch {
	case o.Store != "":
		return postgres.Open(ctx, o.Store)
	case !o.HasRecords(dir):
		return nil, nil
	}
	return sqlite.Open(ctx, evidencefolder.StorePath(dir))
}

// VerifyBundle checks an exported bundle.
func (o Offline) VerifyBundle(r io.ReaderAt, size int64) (bundle.Report, error) {
	return bundle.Verify(r, size, bundle.Options{Key: o.Key, WitnessKey: o.Witness})
}
