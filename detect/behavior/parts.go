package behavior

import (
	"encoding/json"
	"fmt"

	"github.com/cordon-health/cordon/detect"
)

// together is the memory of a detector that remembers several things, in
// their order.
func together(parts ...detect.Stateful) ([]byte, error) {
	list := make([]json.RawMessage, len(parts))
	for i, p := range parts {
		data, err := p.Snapshot()
		if err != nil {
			return nil, err
		}
		list[i] = data
	}
	return json.Marshal(list)
}

// apart gives each part its memory back; nil empties them all.
func apart(data []byte, parts ...detect.Stateful) error {
	list := make([]json.RawMessage, len(parts))
	if data != nil {
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
	}
	if len(list) != len(parts) {
		return fmt.Errorf("memory of %d parts, want %d", len(list), len(parts))
	}
	for i, p := range parts {
		if err := p.Restore(list[i]); err != nil {
			return err
		}
	}
	return nil
}
