package lake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sort"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/plain"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// ErrDamaged marks a file that is truncated, overwritten or not a lake file.
var ErrDamaged = errors.New("damaged file")

const (
	maxFooter = 256 << 20
	maxPage   = 512 << 20
	maxGroup  = 1 << 24 // rows
)

// A file is the map of an open lake file: where its pages are. It is small,
// read-only after openFile, and used by any number of goroutines.
//
// Files are read here page by page and not through the Parquet library: a
// question for one patient needs some thirty pages of every file, and the
// time is in what surrounds a page, not in the page.
type file struct {
	r       io.ReaderAt
	size    int64
	rows    int64
	columns []column
	groups  []group
}

type group struct {
	rows   int32
	chunks []chunk // as file.columns
}

// chunk is one column of a row group; no pages: all values are null.
type chunk struct {
	dict  page
	pages []page
	same  *vector // one value, which all rows have; nil otherwise
}

type page struct {
	offset   int64
	size     int32 // with header; 0: there is none
	first    int32 // row in the group
	nulls    bool  // the page holds only nulls
	min, max string
}

// openFile reads the footer and the page index of a lake file, and the columns
// in which all rows have the same value: about half of them.
func openFile(r io.ReaderAt, size int64, d *decoder) (f *file, err error) {
	defer guard(&err)
	meta, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	index, base, err := readIndex(r, size, meta)
	if err != nil {
		return nil, err
	}
	f = &file{r: r, size: size, rows: meta.NumRows, columns: columns()}
	for i := range meta.RowGroups {
		g, err := f.readGroup(&meta.RowGroups[i], index, base)
		if err != nil {
			return nil, err
		}
		if err := f.readSame(&g, &meta.RowGroups[i], d); err != nil {
			return nil, err
		}
		f.groups = append(f.groups, g)
	}
	return f, nil
}

// maxSame is the size of the largest dictionary page that is looked at when a
// file is opened.
const maxSame = 256

func (f *file) readSame(g *group, meta *format.RowGroup, d *decoder) error {
	nulls := map[string]int64{}
	for i := range meta.Columns {
		m := &meta.Columns[i].MetaData
		nulls[m.PathInSchema[0]] = m.Statistics.NullCount
	}
	for i, c := range f.columns {
		x := &g.chunks[i]
		if x.dict.size == 0 || x.dict.size > maxSame || nulls[c.name] > 0 {
			continue
		}
		if err := d.readDict(f, x, c.kind); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
		if d.dict.n == 1 {
			x.same = &vector{ints: slices.Clone(d.dict.ints), bytes: slices.Clone(d.dict.bytes), offsets: slices.Clone(d.dict.offsets)}
		}
	}
	return nil
}

// guard turns a panic of a decoder over damaged bytes into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", ErrDamaged, p)
	}
}

func readFooter(r io.ReaderAt, size int64) (*format.FileMetaData, error) {
	var tail [8]byte
	if size < 12 {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrDamaged, size)
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, fmt.Errorf("read end of file: %w", err)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != "PAR1" || n > size-12 || n > maxFooter {
		return nil, fmt.Errorf("%w: it does not end as a Parquet file does", ErrDamaged)
	}
	buf := make([]byte, n)
	if _, err := r.ReadAt(buf, size-8-n); err != nil {
		return nil, fmt.Errorf("read footer: %w", err)
	}
	meta := new(format.FileMetaData)
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, buf, meta); err != nil {
		return nil, fmt.Errorf("%w: footer: %w", ErrDamaged, err)
	}
	return meta, nil
}

