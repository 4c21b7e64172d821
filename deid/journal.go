package deid

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/durable"
)

// journalName is the file in an output folder that says what is done, so that
// an interrupted run can go on. Files are known in it by keyed tokens.
const journalName = ".cordon-deidentify"

// journal remembers the files of a folder that are done. It is safe for
// concurrent use.
type journal struct {
	key    *Key
	recipe string

	mu   sync.Mutex
	file *os.File
	done map[string]journalLine
}

type journalLine struct {
	File   string `json:"file"`
	Size   int64  `json:"size"`
	Time   int64  `json:"time"`
	Recipe string `json:"recipe"`
}

// journal opens the journal of the output folder; a single file has none.
func (r *Run) journal(single bool) (*journal, error) {
	j := &journal{key: r.Job.Key, done: map[string]journalLine{}}
	j.recipe = j.key.Token(classify.Unique, fmt.Sprintf("%q", []any{r.Profile.Name(), j.key.ID(), len(r.To), r.Options, r.Job.Patient}))
	if single {
		return j, nil
	}
	if err := durable.MkdirAll(r.Out, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(r.Out, journalName)
	if err := j.read(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j.file = f
	return j, nil
}

func (j *journal) read(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var line journalLine
		// A line cut off by a crash is a file that is done again.
		if json.Unmarshal(s.Bytes(), &line) == nil {
			j.done[line.File] = line
		}
	}
	return nil
}

func (j *journal) line(t task) journalLine {
	return journalLine{j.key.Token(classify.Unique, "file "+t.rel), t.info.Size(), t.info.ModTime().UnixNano(), j.recipe}
}

// has says whether a file was done with the same key and profile, has not
// changed since, and its output is there.
func (j *journal) has(t task) bool {
	if j.file == nil {
		return false
	}
	line := j.line(t)
	j.mu.Lock()
	done := j.done[line.File]
	j.mu.Unlock()
	if done != line {
		return false
	}
	_, err := os.Stat(t.to)
	return err == nil
}

func (j *journal) add(t task) error {
	if j.file == nil {
		return nil
	}
	data, err := json.Marshal(j.line(t))
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(data, '\n')); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

func (j *journal) close() {
	if j.file != nil {
		_ = j.file.Close() // what is lost is done again
	}
}
