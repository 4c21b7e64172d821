package evidence

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"

	"github.com/cordon-health/cordon/ocsf"
)

const treeStateFile = ".state/treeState"

// anchor is a signed checkpoint that the log must contain.
type anchor struct {
	Head
	where ocsf.Text // it was kept
}

// mismatch is an entry whose hash is not the one in its tile.
type mismatch struct {
	index      uint64
	have, tile Hash
}

// rebuild is the tree made anew from the entries.
type rebuild struct {
	tree       *compact.Range
	anchors    []anchor // by size
	full       []Hash   // roots of the full tiles of the level below
	mismatches []mismatch
}

// readLog rebuilds the tree, compares it with tiles, checkpoint and anchors,
// and gathers what the entries state.
func (v *verifier) readLog() error {
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r := &rebuild{tree: factory.NewEmptyRange(0)}
	var err error
	if r.anchors, err = v.anchors(); err != nil {
		return err
	}
	v.book = newStatement()
	if ok, err := v.readBundles(r); !ok || err != nil {
		return err
	}
	if ok, err := v.compareRoot(r); !ok || err != nil {
		return err
	}
	v.upperTiles(r.full)
	v.readTail(r)
	return nil
}

// readBundles reads all signed entries; it stops at the first that is missing.
func (v *verifier) readBundles(r *rebuild) (ok bool, err error) {
	for b := uint64(0); b*bundleWidth < v.head.Size; b++ {
		if err := v.ctx.Err(); err != nil {
			return false, err
		}
		entries, err := v.tiles.bundle(b, v.head.Size)
		if err != nil {
			v.logFault("entries-damaged", int64(b*bundleWidth), "entries %d and following of the log are missing or damaged", "日志自第 %d 条起缺失或损坏", b*bundleWidth)
			return false, nil
		}
		tile := v.tileOf(0, b, len(entries))
		leaves := make([]Hash, len(entries))
		for i, data := range entries {
			index := b*bundleWidth + uint64(i)
			leaves[i] = Hash(rfc6962.DefaultHasher.HashLeaf(data))
			if err := v.addLeaf(r, index, leaves[i]); err != nil {
				return false, err
			}
			if tile != nil && tile[i] != leaves[i] {
				r.mismatches = append(r.mismatches, mismatch{index, leaves[i], tile[i]})
				continue
			}
			v.readEntry(index, data, false)
		}
		if len(leaves) == bundleWidth {
			r.full = append(r.full, Root(leaves))
		}
		v.progress(Progress{"log", int64(b*bundleWidth) + int64(len(entries)), int64(v.head.Size)})
	}
	return true, nil
}

// tileOf reads the n hashes of a tile; nil when it is not there, which is a
// fault of its own.
func (v *verifier) tileOf(level, index uint64, n int) []Hash {
	p := uint8(n % layout.TileWidth)
	data, err := v.tiles.readTile(v.ctx, level, index, p)
	if err != nil || len(data) < n*32 {
		v.logFault("tile-missing", int64(index*layout.TileWidth), "tile %d of level %d is missing or damaged", "第 %[2]d 层的第 %[1]d 个瓦片缺失或损坏", index, level)
		return nil
	}
	list := make([]Hash, n)
	for i := range list {
		list[i] = Hash(data[i*32 : i*32+32])
	}
	return list
}

// addLeaf grows the tree by one and compares it with anchors of that size.
func (v *verifier) addLeaf(r *rebuild, index uint64, leaf Hash) error {
	if err := r.tree.Append(leaf[:], nil); err != nil {
		return fmt.Errorf("rebuild tree: %w", err)
	}
	for len(r.anchors) > 0 && r.anchors[0].Size == index+1 {
		root, err := r.tree.GetRootHash(nil)
		if err != nil {
			return fmt.Errorf("rebuild tree: %w", err)
		}
		if a := r.anchors[0]; Hash(root) != a.Root {
			v.logFault("history-changed", int64(index), "the first %d entries of the log are not those of %s", "日志的前 %d 条不是%s所签名的内容", a.Size, a.where)
		}
		r.anchors = r.anchors[1:]
	}
	return nil
}

// compareRoot holds the rebuilt tree against the signed root. When they agree,
// differing tiles are what was changed; otherwise it is the entries.
func (v *verifier) compareRoot(r *rebuild) (ok bool, err error) {
	for _, a := range r.anchors {
		v.logFault("rolled-back", int64(v.head.Size), "the log was rolled back or truncated: it has %d signed entries, but %s has %d", "日志被回滚或截断：现有 %d 条已签名，而%s有 %d 条", v.head.Size, a.where, a.Size)
	}
	root := rfc6962.DefaultHasher.EmptyRoot()
	if v.head.Size > 0 {
		if root, err = r.tree.GetRootHash(nil); err != nil {
			return false, fmt.Errorf("rebuild tree: %w", err)
		}
	}
	ok = Hash(root) == v.head.Root
	for _, m := range r.mismatches {
		v.faults.add(m.fault(r.mismatches, ok))
	}
	if !ok && len(r.mismatches) == 0 {
		v.logFault("root", -1, "the %d entries of the log do not give the signed root: the log was rewritten", "日志的 %d 条内容与签名的根不符：日志被改写", v.head.Size)
	}
	if !ok {
		v.note(say("Events and records were not checked, because the log itself is broken.", "由于日志本身已损坏，未检查事件和记录。"))
	}
	return ok, nil
}

