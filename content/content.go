// Package content carries the product's knowledge as files: explanation
// kinds, rules, mappings, what tables of databases hold, playbooks. It is
// data; code that uses a folder receives it as a file system from node and
// never imports this package.
//
// What it gives: [Files], the tree as it was built into the binary. What it
// does not do: it neither reads nor checks the files, their users do.
package content

import (
	"embed"
	"io/fs"
)

//go:embed */*
var files embed.FS

// Files is the tree of content: one folder per kind of content.
func Files() fs.FS { return files }
