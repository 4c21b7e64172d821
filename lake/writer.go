package lake

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

const (
	pageRows  = 4096      // rows of one page: what a question for one patient decodes
	textRows  = 1024      // the same for long texts, which cost more
	groupRows = 16 * 4096 // rows of one row group: what a writer holds in memory
	dayMillis = 24 * 60 * 60 * 1000
	// valueBytes is how much of a value the page index holds; longer ones are
	// compared by their beginnings.
	valueBytes = 64
)

// dayOf is the number of days since 1970, UTC.
func dayOf(ms int64) int64 {
	d := ms / dayMillis
	if ms%dayMillis < 0 {
		d--
	}
	return d
}

// A kind is how a column is stored.
type kind byte

const (
	kindInt kind = iota
	kindTime
	kindFlag  // true or null
	kindState // true, false or null
	kindLag   // ms after the event's time
	kindText
	kindUUID
)

// maxDict is how many values a dictionary has at most: a question for one
// patient decodes all of it for one page.
const maxDict = 4096

// maxLag is up to where logged_time is stored as its distance from time:
// events as they happen. In an import of old events the time itself repeats.
const maxLag = 60 * 60 * 1000

// A column of a file: where its values stand in a table, and how they are
// stored. Columns are in the order of their names, as in the file.
type column struct {
	name     string
	kind     kind
	source   int // index into ints or texts
	required bool
}

func columns() []column {
	var list []column
	for i, name := range intNames {
		list = append(list, column{name: name, kind: intKind(i), source: i, required: intRequired(i)})
	}
	for i, name := range textNames {
		list = append(list, column{name: name, kind: kindText, source: i})
	}
	list = append(list, column{name: uidBinary, kind: kindUUID, source: textUID})
	list = append(list, column{name: loggedLag, kind: kindLag, source: intLogged})
	slices.SortFunc(list, func(a, b column) int { return cmp.Compare(a.name, b.name) })
	return list
}

func intKind(i int) kind {
	switch i {
	case intTime, intLogged:
		return kindTime
	case intBreakGlass, intIncidental, intWeak:
		return kindFlag
	case intExplained:
		return kindState
	}
	return kindInt
}

func intRequired(i int) bool {
	switch i {
	case intTime, intClass, intActivity, intSeverity, intStatus, intSeq, intIndex:
		return true
	}
	return false
}

// node is the column's place in the Parquet schema; dict says that its values
// repeat so often that a dictionary is smaller.
func (c column) node(dict bool) parquet.Node {
	var n parquet.Node
	var enc encoding.Encoding
	switch c.kind {
	case kindInt, kindLag:
		n, enc = parquet.Int(64), &parquet.DeltaBinaryPacked
	case kindTime:
		n, enc = parquet.TimestampAdjusted(parquet.Millisecond, false), &parquet.DeltaBinaryPacked
	case kindFlag, kindState:
		n, enc, dict = parquet.Leaf(parquet.BooleanType), &parquet.Plain, false
	case kindText:
		n, enc = parquet.String(), &parquet.DeltaLengthByteArray
	case kindUUID:
		n, enc, dict = parquet.UUID(), &parquet.Plain, false
	}
	if dict {
		enc = &parquet.RLEDictionary
	}
	n = parquet.Encoded(n, enc)
	if !c.required {
		n = parquet.Optional(n)
	}
	return n
}

// A fileWriter writes one file. Rows come in the file's order, a row group
// at a time.
type fileWriter struct {
	out     io.Writer
	sum     hash.Hash
	codec   *codec
	columns []column
	pages   []int // rows of a page, per column
	w       *parquet.GenericWriter[any]
	values  []parquet.Value
	nulls   []parquet.Value
	blobs   []byte // memory of the UUIDs in values
	info    FileInfo
}

func newFileWriter(out io.Writer, codec *codec) *fileWriter {
	f := &fileWriter{codec: codec, sum: sha256.New(), columns: columns()}
	f.pages = make([]int, len(f.columns))
	f.out = io.MultiWriter(&counter{out, &f.info.Bytes}, f.sum)
	return f
}