// readIndex reads the page indexes of all columns at once; they lie together.
func readIndex(r io.ReaderAt, size int64, meta *format.FileMetaData) (buf []byte, base int64, err error) {
	var from, to int64
	for i := range meta.RowGroups {
		for _, c := range meta.RowGroups[i].Columns {
			if from == 0 || c.ColumnIndexOffset < from {
				from = c.ColumnIndexOffset
			}
			to = max(to, c.ColumnIndexOffset+int64(c.ColumnIndexLength), c.OffsetIndexOffset+int64(c.OffsetIndexLength))
		}
	}
	if from < 0 || to < from || to > size || to-from > maxFooter {
		return nil, 0, fmt.Errorf("%w: page index out of place", ErrDamaged)
	}
	buf = make([]byte, to-from)
	if _, err := r.ReadAt(buf, from); err != nil {
		return nil, 0, fmt.Errorf("read page index: %w", err)
	}
	return buf, from, nil
}

func (f *file) readGroup(g *format.RowGroup, index []byte, base int64) (group, error) {
	if g.NumRows < 0 || g.NumRows > maxGroup {
		return group{}, fmt.Errorf("%w: row group of %d rows", ErrDamaged, g.NumRows)
	}
	out := group{rows: int32(g.NumRows), chunks: make([]chunk, len(f.columns))}
	for i := range g.Columns {
		c := &g.Columns[i]
		if len(c.MetaData.PathInSchema) != 1 {
			continue
		}
		at, ok := slices.BinarySearchFunc(f.columns, c.MetaData.PathInSchema[0], func(c column, name string) int {
			return bytes.Compare([]byte(c.name), []byte(name))
		})
		if !ok || c.MetaData.Statistics.NullCount == g.NumRows {
			continue // a later version's column, or an empty one
		}
		var err error
		if out.chunks[at], err = readChunk(c, index, base, f.columns[at].source == textPatient && f.columns[at].kind == kindText); err != nil {
			return group{}, fmt.Errorf("%w: column %s: %w", ErrDamaged, f.columns[at].name, err)
		}
	}
	if c, _ := out.chunk(f.columns, intNames[intTime]); len(c.pages) == 0 && out.rows > 0 {
		return group{}, fmt.Errorf("%w: rows without time", ErrDamaged)
	}
	return out, nil
}

func readChunk(c *format.ColumnChunk, index []byte, base int64, bounds bool) (chunk, error) {
	var offsets format.OffsetIndex
	var columns format.ColumnIndex
	o, n := c.OffsetIndexOffset-base, int64(c.OffsetIndexLength)
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, index[o:o+n], &offsets); err != nil {
		return chunk{}, err
	}
	o, n = c.ColumnIndexOffset-base, int64(c.ColumnIndexLength)
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, index[o:o+n], &columns); err != nil {
		return chunk{}, err
	}
	out := chunk{pages: make([]page, len(offsets.PageLocations))}
	for i, l := range offsets.PageLocations {
		p := page{offset: l.Offset, size: l.CompressedPageSize, first: int32(l.FirstRowIndex), nulls: columns.NullPages[i]}
		if bounds {
			p.min, p.max = string(columns.MinValues[i]), string(columns.MaxValues[i])
		}
		out.pages[i] = p
	}
	if d := c.MetaData.DictionaryPageOffset; d > 0 {
		out.dict = page{offset: d, size: int32(c.MetaData.DataPageOffset - d)}
	}
	return out, nil
}

// chunk finds a column by its name.
func (g *group) chunk(columns []column, name string) (*chunk, kind) {
	for i, c := range columns {
		if c.name == name {
			return &g.chunks[i], c.kind
		}
	}
	return &chunk{}, kindText
}

// end returns the row after the last one of a page.
func (g *group) end(c *chunk, p int) int32 {
	if p+1 < len(c.pages) {
		return c.pages[p+1].first
	}
	return g.rows
}

// A decoder reads pages. It belongs to one goroutine; what a vector shares
// with it is valid until the next page.
type decoder struct {
	zstd *zstd.Decoder
	raw  []byte
	data []byte
	dict vector
	page vector
	rle  rle.Encoding
	sub  []uint32 // dictionary number to table number
}

func newDecoder(z *zstd.Decoder) *decoder {
	return &decoder{zstd: z, rle: rle.Encoding{BitWidth: 1}}
}

