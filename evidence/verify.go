package evidence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// Source is where [Verify] finds what it checks.
type Source struct {
	// Log is the folder of the log.
	Log fs.FS
	// Key is the verifier key, from a place that whoever may have changed the
	// folder cannot reach. Empty takes the folder's own, and the report says so.
	Key string
	// WitnessKey demands the signature of this witness on the checkpoint.
	WitnessKey string
	// Checkpoints are signed checkpoints that were kept elsewhere; the log must
	// contain what they signed.
	Checkpoints []string
	// DB is the store: records, salt keys, remembered heads. Without it only the
	// log and the digests of files are checked.
	DB *store.DB
	// Manifest lists the files that the lake believes to have; nil when that is
	// not known.
	Manifest func(context.Context) ([]FileMark, error)
	// File opens a file of the lake, and Rows reads its events in the file's
	// order. Without them no file is checked.
	File func(ctx context.Context, name string) (File, error)
	Rows func(r io.ReaderAt, size int64) iter.Seq2[Row, error]
}

// Row is an event and its place in the stream, as the lake keeps it.
type Row struct {
	Event *ocsf.Event
	Seq   uint64
	Index uint32
}

// File is an open file of the lake.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Progress says how far a verification is.
type Progress struct {
	// Step is "log", "files" or "records".
	Step string
	// Done and Total count entries, files or rows.
	Done, Total int64
}

// Verify checks everything in src against the log, and the log against its
// signature. It changes nothing, and may run beside the server. What it finds
// is in the report; the error says that it could not be done.
func Verify(ctx context.Context, src Source, progress func(Progress)) (Report, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	v := &verifier{src: src, tiles: tiles{src.Log}, progress: progress, ctx: ctx}
	err := v.run()
	v.faults.settle(&v.report)
	if err != nil {
		return v.report, fmt.Errorf("verify: %w", err)
	}
	return v.report, nil
}

// verifier is one run of Verify.
type verifier struct {
	ctx      context.Context // of this run
	src      Source
	tiles    tiles
	progress func(Progress)
	key      note.Verifier
	head     Head
	book     statement
	report   Report
	faults   faults
}

func (v *verifier) run() error {
	if ok, err := v.checkCheckpoint(); !ok || err != nil {
		return err
	}
	if err := v.readLog(); err != nil {
		return err
	}
	if v.src.DB != nil {
		if err := v.readStore(); err != nil {
			return err
		}
	}
	if v.src.File != nil && v.src.Rows != nil {
		if err := v.checkFiles(); err != nil {
			return err
		}
	}
	if v.src.DB != nil {
		return v.checkRecords()
	}
	return nil
}

// checkCheckpoint verifies the signatures; without them nothing else counts.
func (v *verifier) checkCheckpoint() (ok bool, err error) {
	key := strings.TrimSpace(v.src.Key)
	v.report.KeyGiven = key != ""
	if key == "" {
		own, err := fs.ReadFile(v.src.Log, PublicKeyFile)
		if err != nil {
			return false, fmt.Errorf("no public key was given and the folder has none: %w", err)
		}
		key = strings.TrimSpace(string(own))
		v.note(say("The public key was taken from the folder itself. Somebody who changed everything could have changed it too: compare it with one you were given before.",
			"公钥取自该目录本身。能改动一切的人也能改动公钥：请与您先前得到的公钥比对。"))
	}
	if v.key, err = note.NewVerifier(key); err != nil {
		return false, fmt.Errorf("the public key cannot be read: %w", err)
	}
	v.report.Key, v.report.Origin = key, v.key.Name()
	text, err := fs.ReadFile(v.src.Log, checkpointFile)
	if errors.Is(err, fs.ErrNotExist) {
		v.logFault("checkpoint-missing", -1, "the checkpoint of the log is missing", "日志的检查点缺失")
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read checkpoint: %w", err)
	}
	if v.head, err = openNote(text, v.key); err != nil {
		v.logFault("checkpoint-signature", -1, "the checkpoint of the log is not signed by the key of %s", "日志的检查点不是由 %s 的密钥签名的", v.key.Name())
		return false, nil
	}
	v.report.Size, v.report.Root = v.head.Size, v.head.Root[:]
	return true, v.checkWitness()
}

