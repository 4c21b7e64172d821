package evidence

import (
	"database/sql"
	"fmt"
	"io/fs"
	"math"
	"slices"
)

const (
	recordPage     = 1000
	waitingAllowed = 20000 // rows that a crash can keep out of the log
)

// recordRun goes through the rows in order, beside the entries about them.
type recordRun struct {
	*verifier
	next    int64 // row that is due
	from    int64 // row to read from: below 1 for what was smuggled in
	at      int   // entry of book.rows that it belongs to
	leaves  []Hash
	whole   bool  // every row of that entry was good
	stopped int64 // last row when the server stopped in good order; -1 unknown
	missing []int64
}

// checkRecords holds every row of the table records against the log.
func (v *verifier) checkRecords() error {
	run := &recordRun{verifier: v, next: 1, from: math.MinInt64, whole: true, stopped: -1}
	if text, err := fs.ReadFile(v.src.Log, StoppedFile); err == nil {
		if row, ok := readStopped(text, v.key); ok {
			run.stopped = row
		}
	}
	for {
		list, err := run.page()
		if err != nil {
			return err
		}
		for i := range list {
			run.record(&list[i])
		}
		v.progress(Progress{"records", run.next - 1, max(v.book.row, run.next-1)})
		if len(list) < recordPage {
			break
		}
	}
	for ; run.next <= v.book.row; run.next++ {
		run.absent(run.next)
	}
	if n := v.report.WaitingRecords; n > 0 {
		v.note(say("The server did not stop in good order, or is running: the last %d records are not in the log yet. Start it, and they will be.",
			"系统未正常停止或正在运行：最后 %d 条记录尚未写入日志。启动后会写入。", n))
	}
	if v.report.WaitingRecords > waitingAllowed {
		v.faults.add(Fault{Code: "records-unlogged", rank: rankRecord, Row: v.book.row + 1,
			Text: say("%d records from row %d on are not in the log: the log was truncated, or the records were added", "自第 %[2]d 行起有 %[1]d 条记录不在日志中：日志被截断，或记录是后来添加的", v.report.WaitingRecords, v.book.row+1)})
	}
	return run.versions()
}

