package zone

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Templates lists the policies to start from, in a file system with one YAML
// file each.
func Templates(files fs.FS) ([]string, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	for i, n := range names {
		names[i] = strings.TrimSuffix(path.Base(n), ".yaml")
	}
	slices.Sort(names)
	return names, nil
}

// trial is how long a template's example of a supplier's access lasts.
const trial = 30

// Template gives the text of a template, its dates counted from now.
func Template(files fs.FS, name string, now time.Time) ([]byte, error) {
	names, err := Templates(files)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("there is no template %q%s; there are: %s", name, near(name, slices.Clone(names)), strings.Join(names, ", "))
	}
	text, err := fs.ReadFile(files, name+".yaml")
	if err != nil {
		return nil, fmt.Errorf("read template %s: %w", name, err)
	}
	day := now.AddDate(0, 0, trial).Format(time.DateOnly)
	return []byte(strings.ReplaceAll(string(text), "@EXPIRES@", day)), nil
}
