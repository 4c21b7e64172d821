package care

import (
	"database/sql"
	"fmt"
)

// Changes are what changed since the last saved state, as of one moment: what
// happens to the graph afterwards is not part of them.
type Changes struct{ tables []table }

// Changes takes the changes for a checkpoint. Call [Graph.Saved] once the
// transaction that wrote them has committed; if it did not, the next Changes
// are the same and more.
func (g *Graph) Changes() Changes { return Changes{g.changes()} }

// Write writes the changes; it may run more than once.
func (c Changes) Write(tx *sql.Tx) error {
	for i := range c.tables {
		if err := c.tables[i].write(tx); err != nil {
			return fmt.Errorf("save care relations: %w", err)
		}
	}
	return nil
}
