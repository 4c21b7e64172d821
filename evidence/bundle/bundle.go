// Package bundle puts everything about one case into one file that a person
// can read and anybody can verify with nothing but the log's public key.
//
// A bundle is a ZIP file with these members, in this order:
//
//	README.txt      what this is and how to verify it
//	index.html      the case for readers: who, which patient, when, why, what
//	                was done; Chinese and English, no scripts, printable
//	case.json       the ids of the case and the numbers of what is inside
//	events.ndjson   {"seq","index","event","explanation","proof"} a line; event
//	                is the canonical JSON whose hash is in the log, explanation
//	                what the product said about it when it was stored
//	records.ndjson  {"row","kind","id",...,"body","proof"} a line, body as a string:
//	                findings, decisions, actions in all their versions
//	log.json        the signed checkpoint of the log and, with their inclusion
//	                proofs, the entries that the proofs above refer to
//	evidence.pub    the public key, for comparison
//	manifest.json   the SHA-256 of every member above
//	manifest.sig    a C2SP signed note by the log's key over manifest.json:
//	                "cordon-bundle/v1", the origin, and the hash in hex, a line each
//
// The log proves when and how events and records were fixed (see package
// evidence); the signature over the manifest proves that explanations, page
// and selection are what the server exported. The ZIP is written without
// compression and in exactly one possible way, so that every byte of the file
// is covered: [Verify] names the member, and inside it the event or record,
// that differs.
//
// The package owns no table and no file. It does not decide who may export,
// and does not encrypt: a bundle holds patient ids, so treat it as such.
package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// The members of a bundle.
const (
	readmeName   = "README.txt"
	pageName     = "index.html"
	caseName     = "case.json"
	eventsName   = "events.ndjson"
	recordsName  = "records.ndjson"
	logName      = "log.json"
	keyName      = "evidence.pub"
	manifestName = "manifest.json"
	sealName     = "manifest.sig"

	form = "cordon-bundle/v1"
)

// Log is what a bundle is made from; *evidence.Log is one.
type Log interface {
	Sync(ctx context.Context) error
	Prover() *evidence.Prover
	SignNote(text string) (string, error)
	PublicKey() string
	Origin() string
	History(ctx context.Context, kind, id string) ([]evidence.Record, error)
}

var _ Log = (*evidence.Log)(nil)

// Input is what goes into a bundle.
type Input struct {
	// Incident is the case, as read from the log.
	Incident evidence.Record
	// Records are all that belongs to it (findings, decisions, actions, answers,
	// sign-offs), as read from the log; their other versions are added, and so
	// are those of Incident.
	Records []evidence.Record
	// Events are the events it rests on, with their explanations.
	Events []evidence.Row
	// Batch reads all events of a batch that are stored, so that proofs are
	// full ones; nil leaves them at the 8 bytes of the tags.
	Batch func(ctx context.Context, seq uint64) ([]evidence.Row, error)
	// Made is the time of the export, in ms.
	Made int64
	// Lang is the language that comes first on the page, "zh" or "en".
	Lang string
	// Sentence says an explanation in a language; nil prints its kind.
	Sentence func(x ocsf.Explanation, lang string) string
	// Describe says what a record is about; nil, or an empty text, prints its
	// columns.
	Describe func(r evidence.Record) ocsf.Text
	// Name is a person's name for an id; nil prints ids alone.
	Name func(person string) string
}

// eventLine is a line of events.ndjson.
type eventLine struct {
	Seq         uint64             `json:"seq"`
	Index       uint32             `json:"index"`
	Event       json.RawMessage    `json:"event"`
	Explanation *ocsf.Explanation  `json:"explanation,omitempty"`
	Proof       evidence.ItemProof `json:"proof"`
}

// recordLine is a line of records.ndjson.
type recordLine struct {
	Row     int64              `json:"row"`
	Kind    string             `json:"kind"`
	ID      string             `json:"id"`
	Version int                `json:"version"`
	Time    int64              `json:"time"`
	Person  string             `json:"person,omitempty"`
	Patient string             `json:"patient,omitempty"`
	Status  string             `json:"status,omitempty"`
	Ref     string             `json:"ref,omitempty"`
	Score   float64            `json:"score"`
	Body    string             `json:"body"`
	Proof   evidence.ItemProof `json:"proof"`
}

