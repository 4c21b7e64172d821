package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// maxBundle is the largest bundle that is read, in bytes.
const maxBundle = 1 << 31

// Options are what a verifier knows from elsewhere.
type Options struct {
	// Key is the public key of the log. Empty takes the one in the bundle, and
	// the report says so.
	Key string
	// WitnessKey demands the signature of this witness on the checkpoint.
	WitnessKey string
}

// Report is what a verification of a bundle found.
type Report struct {
	OK bool `json:"ok"`
	// FirstBad names the first bad thing: an event or record where one is
	// concerned, else a member or a place in the file.
	FirstBad string `json:"first_bad,omitempty"`
	Case     string `json:"case,omitempty"`
	Origin   string `json:"origin,omitempty"`
	Key      string `json:"key,omitempty"`
	KeyGiven bool   `json:"key_given"`
	// Made is the time of the export by the server's clock, in ms.
	Made      int64  `json:"made,omitempty"`
	Size      uint64 `json:"size,omitempty"`
	Witnessed bool   `json:"witnessed"`
	// Events and Records were compared with the log; TagOnly of them only by the
	// 8 bytes of their tags.
	Events  int              `json:"events"`
	Records int              `json:"records"`
	TagOnly int              `json:"tag_only,omitempty"`
	Faults  []evidence.Fault `json:"faults,omitempty"`
	Notes   []ocsf.Text      `json:"notes,omitempty"`
}

// Verify checks a bundle of size bytes. What it finds is in the report; the
// error says that it could not be done.
func Verify(r io.ReaderAt, size int64, opts Options) (Report, error) {
	if size > maxBundle {
		return Report{}, fmt.Errorf("verify bundle: %d bytes are more than a bundle has", size)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), data); err != nil {
		return Report{}, fmt.Errorf("verify bundle: %w", err)
	}
	v := &verifier{opts: opts, files: map[string][]byte{}}
	if err := v.run(data); err != nil {
		return v.report, fmt.Errorf("verify bundle: %w", err)
	}
	v.report.Faults = append(v.precise, v.coarse...)
	if v.report.OK = len(v.report.Faults) == 0; !v.report.OK {
		v.report.FirstBad = v.report.Faults[0].Text.EN
	}
	return v.report, nil
}

// verifier is one run of Verify.
type verifier struct {
	opts    Options
	files   map[string][]byte
	head    evidence.Head
	entries map[uint64]*evidence.Entry
	report  Report
	precise []evidence.Fault // events and records
	coarse  []evidence.Fault // members and places in the file
}

func (v *verifier) run(data []byte) error {
	list, broken, whole := readZip(data)
	for _, m := range list {
		v.files[m.name] = m.data
	}
	if err := v.takeKey(); err != nil {
		return err
	}
	v.checkMembers(list)
	v.readCase()
	if v.readLog() {
		v.checkEvents()
		v.checkRecords()
	}
	for _, m := range list {
		if !m.sum {
			v.fault("member-sum", "the checksum of %s in the ZIP file does not fit", "ZIP 文件中 %s 的校验和不符", m.name)
		}
	}
	if !whole {
		v.fault("container", "the ZIP file is not as it was exported at byte %d (after %q)", "ZIP 文件在第 %d 字节处（%q 之后）与导出时不同", broken.at, broken.after)
	}
	return nil
}

func (v *verifier) fault(code, en, zh string, args ...any) {
	v.coarse = append(v.coarse, evidence.Fault{Code: code, Text: ocsf.Text{EN: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)}})
}