func (v *verifier) checkWitness() error {
	if v.src.WitnessKey == "" {
		return nil
	}
	w, err := witnessVerifier(strings.TrimSpace(v.src.WitnessKey))
	if err != nil {
		return err
	}
	if v.report.Witnessed = cosigned(v.head.Note, w); !v.report.Witnessed {
		v.logFault("witness-missing", -1, "the checkpoint is not cosigned by the witness %s", "检查点没有见证方 %s 的联署", w.Name())
	}
	return nil
}

func (v *verifier) logFault(code string, entry int64, en, zh string, args ...any) {
	v.faults.add(Fault{Code: code, Text: say(en, zh, args...), Entry: entry, rank: rankLog})
}

func (v *verifier) note(t ocsf.Text) {
	v.report.Notes = append(v.report.Notes, t)
}

// readStore reads what the store says about files, keys and heads.
func (v *verifier) readStore() error {
	err := v.src.DB.View(v.ctx, func(tx *sql.Tx) error {
		if err := v.readWaitingMarks(tx); err != nil {
			return err
		}
		return v.readKeys(tx)
	})
	if v.book.waiting > 0 {
		v.note(say("%d statements about files, removals or erasures are on their way into the log and prove nothing yet.",
			"%d 条关于文件、删除或销毁的声明尚未进入日志，暂不能作为证明。", v.book.waiting))
	}
	return err
}

func (v *verifier) readKeys(tx *sql.Tx) error {
	for id, use := range v.book.keys {
		key, err := readSaltKey(tx, id)
		switch {
		case use.erased:
			continue
		case err == nil && keySum(key) == use.sum:
			use.key = key
		case err == nil:
			v.logFault("salt-key", use.entry, "the salt key of %s was changed", "%s 的盐密钥被更改", id)
		case errors.Is(err, errErased) || errors.Is(err, fs.ErrNotExist):
			v.logFault("salt-key", use.entry, "the salt key of %s is missing, and no entry of the log says that it was erased", "%s 的盐密钥缺失，且日志中没有销毁它的条目", id)
		default:
			return fmt.Errorf("read salt key %s: %w", id, err)
		}
	}
	return nil
}

// readWaitingMarks takes marks into account that a stopped server did not
// bring into the log yet.
func (v *verifier) readWaitingMarks(tx *sql.Tx) error {
	rows, err := tx.Query("SELECT n, kind, body FROM evidence_marks WHERE n > $1 ORDER BY n", v.book.mark)
	if err != nil {
		return fmt.Errorf("read waiting marks: %w", err)
	}
	defer rows.Close()
	v.book.waiting = 0
	for rows.Next() {
		e := &Entry{Form: entryForm}
		var body []byte
		if err := rows.Scan(&e.Mark, &e.Kind, &body); err != nil {
			return fmt.Errorf("read waiting marks: %w", err)
		}
		if err := e.setMark(body); err != nil {
			continue // not in the log, so it states nothing
		}
		v.book.state(e, -1, true)
		v.book.waiting++
	}
	return rows.Err()
}

// readLaterMarks takes marks into account that came after the log was read.
// What cannot be read any more was not needed for what is signed.
func (v *verifier) readLaterMarks(from uint64) error {
	if head, err := v.tiles.checkpoint(v.key); err == nil {
		_ = v.tiles.scan(from, head.Size, func(_ uint64, data []byte) error {
			if e, err := DecodeEntry(data); err == nil && e.Mark > 0 {
				v.book.state(e, -1, true)
			}
			return nil
		})
	}
	return v.src.DB.View(v.ctx, v.readWaitingMarks)
}
