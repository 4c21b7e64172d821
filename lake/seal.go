package lake

import (
	"context"
	"fmt"
)

// Seal begins a new buffer and returns what was buffered so far, to be
// written by [Batch.Write] while the new one fills. It is quick, so that a
// pipeline can seal between two messages.
func (l *Lake) Seal() *Batch { return &Batch{lake: l, buffers: l.freeze()} }

// Write writes the sealed rows to new files, durably; questions still see
// them in the buffer. After an error nothing is lost: the rows are part of the
// next Seal.
func (b *Batch) Write(ctx context.Context) error {
	for _, buf := range b.buffers {
		files, err := b.lake.writeTable(ctx, &buf.table)
		b.Files = append(b.Files, files...)
		if err != nil {
			b.Discard()
			return fmt.Errorf("flush lake: %w", err)
		}
	}
	return nil
}