// takeKey chooses the key to trust.
func (v *verifier) takeKey() error {
	own := strings.TrimSpace(string(v.files[keyName]))
	key := strings.TrimSpace(v.opts.Key)
	if v.report.KeyGiven = key != ""; !v.report.KeyGiven {
		key = own
		v.report.Notes = append(v.report.Notes, ocsf.Text{
			EN: "The public key was taken from the bundle itself: this shows only that the bundle fits together. Compare the key with one you were given before.",
			ZH: "公钥取自证据包本身：这只能说明证据包内部一致。请将公钥与您先前得到的公钥比对。"})
	}
	verifier, err := note.NewVerifier(key)
	switch {
	case err != nil && v.report.KeyGiven:
		return fmt.Errorf("the given public key cannot be read: %w", err)
	case err != nil:
		v.fault("key", "the public key in the bundle cannot be read", "证据包中的公钥无法读取")
		return nil
	case own != key:
		v.fault("key", "the public key in the bundle is not the given one", "证据包中的公钥不是给定的公钥")
	}
	v.report.Key, v.report.Origin = key, verifier.Name()
	return nil
}

// checkMembers verifies the seal, and every member against the manifest.
func (v *verifier) checkMembers(list []readMember) {
	manifest := v.files[manifestName]
	if !v.sealed(manifest) {
		v.fault("seal", "the manifest is not signed by the key of %s: manifest.json or manifest.sig was changed", "清单不是由 %s 的密钥签名的：manifest.json 或 manifest.sig 被更改", v.report.Origin)
	}
	var m manifestPart
	if json.Unmarshal(manifest, &m) != nil || m.Form != form {
		v.fault("manifest", "manifest.json cannot be read", "manifest.json 无法读取")
		return
	}
	listed := map[string]bool{manifestName: true, sealName: true}
	for _, row := range m.Files {
		listed[row.Name] = true
		data, ok := v.files[row.Name]
		switch {
		case !ok:
			v.fault("member-missing", "%s is missing", "%s 缺失", row.Name)
		case sumOf(data) != row.SHA256 && len(row.Lines) > 0:
			v.changedLine(row, splitLines(data))
		case sumOf(data) != row.SHA256 || int64(len(data)) != row.Size:
			v.fault("member-changed", "%s was changed", "%s 被更改", row.Name)
		}
	}
	for _, f := range list {
		if !listed[f.name] {
			v.fault("member-added", "%q was added", "%q 是后来添加的", f.name)
		}
		delete(listed, f.name)
	}
	if listed[sealName] {
		v.fault("member-missing", "%s is missing", "%s 缺失", sealName)
	}
}

// changedLine names the first line of a member that is not as exported.
func (v *verifier) changedLine(row manifestRow, have [][]byte) {
	i := 0
	for i < min(len(have), len(row.Lines)) && sumOf(have[i]) == row.Lines[i] {
		i++
	}
	is := func(at, want int) bool {
		return at >= len(have) && want >= len(row.Lines) || at < len(have) && want < len(row.Lines) && sumOf(have[at]) == row.Lines[want]
	}
	switch {
	case is(i, i):
		v.fault("member-changed", "%s was changed between its lines", "%s 的行间内容被更改", row.Name)
	case is(i, i+1):
		v.fault("line-dropped", "%s lost its line %d", "%s 的第 %d 行被删除", row.Name, i+1)
	case is(i+1, i):
		v.fault("line-added", "line %[2]d of %[1]s was added", "%[1]s 的第 %[2]d 行是后来添加的", row.Name, i+1)
	default:
		v.fault("line-changed", "line %[2]d of %[1]s was changed", "%[1]s 的第 %[2]d 行被更改", row.Name, i+1)
	}
}

func (v *verifier) sealed(manifest []byte) bool {
	verifier, err := note.NewVerifier(v.report.Key)
	if err != nil {
		return false
	}
	n, err := note.Open(v.files[sealName], note.VerifierList(verifier))
	if err != nil || n.Text != sealText(v.report.Origin, manifest) {
		return false
	}
	// A note may bear signatures of others; here nobody else has signed.
	return len(n.Sigs) == 1 && len(n.UnverifiedSigs) == 0 && sameSignature(n, v.files[sealName])
}

// sameSignature refuses other spellings of the same note.
func sameSignature(n *note.Note, text []byte) bool {
	s := n.Sigs[0]
	return string(text) == n.Text+"\n— "+s.Name+" "+s.Base64+"\n"
}