func lineOf(r evidence.Record, p evidence.ItemProof) recordLine {
	return recordLine{Row: r.Row, Kind: r.Kind, ID: r.ID, Version: r.Version, Time: r.Time, Person: r.Person,
		Patient: r.Patient, Status: r.Status, Ref: r.Ref, Score: r.Score, Body: string(r.Body), Proof: p}
}

func (l recordLine) record() evidence.Record {
	return evidence.Record{Row: l.Row, Kind: l.Kind, ID: l.ID, Version: l.Version, Time: l.Time, Person: l.Person,
		Patient: l.Patient, Status: l.Status, Ref: l.Ref, Score: l.Score, Body: []byte(l.Body)}
}

// logPart is log.json.
type logPart struct {
	Checkpoint string                `json:"checkpoint"`
	Entries    []evidence.EntryProof `json:"entries"`
}

// casePart is case.json.
type casePart struct {
	Form    string `json:"form"`
	Origin  string `json:"origin"`
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Version int    `json:"version"`
	Made    int64  `json:"made"`
	Events  int    `json:"events"`
	Records int    `json:"records"`
}

// manifestPart is manifest.json.
type manifestPart struct {
	Form  string        `json:"form"`
	Files []manifestRow `json:"files"`
}

type manifestRow struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	// Lines are the hashes of the lines of an NDJSON member.
	Lines []string `json:"lines,omitempty"`
}

// Export writes the bundle of a case to w.
func Export(ctx context.Context, w io.Writer, log Log, in Input) error {
	if err := export(ctx, w, log, in); err != nil {
		return fmt.Errorf("export case: %w", err)
	}
	return nil
}

func export(ctx context.Context, w io.Writer, log Log, in Input) error {
	if err := log.Sync(ctx); err != nil {
		return err
	}
	prover := log.Prover()
	events, err := proveEvents(ctx, prover, in)
	if err != nil {
		return err
	}
	records, err := proveRecords(ctx, log, prover, in)
	if err != nil {
		return err
	}
	files, err := members(log, prover, in, events, records)
	if err != nil {
		return err
	}
	return writeZip(w, files)
}

// members makes all members, the manifest and its signature last.
func members(log Log, prover *evidence.Prover, in Input, events []eventLine, records []recordLine) ([]member, error) {
	about := casePart{Form: form, Origin: log.Origin(), Kind: in.Incident.Kind, ID: in.Incident.ID,
		Made: in.Made, Events: len(events), Records: len(records)}
	for _, r := range records {
		if r.Kind == about.Kind && r.ID == about.ID {
			about.Version = max(about.Version, r.Version)
		}
	}
	page, err := page(in, about, prover.Head(), events, records)
	if err != nil {
		return nil, err
	}
	parts := encoder{}
	parts.add(readmeName, []byte(readme(about)))
	parts.add(pageName, page)
	parts.json(caseName, about)
	lines(&parts, eventsName, events)
	lines(&parts, recordsName, records)
	parts.json(logName, logPart{Checkpoint: prover.Head().Note, Entries: prover.Entries()})
	parts.add(keyName, []byte(log.PublicKey()+"\n"))
	parts.json(manifestName, manifestOf(parts.list))
	if parts.err != nil {
		return nil, parts.err
	}
	seal, err := log.SignNote(sealText(about.Origin, parts.list[len(parts.list)-1].data))
	if err != nil {
		return nil, err
	}
	parts.add(sealName, []byte(seal))
	return parts.list, nil
}

