package node

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/blob/folder"
	"github.com/cordon-health/cordon/blob/s3"
	"github.com/cordon-health/cordon/bus"
	"github.com/cordon-health/cordon/bus/jetstream"
	"github.com/cordon-health/cordon/config"
	evidencefolder "github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/internal/strict"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/postgres"
	"github.com/cordon-health/cordon/store/sqlite"
)

// The engines behind the seams: an empty setting is the embedded one.

func openStore(ctx context.Context, cfg config.Config) (*store.DB, error) {
	if cfg.Store != "" {
		return postgres.Open(ctx, cfg.Store)
	}
	return sqlite.Open(ctx, evidencefolder.StorePath(cfg.Data))
}

func openBus(ctx context.Context, cfg config.Config, log *slog.Logger) (bus.Bus, error) {
	c := jetstream.Config{Dir: filepath.Join(cfg.Data, "bus")}
	if err := optional(cfg.Bus, &c); err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	return jetstream.Open(ctx, c, log)
}

func openBlob(ctx context.Context, cfg config.Config) (blob.Store, error) {
	if cfg.Blob.IsZero() {
		f, err := folder.Open(filepath.Join(cfg.Data, evidencefolder.BlobDir))
		if err != nil {
			return nil, err
		}
		return f, f.Sweep()
	}
	var c s3.Config
	if err := strict.Decode(&cfg.Blob, &c); err != nil {
		return nil, fmt.Errorf("blob: %w", err)
	}
	return s3.Open(ctx, c)
}

// optional decodes a section that may be missing.
func optional(raw yaml.Node, out any) error {
	if raw.IsZero() {
		return nil
	}
	return strict.Decode(&raw, out)
}
