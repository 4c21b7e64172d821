package simulate

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Write writes the whole hospital into the folder, which is made if missing:
// the tables, one file per day and channel, truth.jsonl and README.txt. It
// replaces files of the same names and leaves others alone. progress, if not
// nil, is told the days done. Memory stays that of one day.
func (h *Hospital) Write(dir string, progress func(done, total int)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	if err := h.writeTables(dir); err != nil {
		return err
	}
	if h.cfg.Inside {
		if err := os.MkdirAll(filepath.Join(dir, "ocsf"), 0o755); err != nil {
			return fmt.Errorf("simulate: make folder: %w", err)
		}
	}
	out := &folder{dir: dir, files: map[string]*dayFile{}}
	var failed error
	h.stream(func(it Item) bool {
		failed = out.put(it)
		return failed == nil
	}, func(day int) {
		if day >= 0 {
			progress(day, h.cfg.Days)
		}
	})
	failed = firstError(failed, out.close())
	if failed != nil {
		return fmt.Errorf("simulate: write into %s: %w", dir, failed)
	}
	return h.writeTruth(dir)
}

func (h *Hospital) writeTables(dir string) error {
	for _, sub := range []string{"hl7", "fhir", "atna", "db", "devices", "http"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return fmt.Errorf("simulate: make folder: %w", err)
		}
	}
	tables := []struct {
		name  string
		write func(io.Writer) error
	}{{"directory.csv", h.WriteDirectory}, {"roster.csv", h.WriteRoster}, {"tickets.csv", h.WriteTickets},
		{"watchlist.csv", h.WriteWatchlist}, {"README.txt", h.writeReadme}}
	for _, t := range tables {
		if err := writeFile(filepath.Join(dir, t.name), t.write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	buf := bufio.NewWriterSize(file, 1<<16)
	err = firstError(write(buf), buf.Flush())
	if err = firstError(err, file.Close()); err != nil {
		return fmt.Errorf("simulate: write %s: %w", path, err)
	}
	return nil
}

func (h *Hospital) writeTruth(dir string) error {
	return writeFile(filepath.Join(dir, "truth.jsonl"), h.WriteTruth)
}

// WriteTruth writes truth.jsonl.
func (h *Hospital) WriteTruth(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, v := range h.Truth() {
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("simulate: write truth: %w", err)
		}
	}
	return nil
}

// folder holds the open file of each channel.
type folder struct {
	dir   string
	files map[string]*dayFile
}

type dayFile struct {
	path string
	file *os.File
	buf  *bufio.Writer
}

// put appends an item to the file of its channel and day of arrival.
func (x *folder) put(it Item) error {
	name := fileName(it.Channel, it.At)
	file := x.files[it.Channel]
	if file == nil || file.path != name {
		var err error
		if file, err = x.next(it.Channel, name, file); err != nil {
			return err
		}
	}
	data, end := it.Data, byte('\n')
	if it.Channel == "hl7" {
		data = fileForm(it.Data)
		end = 0
	}
	_, err := file.buf.Write(data)
	if end != 0 {
		err = firstError(err, file.buf.WriteByte(end))
	}
	return err
}

func (x *folder) next(channel, name string, old *dayFile) (*dayFile, error) {
	if old != nil {
		if err := old.close(); err != nil {
			return nil, err
		}
	}
	file, err := os.Create(filepath.Join(x.dir, name))
	if err != nil {
		return nil, err
	}
	next := &dayFile{name, file, bufio.NewWriterSize(file, 1<<18)}
	x.files[channel] = next
	if channel == "sql" {
		_, err = next.buf.WriteString("id,op_time,user_code,patient_no,action,module,client_ip,reason\n")
	}
	return next, err
}

func (f *dayFile) close() error { return firstError(f.buf.Flush(), f.file.Close()) }

func (x *folder) close() error {
	var failed error
	for _, channel := range []string{"hl7", "fhir", "atna", "sql", "db", "device", "http", "ocsf"} {
		if file := x.files[channel]; file != nil {
			failed = firstError(failed, file.close())
		}
	}
	return failed
}

func fileName(channel string, at time.Time) string {
	day := at.Format("2006-01-02")
	switch channel {
	case "hl7":
		return filepath.Join("hl7", day+".hl7")
	case "fhir":
		return filepath.Join("fhir", "auditevents-"+day+".ndjson")
	case "atna":
		return filepath.Join("atna", day+".log")
	case "db":
		return filepath.Join("db", "mysql-"+day+".json")
	case "device":
		return filepath.Join("devices", day+".log")
	case "http":
		return filepath.Join("http", "fhir-"+day+".log")
	case "ocsf":
		return filepath.Join("ocsf", "own-"+day+".ndjson")
	}
	return "sqlaudit.csv"
}

// csv is the row as a CSV record without the line end.
func (r *Row) csv() []byte {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	err := w.Write([]string{r.ID, r.OpTime.Format(isoMilli), r.UserCode, r.PatientNo, r.Action, r.Module, r.ClientIP, r.Reason})
	w.Flush()
	if err != nil {
		return nil // cannot happen: a Buffer takes everything
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
}

func (h *Hospital) writeReadme(w io.Writer) error {
	_, err := fmt.Fprintf(w, readme, h.cfg.Seed, h.cfg.Days, h.cfg.Staff, h.cfg.Patients, h.start.Format("2006-01-02"), h.habitText())
	return err
}

const readme = `An invented hospital / 虚构的医院
seed %d, %d days, %d staff, %d patients, first day %s. No real person is in it. 其中没有真实人物。
habits / 习惯：%s

Import in this order: first who is who, then what happened. HL7 goes in before
the accesses, or together with them; late messages heal earlier answers.
按此顺序导入：先人员与凭据，后事件。

  cordon import --format directory directory.csv
  cordon import --format roster    roster.csv
  cordon import --format tickets   tickets.csv
  cordon import --format watchlist watchlist.csv
  cordon import --format hl7v2     hl7/*.hl7
  cordon import --format fhir-auditevent fhir/*.ndjson
  cordon import --format atna      atna/*.log
  cordon import --format csv --mapping content/mappings/his-audit.yaml sqlaudit.csv
  cordon import --format syslog    devices/*.log
  cordon import --format mysql-audit db/*.json
  cordon import --format http-access http/*.log

Add --data DIR for a stopped server, --server URL for a running one.
加 --data DIR 写入停止的服务器，加 --server URL 写入运行中的服务器。

hl7/   one file per day of arrival, messages separated by a blank line; the
       first files are the patient index and two weeks of history
fhir/  AuditEvent R4 in the manner of IHE BALP, one per line; some accesses
       are recorded by client and server (same X-Request-Id), a few lines are
       sent twice
atna/  DICOM audit messages in RFC 5424 lines; the event's id is the
       X-Request-Id detail
sqlaudit.csv  the audit table of the HIS: id, op_time, user_code (account),
       patient_no, action, module, client_ip, reason
devices/  CEF in syslog lines: endpoint agents, the web proxy and, where the
       hospital has one, the appliance that audits the database
db/    audit of the HIS database (MySQL, JSON); empty where an appliance does it
http/  access log of the FHIR server, JSON lines; in truth.jsonl such a line is
       named by its request id, for it has no other
truth.jsonl   the labelled violations: kind, event_uids (one per access; the
       server's half), also_uids (the client's halves), person, patient,
       people (of a crowd), patients (further ones), first, last; tied
       where records tie the person to the patient all the same.
       Never import it. 请勿导入：这是标准答案。
`