func (r *recordRun) page() (list []SaltedRecord, err error) {
	err = r.src.DB.View(r.ctx, func(tx *sql.Tx) error {
		list, err = saltedRecords(tx, "n >= $1 ORDER BY n LIMIT $2", r.from, recordPage)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return list, nil
}

func (r *recordRun) record(rec *SaltedRecord) {
	for ; r.next < rec.Row; r.next++ {
		r.absent(r.next)
	}
	r.next, r.from = max(r.next, rec.Row+1), rec.Row+1
	if rec.Row > r.book.row && r.stopped >= 0 && rec.Row > r.stopped {
		r.recordFault(rec, "record-added", "record %s was added after the server had stopped (row %d)", "记录 %s 是在系统停止之后添加的（第 %d 行）")
		return
	}
	if rec.Row > r.book.row {
		r.report.WaitingRecords++
		return
	}
	if rec.Row < 1 {
		r.recordFault(rec, "record-added", "record %s was added (row %d)", "记录 %s 是后来添加的（第 %d 行）")
		return
	}
	r.report.Records++
	e := r.entryOf(rec.Row)
	if e == nil {
		return // the hole in the log is a fault already
	}
	leaf, ok := rec.leaf()
	switch {
	case !ok && r.book.erased[rec.Row]:
		r.report.ErasedRecords++
		r.whole = false
	case !ok:
		r.recordFault(rec, "record-salt", "record %s (row %d) lost its salt, and no entry of the log says that it was erased", "记录 %s（第 %d 行）的盐缺失，且日志中没有销毁它的条目")
		r.whole = false
	case string(leaf[:TagSize]) != string(e.Tag(int(rec.Row-e.First))):
		r.recordFault(rec, "record-changed", "record %s (row %d) was changed", "记录 %s（第 %d 行）被更改")
		r.whole = false
	}
	r.leaves = append(r.leaves, leaf)
	if rec.Row == e.Last {
		r.endEntry(e)
	}
}

// entryOf finds the entry about a row, moving forward.
func (r *recordRun) entryOf(row int64) *Entry {
	for r.at < len(r.book.rows) && r.book.rows[r.at].Last < row {
		r.at++
		r.leaves, r.whole = r.leaves[:0], true
	}
	if r.at == len(r.book.rows) || r.book.rows[r.at].First > row {
		return nil
	}
	return r.book.rows[r.at]
}

func (r *recordRun) endEntry(e *Entry) {
	if r.whole && len(r.leaves) == e.N && Root(r.leaves) != Hash(e.Root) {
		r.faults.add(Fault{Code: "batch-root", Row: e.First, rank: rankRecord,
			Text: say("the record rows %d to %d do not give their root", "记录第 %d 至 %d 行与其根不符", e.First, e.Last)})
	}
	r.leaves, r.whole = r.leaves[:0], true
}

func (r *recordRun) absent(row int64) {
	r.missing = append(r.missing, row)
	r.whole = false
}

// recordFault adds a fault whose text begins with record and row.
func (r *recordRun) recordFault(rec *SaltedRecord, code, en, zh string) {
	name := recordName(rec.Kind, rec.ID, rec.Version)
	r.faults.add(Fault{Code: code, Record: name, Row: rec.Row, rank: rankRecord, Text: say(en, zh, name, rec.Row)})
}

func recordName(kind, id string, version int) string {
	return fmt.Sprintf("%s %s version %d", kind, id, version)
}

// versions checks that each record has all its versions and that the newest
// alone is marked as such. Rows that are missing get their names here, where
// the versions around them tell.
func (r *recordRun) versions() error {
	var odd [][2]string
	err := r.src.DB.View(r.ctx, func(tx *sql.Tx) (err error) {
		odd, err = queryPairs(tx, `SELECT kind, id FROM records GROUP BY kind, id
			HAVING count(*) <> max(version) OR sum(latest) <> 1 OR max(version) <> max(CASE WHEN latest = 1 THEN version ELSE 0 END)
			ORDER BY min(n)`)
		return err
	})
	if err != nil {
		return fmt.Errorf("read versions of records: %w", err)
	}
	for _, name := range odd {
		if err := r.oddRecord(name[0], name[1]); err != nil {
			return err
		}
	}
	for _, row := range r.missing {
		r.faults.add(Fault{Code: "record-missing", Row: row, rank: rankRecord,
			Text: say("record row %d is missing", "记录第 %d 行缺失", row)})
	}
	return nil
}

func queryPairs(tx *sql.Tx, query string) ([][2]string, error) {
	rows, err := tx.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list [][2]string
	for rows.Next() {
		var p [2]string
		if err := rows.Scan(&p[0], &p[1]); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// oddRecord says what is wrong with the versions of one record.
func (r *recordRun) oddRecord(kind, id string) error {
	var list []SaltedRecord
	err := r.src.DB.View(r.ctx, func(tx *sql.Tx) (err error) {
		list, err = saltedRecords(tx, "kind = $1 AND id = $2 ORDER BY version", kind, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("read versions of a record: %w", err)
	}
	due, after := 1, int64(0)
	for i := range list {
		rec := &list[i]
		for ; due < rec.Version; due++ {
			r.lostVersion(kind, id, due, after, rec.Row)
		}
		due, after = rec.Version+1, rec.Row
		if rec.Latest != (i == len(list)-1) {
			r.recordFault(rec, "record-latest", "the mark of the newest version is wrong at record %s (row %d)", "记录 %s（第 %d 行）的最新版本标记有误")
		}
	}
	return nil
}

// lostVersion gives a missing row its name: it stood between the versions
// around it.
func (r *recordRun) lostVersion(kind, id string, version int, after, before int64) {
	name := recordName(kind, id, version)
	i := slices.IndexFunc(r.missing, func(row int64) bool { return after < row && row < before })
	if i < 0 {
		r.faults.add(Fault{Code: "record-missing", Record: name, Row: before, rank: rankRecord,
			Text: say("record %s is missing", "记录 %s 缺失", name)})
		return
	}
	row := r.missing[i]
	r.missing = slices.Delete(r.missing, i, i+1)
	r.faults.add(Fault{Code: "record-missing", Record: name, Row: row, rank: rankRecord,
		Text: say("record %s (row %d) is missing", "记录 %s（第 %d 行）缺失", name, row)})
}
