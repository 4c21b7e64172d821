package detect

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// snapshot is the memory of the engine as text.
type snapshot struct {
	Version   int                        `json:"version"`
	Clock     int64                      `json:"clock"`
	Groups    json.RawMessage            `json:"groups"`
	Quotas    json.RawMessage            `json:"quotas"`
	Baseline  json.RawMessage            `json:"baseline,omitempty"`
	Detectors map[string]json.RawMessage `json:"detectors"`
}

const snapshotVersion = 1

// Taken is the memory of an engine at one moment. It does not change any more
// and may be packed by another goroutine while the engine works on.
type Taken struct {
	memory snapshot
	usual  baselineSnapshot
}

// Snapshot is the memory of all detectors, as text: JSON, packed.
func (e *Engine) Snapshot() ([]byte, error) {
	t, err := e.Take()
	if err != nil {
		return nil, err
	}
	return t.Pack()
}

// Take is the part of Snapshot that the engine has to stand still for.
func (e *Engine) Take() (*Taken, error) {
	groups, err := e.groups.Snapshot()
	quotas, err2 := e.quotas.Snapshot()
	usual, err3 := e.baseline.snapshot()
	if err := errors.Join(err, err2, err3); err != nil {
		return nil, fmt.Errorf("snapshot of findings: %w", err)
	}
	s := snapshot{Version: snapshotVersion, Clock: e.clock, Groups: groups, Quotas: quotas, Detectors: map[string]json.RawMessage{}}
	for _, slot := range e.all {
		d, ok := slot.detector.(Stateful)
		if !ok {
			continue
		}
		data, err := slot.snapshot(d)
		if err != nil {
			return nil, fmt.Errorf("snapshot of %s: %w", slot.info.ID, err)
		}
		if data != nil {
			s.Detectors[slot.info.ID] = data
		}
	}
	return &Taken{s, usual}, nil
}

// Pack is the rest of Snapshot.
func (t *Taken) Pack() ([]byte, error) {
	s := t.memory
	usual, err := json.Marshal(t.usual)
	if err != nil {
		return nil, fmt.Errorf("snapshot of what is usual: %w", err)
	}
	s.Baseline = usual
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("snapshot of detectors: %w", err)
	}
	return pack(text)
}

// Restore takes a snapshot back. What belongs to detectors that are gone is
// dropped, new ones start empty, and so does one whose memory it can no longer
// read: a new version must start with an old snapshot.
func (e *Engine) Restore(data []byte) error {
	text, err := unpack(data)
	if err != nil {
		return err
	}
	var s snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read memory of detectors: %w", err)
	}
	if s.Version > snapshotVersion {
		return fmt.Errorf("memory of detectors is of version %d, this program reads %d; use the newer program", s.Version, snapshotVersion)
	}
	if err := e.remember(&s); err != nil {
		return err
	}
	var usual baselineSnapshot
	if s.Baseline == nil || json.Unmarshal(s.Baseline, &usual) != nil || e.baseline.restore(usual) != nil {
		e.baseline = newBaseline()
	}
	return nil
}

// TakeOver is Restore from the memory of another engine.
func (e *Engine) TakeOver(t *Taken) error {
	return errors.Join(e.remember(&t.memory), e.baseline.restore(t.usual))
}

// remember restores all but the baseline.
func (e *Engine) remember(s *snapshot) error {
	e.clock = s.Clock
	if err := errors.Join(e.groups.Restore(s.Groups), e.quotas.Restore(s.Quotas)); err != nil {
		return fmt.Errorf("read memory of findings: %w", err)
	}
	for _, slot := range e.all {
		d, ok := slot.detector.(Stateful)
		if !ok {
			continue
		}
		data := s.Detectors[slot.info.ID]
		if data != nil && d.Restore(data) == nil {
			continue
		}
		if err := d.Restore(nil); err != nil {
			return fmt.Errorf("empty memory of %s: %w", slot.info.ID, err)
		}
	}
	return nil
}

// maxSnapshot bounds what a packed snapshot may unfold to, in bytes.
const maxSnapshot = 1 << 30

// pack compresses text and writes it as text again, which any column holds.
func pack(text []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("pack memory of detectors: %w", err)
	}
	defer func() { _ = z.Close() }() // nothing is buffered
	return base64.StdEncoding.AppendEncode(nil, z.EncodeAll(text, nil)), nil
}

// unpack also takes text that is not packed.
func unpack(data []byte) ([]byte, error) {
	if len(data) > 0 && data[0] == '{' {
		return data, nil
	}
	packed, err := base64.StdEncoding.AppendDecode(nil, data)
	if err != nil {
		return nil, fmt.Errorf("memory of detectors is damaged: %w", err)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSnapshot))
	if err != nil {
		return nil, fmt.Errorf("unpack memory of detectors: %w", err)
	}
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("memory of detectors is damaged: %w", err)
	}
	return text, nil
}