// newInflater returns the decompressor that decoders share.
func newInflater() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPage))
}

// A vector is the decoded values of one page: those that are not null, one
// after the other.
type vector struct {
	n       int    // values of a dictionary
	levels  []byte // per row 1 or 0; nil: no nulls
	ids     []int32
	ints    []int64
	flags   []byte
	bytes   []byte
	offsets []uint32
	lvlbuf  []byte
}

func (v *vector) text(i int) []byte { return v.bytes[v.offsets[i]:v.offsets[i+1]] }
func (v *vector) uuid(i int) []byte { return v.bytes[16*i : 16*i+16] }
func (v *vector) flag(i int) bool   { return v.flags[i/8]>>(i%8)&1 == 1 }

func (d *decoder) read(f *file, p page) (*format.PageHeader, []byte, error) {
	if p.size <= 0 || p.size > maxPage || p.offset < 0 || p.offset+int64(p.size) > f.size {
		return nil, nil, fmt.Errorf("%w: page of %d bytes at %d", ErrDamaged, p.size, p.offset)
	}
	d.raw = slices.Grow(d.raw[:0], int(p.size))[:p.size]
	if _, err := f.r.ReadAt(d.raw, p.offset); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil, fmt.Errorf("%w: it is shorter than its index says", ErrDamaged)
		}
		return nil, nil, fmt.Errorf("read page: %w", err)
	}
	in := (&thrift.CompactProtocol{}).NewReaderFromBytes(d.raw)
	h := new(format.PageHeader)
	if err := thrift.NewDecoder(in).Decode(h); err != nil {
		return nil, nil, fmt.Errorf("%w: page header: %w", ErrDamaged, err)
	}
	body := d.raw[in.BytesRead():]
	if len(body) != int(h.CompressedPageSize) || crc32.ChecksumIEEE(body) != uint32(h.CRC) {
		return nil, nil, fmt.Errorf("%w: page checksum is wrong", ErrDamaged)
	}
	return h, body, nil
}

func (d *decoder) inflate(body []byte, size int32) ([]byte, error) {
	if size < 0 || size > maxPage {
		return nil, fmt.Errorf("%w: page of %d bytes", ErrDamaged, size)
	}
	var err error
	if d.data, err = d.zstd.DecodeAll(body, d.data[:0]); err != nil {
		return nil, fmt.Errorf("%w: decompress page: %w", ErrDamaged, err)
	}
	return d.data, nil
}

// readDict decodes the dictionary of a chunk into d.dict.
func (d *decoder) readDict(f *file, c *chunk, k kind) error {
	h, body, err := d.read(f, c.dict)
	if err != nil {
		return err
	}
	data, err := d.inflate(body, h.UncompressedPageSize)
	if err != nil {
		return err
	}
	d.dict.n = int(h.DictionaryPageHeader.V.NumValues)
	return d.dict.decode(&plain.Encoding{}, k, data, d.dict.n)
}

// readPage decodes one data page, which must have so many rows, into d.page.
func (d *decoder) readPage(f *file, p page, k kind, rows int32) error {
	h, body, err := d.read(f, p)
	if err != nil {
		return err
	}
	x, v := &h.DataPageHeaderV2.V, &d.page
	if !h.DataPageHeaderV2.Valid || x.NumRows != rows || x.NumValues != rows {
		return fmt.Errorf("%w: page of another kind or with other rows", ErrDamaged)
	}
	levels := body[:x.DefinitionLevelsByteLength]
	data, err := d.inflate(body[len(levels):], h.UncompressedPageSize)
	if err != nil {
		return err
	}
	v.levels = nil
	if x.NumNulls > 0 {
		if v.lvlbuf, err = d.rle.DecodeLevels(v.lvlbuf[:0], levels); err != nil {
			return fmt.Errorf("%w: levels: %w", ErrDamaged, err)
		}
		v.levels = v.lvlbuf[:x.NumRows]
	}
	n := int(x.NumValues - x.NumNulls)
	v.ids = v.ids[:0]
	if x.Encoding == format.RLEDictionary {
		v.ids, err = (&rle.DictionaryEncoding{}).DecodeInt32(v.ids, data)
		return damaged(err)
	}
	enc, err := encodingOf(x.Encoding)
	if err != nil {
		return err
	}
	return v.decode(enc, k, data, n)
}