func (v *verifier) readCase() {
	var c casePart
	if json.Unmarshal(v.files[caseName], &c) != nil {
		return // its hash says so already
	}
	v.report.Case, v.report.Made = c.Kind+" "+c.ID, c.Made
}

// readLog verifies the checkpoint and the entries.
func (v *verifier) readLog() bool {
	var part logPart
	if json.Unmarshal(v.files[logName], &part) != nil {
		v.fault("log", "log.json cannot be read", "log.json 无法读取")
		return false
	}
	head, err := evidence.OpenCheckpoint(part.Checkpoint, v.report.Key)
	if err != nil {
		v.fault("checkpoint-signature", "the checkpoint in log.json is not signed by the key of %s", "log.json 中的检查点不是由 %s 的密钥签名的", v.report.Origin)
		return false
	}
	v.head, v.report.Size = head, head.Size
	if v.opts.WitnessKey != "" {
		if v.report.Witnessed, err = evidence.Cosigned(part.Checkpoint, v.opts.WitnessKey); err != nil || !v.report.Witnessed {
			v.fault("witness-missing", "the checkpoint in log.json is not cosigned by the witness", "log.json 中的检查点没有见证方的联署")
		}
	}
	v.entries = map[uint64]*evidence.Entry{}
	for _, p := range part.Entries {
		e, err := p.Check(head)
		if err != nil {
			v.fault("entry", "entry %d in log.json was changed", "log.json 中第 %d 条被更改", p.Index)
			continue
		}
		v.entries[p.Index] = e
	}
	return true
}

func (v *verifier) checkEvents() {
	for i, text := range splitLines(v.files[eventsName]) {
		var l eventLine
		var ev ocsf.Event
		if json.Unmarshal(text, &l) != nil || ocsf.Decode(l.Event, &ev) != nil {
			v.wrong("event-form", "event in line %d of events.ndjson cannot be read", "events.ndjson 第 %d 行的事件无法读取", i+1)
			continue
		}
		e := v.entries[l.Proof.Entry]
		if e == nil {
			v.wrong("event-unproved", "event %s (line %d of events.ndjson) has no proof", "事件 %s（events.ndjson 第 %d 行）没有证明", ev.Metadata.UID, i+1)
			continue
		}
		err := l.Proof.CheckEvent(e, l.Seq, &ev)
		if err != nil || l.Proof.Item != l.Index || !bytes.Equal(l.Event, evidence.AppendEvent(nil, &ev)) {
			v.wrong("event-changed", "event %s (line %d of events.ndjson) was changed", "事件 %s（events.ndjson 第 %d 行）被更改", ev.Metadata.UID, i+1)
			continue
		}
		v.report.Events++
		v.countTag(l.Proof)
	}
}

func (v *verifier) checkRecords() {
	for i, text := range splitLines(v.files[recordsName]) {
		var l recordLine
		if json.Unmarshal(text, &l) != nil {
			v.wrong("record-form", "record in line %d of records.ndjson cannot be read", "records.ndjson 第 %d 行的记录无法读取", i+1)
			continue
		}
		e := v.entries[l.Proof.Entry]
		if e == nil || l.Proof.CheckRecord(e, l.record()) != nil {
			v.wrong("record-changed", "record %s %s version %d (line %d of records.ndjson) was changed", "记录 %s %s 第 %d 版（records.ndjson 第 %d 行）被更改", l.Kind, l.ID, l.Version, i+1)
			continue
		}
		v.report.Records++
		v.countTag(l.Proof)
	}
}

func (v *verifier) countTag(p evidence.ItemProof) {
	if p.Path == nil {
		v.report.TagOnly++
	}
}

func (v *verifier) wrong(code, en, zh string, args ...any) {
	v.precise = append(v.precise, evidence.Fault{Code: code, Text: ocsf.Text{EN: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)}})
}