func (m mismatch) fault(all []mismatch, tileChanged bool) Fault {
	f := Fault{Code: "entry-changed", Entry: int64(m.index), rank: rankLog,
		Text: say("entry %d of the log was changed", "日志的第 %d 条被更改", m.index)}
	if tileChanged {
		f.Code, f.Text = "tile-changed", say("the tile with the hash of entry %d was changed", "含第 %d 条哈希的瓦片被更改", m.index)
		return f
	}
	for _, o := range all {
		if o.index != m.index && m.have == o.tile {
			f.Code, f.Text = "entry-moved", say("entry %d of the log stands in the place of entry %d", "日志的第 %d 条被移到第 %d 条的位置", o.index, m.index)
		}
	}
	return f
}

// upperTiles compares the tiles above the lowest level.
func (v *verifier) upperTiles(below []Hash) {
	for level := uint64(1); len(below) > 0; level++ {
		var full []Hash
		for start := 0; start < len(below); start += layout.TileWidth {
			want := below[start:min(start+layout.TileWidth, len(below))]
			index := uint64(start / layout.TileWidth)
			tile := v.tileOf(level, index, len(want))
			if tile != nil && !slices.Equal(tile, want) {
				v.logFault("tile-changed", int64(index), "tile %d of level %d was changed", "第 %[2]d 层的第 %[1]d 个瓦片被更改", index, level)
			}
			if len(want) == layout.TileWidth {
				full = append(full, Root(slices.Clone(want)))
			}
		}
		below = full
	}
}

// readTail reads entries which were written but not signed when the server
// stopped. They prove nothing, but explain what is stored already.
func (v *verifier) readTail(r *rebuild) {
	var state struct {
		Size uint64 `json:"size"`
		Root []byte `json:"root"`
	}
	data, err := fs.ReadFile(v.src.Log, treeStateFile)
	if err != nil || json.Unmarshal(data, &state) != nil || state.Size <= v.head.Size {
		return
	}
	var list [][]byte
	err = v.tiles.scan(v.head.Size, state.Size, func(_ uint64, data []byte) error {
		list = append(list, data)
		return r.tree.Append(rfc6962.DefaultHasher.HashLeaf(data), nil)
	})
	if err != nil {
		return
	}
	if root, err := r.tree.GetRootHash(nil); err != nil || !bytes.Equal(root, state.Root) {
		return
	}
	for i, data := range list {
		v.readEntry(v.head.Size+uint64(i), data, true)
	}
	v.report.Unsigned = int64(len(list))
	v.note(say("%d entries at the end are not signed yet; the server signs them when it runs.", "末尾有 %d 条尚未签名；服务器运行时会签名。", len(list)))
}

// anchors gathers the checkpoints that were kept: given ones, the head file,
// and those in the store.
func (v *verifier) anchors() ([]anchor, error) {
	var list []anchor
	for _, text := range v.src.Checkpoints {
		h, err := openNote([]byte(text), v.key)
		if err != nil {
			return nil, fmt.Errorf("a given checkpoint does not belong to this log: %w", err)
		}
		list = append(list, anchor{h, ocsf.Text{EN: "a checkpoint kept elsewhere", ZH: "另行保存的检查点"}})
	}
	text, err := fs.ReadFile(v.src.Log, HeadFile)
	if err == nil {
		list = v.addAnchor(list, string(text), ocsf.Text{EN: "the remembered head", ZH: "记住的日志头"})
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read remembered head: %w", err)
	}
	if list, err = v.storedAnchors(list); err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b anchor) int { return int(min(a.Size, 1<<62)) - int(min(b.Size, 1<<62)) })
	for len(list) > 0 && list[0].Size == 0 {
		list = list[1:] // an empty log is part of every log
	}
	return list, nil
}

func (v *verifier) storedAnchors(list []anchor) ([]anchor, error) {
	if v.src.DB == nil {
		return list, nil
	}
	err := v.src.DB.View(v.ctx, func(tx *sql.Tx) error {
		rows, err := tx.Query("SELECT note FROM evidence_heads ORDER BY size")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			list = v.addAnchor(list, text, ocsf.Text{EN: "a head remembered in the store", ZH: "数据库中记住的日志头"})
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read remembered heads: %w", err)
	}
	return list, nil
}

func (v *verifier) addAnchor(list []anchor, text string, where ocsf.Text) []anchor {
	h, err := openNote([]byte(text), v.key)
	if err != nil {
		v.faults.add(Fault{Code: "head-signature", rank: rankLog, Text: say("%s is not signed by this key", "%s不是由该密钥签名的", where)})
		return list
	}
	return append(list, anchor{h, where})
}
