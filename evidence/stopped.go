package evidence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-health/cordon/internal/durable"
)

// StoppedFile says, signed, that the server stopped in good order with
// everything logged: its note holds the origin and the number of the last
// record. While it lies there, a record beyond it was added by somebody else.
// It is removed when the log is opened. A server that was killed leaves none;
// then records may wait, and the report only counts them.
const StoppedFile = "stopped"

const stoppedForm = "cordon-stopped/v1"

// markStopped writes the file; sync has run and nothing writes any more. With
// PostgreSQL another node may go on writing, so there it is not said.
func (l *Log) markStopped(ctx context.Context) error {
	if l.db.Dialect().Name != "sqlite" {
		return nil
	}
	row, err := lastRow(ctx, l)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n%s\n%d\n", stoppedForm, l.Origin(), row)
	signed, err := note.Sign(&note.Note{Text: text}, l.key.signer)
	if err != nil {
		return fmt.Errorf("sign how the server stopped: %w", err)
	}
	return durable.WriteFile(filepath.Join(l.cfg.Dir, StoppedFile), signed, 0o600)
}

func lastRow(ctx context.Context, l *Log) (row int64, err error) {
	err = l.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRow("SELECT COALESCE(MAX(n), 0) FROM records").Scan(&row)
	})
	return row, err
}

// takeStopped removes the file and raises a problem when records were added
// while the server was stopped.
func (l *Log) takeStopped(ctx context.Context) error {
	path := filepath.Join(l.cfg.Dir, StoppedFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read how the server stopped: %w", err)
	}
	row, err := lastRow(ctx, l)
	if err != nil {
		return err
	}
	if at, ok := readStopped(text, l.key.verifier); ok && row > at {
		l.raise(problemAdded)
		l.log.Error("records were added while cordon was stopped", "from_row", at+1, "to_row", row)
	}
	return durable.Remove(path)
}

// readStopped gives the last record of a note signed by our key.
func readStopped(text []byte, key note.Verifier) (row int64, ok bool) {
	n, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return 0, false
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != stoppedForm || lines[1] != key.Name() {
		return 0, false
	}
	row, err = strconv.ParseInt(lines[2], 10, 64)
	return row, err == nil
}