func damaged(err error) error {
	if err != nil {
		return fmt.Errorf("%w: values: %w", ErrDamaged, err)
	}
	return nil
}

// A valueDecoder is the part of a Parquet encoding that lake files need.
type valueDecoder interface {
	DecodeBoolean(dst, src []byte) ([]byte, error)
	DecodeInt64(dst []int64, src []byte) ([]int64, error)
	DecodeByteArray(dst, src []byte, offsets []uint32) ([]byte, []uint32, error)
	DecodeFixedLenByteArray(dst, src []byte, size int) ([]byte, error)
}

func encodingOf(e format.Encoding) (valueDecoder, error) {
	switch e {
	case format.Plain:
		return &plain.Encoding{}, nil
	case format.RLE:
		return &rle.Encoding{BitWidth: 1}, nil
	case format.DeltaBinaryPacked:
		return &delta.BinaryPackedEncoding{}, nil
	case format.DeltaLengthByteArray:
		return &delta.LengthByteArrayEncoding{}, nil
	}
	return nil, fmt.Errorf("%w: values are encoded as %v", ErrDamaged, e)
}

func (v *vector) decode(e valueDecoder, k kind, data []byte, n int) (err error) {
	switch k {
	case kindText:
		v.bytes, v.offsets, err = e.DecodeByteArray(v.bytes[:0], data, slices.Grow(v.offsets[:0], n+1)[:n+1])
	case kindUUID:
		v.bytes, err = e.DecodeFixedLenByteArray(v.bytes[:0], data, 16)
	case kindFlag, kindState:
		v.flags, err = e.DecodeBoolean(v.flags[:0], data)
	default:
		v.ints, err = e.DecodeInt64(v.ints[:0], data)
	}
	return damaged(err)
}