type counter struct {
	w io.Writer
	n *int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

// write adds the rows of t in the order of rows as one row group. The first
// group decides the encodings.
func (f *fileWriter) write(t *table, rows []int32) error {
	if f.w == nil {
		f.begin(t, rows)
	}
	f.measure(t, rows)
	writers := f.w.ColumnWriters()
	for i, c := range f.columns {
		if err := f.writeColumn(writers[i], i, c, t, rows); err != nil {
			return fmt.Errorf("write column %s: %w", c.name, err)
		}
	}
	if err := f.w.Flush(); err != nil {
		return fmt.Errorf("write row group: %w", err)
	}
	return nil
}

func (f *fileWriter) begin(t *table, rows []int32) {
	group := parquet.Group{}
	options := []parquet.WriterOption{
		parquet.Compression(f.codec),
		parquet.PageBufferSize(1 << 20),
		parquet.ColumnIndexSizeLimit(func([]string) int { return valueBytes }),
		parquet.CreatedBy("cordon", "1", ""),
	}
	for i, c := range f.columns {
		dict := repeats(t, c, rows)
		group[c.name] = c.node(dict)
		f.pages[i] = pageRows
		if dict || c.kind != kindText && c.kind != kindUUID {
			continue
		}
		f.pages[i] = textRows
		if c.source != textPatient { // the bounds of texts in no order help nobody
			options = append(options, parquet.SkipPageBounds(c.name))
		}
	}
	f.w = parquet.NewGenericWriter[any](f.out, append(options, parquet.NewSchema("event", group))...)
}

func (f *fileWriter) measure(t *table, rows []int32) {
	x := &f.info
	for _, row := range rows {
		at, seq := t.int(intTime, int(row)), uint64(t.int(intSeq, int(row)))
		if x.Rows == 0 {
			x.MinTime, x.MaxTime, x.FirstSeq, x.LastSeq = at, at, seq, seq
		}
		x.Rows++
		x.MinTime, x.MaxTime = min(x.MinTime, at), max(x.MaxTime, at)
		x.FirstSeq, x.LastSeq = min(x.FirstSeq, seq), max(x.LastSeq, seq)
	}
}

// close ends the file and returns what it is; its name is still missing.
func (f *fileWriter) close() (FileInfo, error) {
	if err := f.w.Close(); err != nil {
		return FileInfo{}, fmt.Errorf("end file: %w", err)
	}
	f.info.SHA256 = hex.EncodeToString(f.sum.Sum(nil))
	return f.info, nil
}

func (f *fileWriter) writeColumn(w *parquet.ColumnWriter, index int, c column, t *table, rows []int32) error {
	if f.absent(c, t) {
		return f.writeNulls(w, index, len(rows))
	}
	for len(rows) > 0 {
		n := min(f.pages[index], len(rows))
		f.values = f.values[:0]
		f.blobs = f.blobs[:0]
		for _, row := range rows[:n] {
			f.values = append(f.values, f.value(c, t, int(row)).Level(0, 0, index))
		}
		if !c.required {
			present(f.values, index)
		}
		if _, err := w.WriteRowValues(f.values); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// writeNulls writes a column without values, as one page.
func (f *fileWriter) writeNulls(w *parquet.ColumnWriter, index, rows int) error {
	if len(f.nulls) == 0 {
		f.nulls = make([]parquet.Value, pageRows)
	}
	for i := range f.nulls {
		f.nulls[i] = parquet.Value{}.Level(0, 0, index)
	}
	for rows > 0 {
		n, err := w.WriteRowValues(f.nulls[:min(rows, pageRows)])
		if err != nil {
			return err
		}
		rows -= n
	}
	return nil
}

func present(values []parquet.Value, index int) {
	for i, v := range values {
		if !v.IsNull() {
			values[i] = v.Level(0, 1, index)
		}
	}
}

func (f *fileWriter) absent(c column, t *table) bool {
	switch {
	case c.required:
		return false
	case c.kind == kindText || c.kind == kindUUID:
		return t.texts[c.source].ids == nil
	}
	return t.ints[c.source] == nil
}

func (f *fileWriter) value(c column, t *table, row int) parquet.Value {
	if c.kind == kindText || c.kind == kindUUID {
		return f.text(c, t.text(c.source, row))
	}
	v := t.int(c.source, row)
	switch {
	case c.source == intLogged:
		return logged(c, v, v-t.int(intTime, row))
	case v == 0 && !c.required:
		return parquet.Value{}
	case c.kind == kindFlag:
		return parquet.BooleanValue(true)
	case c.kind == kindState:
		return parquet.BooleanValue(v == 2)
	}
	return parquet.Int64Value(v)
}

// logged is the time in one of two columns.
func logged(c column, at, lag int64) parquet.Value {
	near := lag >= 0 && lag <= maxLag
	switch {
	case at == 0 || near != (c.kind == kindLag):
		return parquet.Value{}
	case near:
		return parquet.Int64Value(lag)
	}
	return parquet.Int64Value(at)
}

func (f *fileWriter) text(c column, s string) parquet.Value {
	if s == "" {
		return parquet.Value{}
	}
	if c.source == textUID {
		start := len(f.blobs)
		var ok bool
		if f.blobs, ok = appendUUID(f.blobs, s); ok != (c.kind == kindUUID) {
			return parquet.Value{}
		}
		if ok {
			return parquet.FixedLenByteArrayValue(f.blobs[start:])
		}
	}
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// repeats says whether the column's values in these rows are mostly seen
// before, so that numbering them pays.
func repeats(t *table, c column, rows []int32) bool {
	distinct, n := 0, 0
	if c.kind == kindText {
		col := &t.texts[c.source]
		if col.ids == nil || unique(c.source) {
			return false
		}
		seen := make([]bool, len(col.values))
		for _, row := range rows {
			if id := col.idAt(int(row)); id != 0 {
				n++
				if !seen[id] {
					seen[id] = true
					distinct++
				}
			}
		}
		return distinct*4 < n && distinct <= maxDict
	}
	if c.kind == kindLag {
		return false
	}
	seen := map[int64]struct{}{}
	for _, row := range rows {
		seen[t.int(c.source, int(row))] = struct{}{}
		if len(seen)*8 > len(rows) {
			return false
		}
	}
	return true
}

// sortRows returns the numbers of all rows of t in the order of a file: day,
// patient, time, place in the stream.
func sortRows(t *table) []int32 {
	type key struct {
		day, patient, time, seq, index int64
		row                            int32
	}
	rank := ranks(&t.texts[textPatient])
	keys := make([]key, t.rows)
	for i := range keys {
		at := t.int(intTime, i)
		k := key{day: dayOf(at), time: at, seq: t.int(intSeq, i), index: t.int(intIndex, i), row: int32(i)}
		if len(rank) > 0 {
			k.patient = int64(rank[t.texts[textPatient].idAt(i)])
		}
		keys[i] = k
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.patient, b.patient),
			cmp.Compare(a.time, b.time), cmp.Compare(a.seq, b.seq), cmp.Compare(a.index, b.index))
	})
	rows := make([]int32, len(keys))
	for i, k := range keys {
		rows[i] = k.row
	}
	return rows
}

// ranks gives each value of a column its place in the order of all values.
func ranks(c *texts) []int32 {
	order := make([]int32, len(c.values))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(c.values[a], c.values[b]) })
	rank := make([]int32, len(order))
	for place, id := range order {
		rank[id] = int32(place)
	}
	return rank
}

// appendUUID appends the 16 bytes of a UUID in lower case with hyphens.
func appendUUID(dst []byte, s string) ([]byte, bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return dst, false
	}
	start := len(dst)
	for i := 0; i < 36; {
		if s[i] == '-' {
			i++
			continue
		}
		hi, lo := nibble(s[i]), nibble(s[i+1])
		if hi > 15 || lo > 15 {
			return dst[:start], false
		}
		dst = append(dst, hi<<4|lo)
		i += 2
	}
	return dst, true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// uuidText is the inverse of appendUUID.
func uuidText(b []byte) string {
	var s [36]byte
	formatUUID(&s, b)
	return string(s[:])
}

func formatUUID(s *[36]byte, b []byte) {
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
}
