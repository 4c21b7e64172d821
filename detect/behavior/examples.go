package behavior

import (
	"embed"
	"io/fs"
)

//go:embed testdata/*.txtar
var exampleFiles embed.FS

// Examples is the folder with what each detector must find and must leave
// alone; detect/trial runs them.
func Examples() fs.FS {
	sub, err := fs.Sub(exampleFiles, "testdata")
	if err != nil {
		return exampleFiles // cannot be: the name is valid
	}
	return sub
}
