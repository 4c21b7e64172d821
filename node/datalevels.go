package node

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/ocsf"
)

// kindLevels is the kind of record of a change of levels: wanted, active or
// refused. There is one record, with all its versions.
const (
	kindLevels     = "levels"
	levelsID       = "levels"
	levelsWanted   = "wanted"
	levelsActive   = "active"
	levelsRefused  = "refused"
	largestLevels  = 1 << 20
	levelsFilePerm = 0o600
)

// levelsBook keeps the levels that people set: a file of the data folder in
// force, and records of evidence with every version.
type levelsBook struct{ n *Node }

var _ api.LevelsBook = levelsBook{}

// Text implements api.LevelsBook.
func (b levelsBook) Text() ([]byte, error) {
	path := b.n.cfg.Scan.Levels
	if path == "" {
		path = b.n.levelsFile()
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && b.n.cfg.Scan.Levels == "" {
		return classify.UsualLevels(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the levels: %w", err)
	}
	return text, nil
}

// Waiting implements api.LevelsBook.
func (b levelsBook) Waiting(ctx context.Context) (*api.LevelsWish, error) {
	r, err := b.n.evidence.Get(ctx, kindLevels, levelsID)
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.Status != levelsWanted {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w := new(api.LevelsWish)
	if err := json.Unmarshal(r.Body, w); err != nil {
		return nil, fmt.Errorf("read the levels that wait: %w", err)
	}
	return w, nil
}

// Want implements api.LevelsBook.
func (b levelsBook) Want(ctx context.Context, text, reason, by string) error {
	if b.n.cfg.Scan.Levels != "" {
		return api.Refusal{Status: http.StatusConflict, Text: ocsf.Text{
			EN: "the levels come from a file of the configuration (scan.levels); change that file", ZH: "级别由配置文件 scan.levels 指定，请修改该文件"}}
	}
	if len(text) > largestLevels {
		return api.Refusal{Status: http.StatusRequestEntityTooLarge, Text: ocsf.Text{EN: "the file is larger than 1 MiB", ZH: "文件超过 1 MiB"}}
	}
	if _, err := classify.ReadLevels(strings.NewReader(text)); err != nil {
		return api.Refusal{Status: http.StatusBadRequest, Text: ocsf.Text{EN: err.Error(), ZH: "级别文件有误：" + err.Error()}}
	}
	return b.put(ctx, levelsWanted, api.LevelsWish{Text: text, Reason: reason, By: by, At: b.n.now().UnixMilli()})
}

func (b levelsBook) put(ctx context.Context, status string, w api.LevelsWish) error {
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return b.n.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := b.n.evidence.Put(tx, evidence.Record{Kind: kindLevels, ID: levelsID, Time: b.n.now().UnixMilli(), Person: w.By, Status: status, Body: body})
		return err
	})
}

// Decide implements api.LevelsBook. The file is written before the record
// says that it is in force: after a crash between the two it waits again, and
// agreeing again changes nothing.
func (b levelsBook) Decide(ctx context.Context, agree bool, by string) error {
	w, err := b.Waiting(ctx)
	if err != nil {
		return err
	}
	if w == nil {
		return fs.ErrNotExist
	}
	w.By, w.At = by, b.n.now().UnixMilli()
	if !agree {
		return b.put(ctx, levelsRefused, *w)
	}
	if _, err := classify.ReadLevels(bytes.NewReader([]byte(w.Text))); err != nil {
		return fmt.Errorf("levels that waited: %w", err)
	}
	if err := durable.WriteFile(b.n.levelsFile(), []byte(w.Text), levelsFilePerm); err != nil {
		return err
	}
	return b.put(ctx, levelsActive, *w)
}