func manifestOf(list []member) manifestPart {
	m := manifestPart{Form: form}
	for _, f := range list {
		row := manifestRow{Name: f.name, SHA256: sumOf(f.data), Size: int64(len(f.data))}
		if strings.HasSuffix(f.name, ".ndjson") {
			for _, text := range splitLines(f.data) {
				row.Lines = append(row.Lines, sumOf(text))
			}
		}
		m.Files = append(m.Files, row)
	}
	return m
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func splitLines(data []byte) [][]byte {
	data = bytes.TrimSuffix(data, []byte("\n"))
	if len(data) == 0 {
		return nil
	}
	return bytes.Split(data, []byte("\n"))
}

func sealText(origin string, manifest []byte) string {
	return fmt.Sprintf("%s\n%s\n%x\n", form, origin, sha256.Sum256(manifest))
}

// encoder gathers members and the first error.
type encoder struct {
	list []member
	err  error
}

func (e *encoder) add(name string, data []byte) { e.list = append(e.list, member{name, data}) }

func (e *encoder) json(name string, v any) {
	var buf bytes.Buffer
	e.err = errors.Join(e.err, encode(&buf, v, "  "))
	e.add(name, buf.Bytes())
}

func lines[T any](e *encoder, name string, list []T) {
	var buf bytes.Buffer
	for i := range list {
		e.err = errors.Join(e.err, encode(&buf, list[i], ""))
	}
	e.add(name, buf.Bytes())
}

// encode writes v and a line feed, with <, > and & as they are.
func encode(buf *bytes.Buffer, v any, indent string) error {
	out := json.NewEncoder(buf)
	out.SetEscapeHTML(false)
	out.SetIndent("", indent)
	if err := out.Encode(v); err != nil {
		return fmt.Errorf("encode bundle: %w", err)
	}
	return nil
}

func proveEvents(ctx context.Context, prover *evidence.Prover, in Input) ([]eventLine, error) {
	rows := slices.Clone(in.Events)
	slices.SortFunc(rows, func(a, b evidence.Row) int {
		if a.Seq != b.Seq {
			return int(int64(a.Seq) - int64(b.Seq))
		}
		return int(a.Index) - int(b.Index)
	})
	list := make([]eventLine, 0, len(rows))
	var batch []evidence.Row
	for i, row := range rows {
		if in.Batch != nil && (i == 0 || rows[i-1].Seq != row.Seq) {
			var err error
			if batch, err = in.Batch(ctx, row.Seq); err != nil {
				return nil, fmt.Errorf("read batch %d: %w", row.Seq, err)
			}
		}
		proof, err := prover.Event(ctx, row, batch)
		if err != nil {
			return nil, err
		}
		list = append(list, eventLine{Seq: row.Seq, Index: row.Index, Event: evidence.AppendEvent(nil, row.Event),
			Explanation: row.Event.Explanation, Proof: proof})
	}
	return list, nil
}

// proveRecords takes all versions of all records, in the order of writing.
func proveRecords(ctx context.Context, log Log, prover *evidence.Prover, in Input) ([]recordLine, error) {
	type name struct{ kind, id string }
	seen := map[name]bool{}
	var rows []int64
	for _, r := range append([]evidence.Record{in.Incident}, in.Records...) {
		if seen[name{r.Kind, r.ID}] {
			continue
		}
		seen[name{r.Kind, r.ID}] = true
		history, err := log.History(ctx, r.Kind, r.ID)
		if err != nil {
			return nil, err
		}
		for _, h := range history {
			rows = append(rows, h.Row)
		}
	}
	slices.Sort(rows)
	list := make([]recordLine, 0, len(rows))
	for _, row := range rows {
		r, proof, err := prover.Record(ctx, row)
		if err != nil {
			return nil, err
		}
		list = append(list, lineOf(r, proof))
	}
	return list, nil
}

func readme(about casePart) string {
	return fmt.Sprintf(`%[1]s %[2]s

This is an evidence bundle of Cordon, made by the log %[3]s.
Open index.html to read it. It is %[4]d events and %[5]d records with their proofs.
To verify that nothing in it was changed:

    cordon-verify -key KEY THIS-FILE.zip

KEY is the public key of the log, which you should have from another place than
this file. Verify the ZIP file as it is; unpacked or packed again it cannot be.
It holds personal data: keep it accordingly.

本文件是 Cordon 的证据包，由日志 %[3]s 生成，含 %[4]d 个事件和 %[5]d 条记录及其证明。
请打开 index.html 阅读。要验证内容未被更改，请运行：

    cordon-verify -key 公钥 本文件.zip

公钥应从本文件以外的渠道取得。请直接验证该 ZIP 文件；解压或重新打包后无法验证。
内含个人信息，请妥善保管。
`, about.Kind, about.ID, about.Origin, about.Events, about.Records)
}