// load appends rows of a group, in ascending order, to t. Only the columns
// for which want is true are filled; time is always.
func (d *decoder) load(f *file, g int, rows []int32, want func(column) bool, t *table) (err error) {
	defer guard(&err)
	grp := &f.groups[g]
	base := t.rows
	t.rows += len(rows)
	for _, first := range []bool{true, false} { // others count from time
		for i, c := range f.columns {
			isTime := c.kind == kindTime && c.source == intTime
			if isTime != first || !isTime && !want(c) || len(grp.chunks[i].pages) == 0 {
				continue
			}
			if same := grp.chunks[i].same; same != nil {
				t.repeat(c, same, base)
				continue
			}
			if err := d.loadColumn(f, grp, &grp.chunks[i], c, rows, t, base); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
	}
	return nil
}

// repeat gives all rows from base on the one value of same.
func (t *table) repeat(c column, same *vector, base int) {
	id := uint32(0)
	if c.kind == kindText {
		id = t.texts[c.source].intern(string(same.text(0)), unique(c.source))
	}
	for row := base; row < t.rows; row++ {
		switch c.kind {
		case kindText:
			t.texts[c.source].ids = put(t.texts[c.source].ids, row, id)
		case kindLag:
			t.setInt(c.source, row, same.ints[0]+t.int(intTime, row))
		default:
			t.setInt(c.source, row, same.ints[0])
		}
	}
}

func everything(column) bool { return true }

func (d *decoder) loadColumn(f *file, g *group, c *chunk, col column, rows []int32, t *table, base int) error {
	haveDict := false
	d.sub = d.sub[:0]
	for len(rows) > 0 {
		p := sort.Search(len(c.pages), func(i int) bool { return c.pages[i].first > rows[0] }) - 1
		end := g.end(c, p)
		n := sort.Search(len(rows), func(i int) bool { return rows[i] >= end })
		if n == 0 {
			return fmt.Errorf("%w: page index out of order", ErrDamaged)
		}
		if !c.pages[p].nulls {
			if err := d.readPage(f, c.pages[p], col.kind, end-c.pages[p].first); err != nil {
				return err
			}
			if len(d.page.ids) > 0 && !haveDict {
				if err := d.readDict(f, c, col.kind); err != nil {
					return err
				}
				haveDict = true
			}
			d.move(col, rows[:n], c.pages[p].first, t, base)
		}
		rows, base = rows[n:], base+n
	}
	return nil
}

// move copies the values of rows from the present page to t.
func (d *decoder) move(col column, rows []int32, first int32, t *table, base int) {
	v := &d.page
	done, pos := int32(0), 0 // rows of the page counted, values among them
	for i, row := range rows {
		at := row - first
		if v.levels == nil {
			pos = int(at)
		} else {
			pos += bytes.Count(v.levels[done:at], []byte{1})
			done = at
			if v.levels[at] == 0 {
				continue
			}
		}
		switch col.kind {
		case kindText:
			d.moveText(&t.texts[col.source], base+i, pos, unique(col.source))
		case kindUUID:
			t.texts[col.source].set(base+i, uuidText(v.uuid(pos)), true)
		default:
			t.setInt(col.source, base+i, d.number(col, pos, t, base+i))
		}
	}
}

func (d *decoder) number(col column, pos int, t *table, row int) int64 {
	v := &d.page
	switch col.kind {
	case kindFlag:
		return 1
	case kindState:
		return 1 + truth(v.flag(pos))
	}
	n := d.value(pos)
	if col.kind == kindLag {
		n += t.int(intTime, row)
	}
	return n
}

func (d *decoder) moveText(c *texts, row, pos int, unique bool) {
	v := &d.page
	if len(v.ids) == 0 {
		c.set(row, string(v.text(pos)), unique)
		return
	}
	id := v.ids[pos]
	if len(d.sub) == 0 {
		n := len(d.dict.offsets)
		d.sub = slices.Grow(d.sub[:0], n)[:n]
		clear(d.sub)
	}
	if d.sub[id] == 0 {
		d.sub[id] = c.intern(string(d.dict.text(int(id))), unique)
	}
	c.ids = put(c.ids, row, d.sub[id])
}

// visit calls fn for each value of a column that is not null, with its row
// in the group and its position in the present page.
func (d *decoder) visit(f *file, g int, name string, fn func(row int32, pos int)) error {
	c, k := f.groups[g].chunk(f.columns, name)
	return d.visitPages(f, g, c, k, func(*page) bool { return true }, fn)
}

func (d *decoder) visitPages(f *file, g int, c *chunk, k kind, want func(*page) bool, fn func(row int32, pos int)) error {
	haveDict := false
	for i := range c.pages {
		p := &c.pages[i]
		if p.nulls || !want(p) {
			continue
		}
		end := f.groups[g].end(c, i)
		if err := d.readPage(f, *p, k, end-p.first); err != nil {
			return err
		}
		if len(d.page.ids) > 0 && !haveDict {
			if err := d.readDict(f, c, k); err != nil {
				return err
			}
			haveDict = true
		}
		pos := 0
		for row := p.first; row < end; row++ {
			if d.page.levels != nil && d.page.levels[row-p.first] == 0 {
				continue
			}
			fn(row, pos)
			pos++
		}
	}
	return nil
}

// value and text are the value at a position of the present page.
func (d *decoder) value(pos int) int64 {
	if len(d.page.ids) > 0 {
		return d.dict.ints[d.page.ids[pos]]
	}
	return d.page.ints[pos]
}

func (d *decoder) text(pos int) []byte {
	if len(d.page.ids) > 0 {
		return d.dict.text(int(d.page.ids[pos]))
	}
	return d.page.text(pos)
}
