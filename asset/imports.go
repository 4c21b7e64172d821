package asset

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/internal/packet"
)

// Entry is what a list says about one device.
type Entry struct {
	// Line is where it stands in the list.
	Line int
	// MAC, IP and Serial say which device is meant, Device names it by id.
	MAC    packet.MAC
	IP     netip.Addr
	Serial string
	Device string
	// Fields are set; "" is not said.
	Fields map[string]string
	// Facts are seen, as a sensor's are.
	Facts    []Fact
	Software []Software
}

// List is a list that was read.
type List struct {
	// Name tells lists apart; Format is csv, cyclonedx or nmap.
	Name, Format string
	Entries      []Entry
	// At is when it was made, in ms; 0 now.
	At       int64
	Warnings []string
}

// Line is what an import does to one device.
type Line struct {
	Line   int    `json:"line,omitempty"`
	Device string `json:"device"`
	Name   string `json:"name,omitempty"`
	New    bool   `json:"new,omitempty"`
	// Changes are "field: old -> new".
	Changes []string `json:"changes,omitempty"`
	// Conflicts are what the list says otherwise than people or sensors did;
	// it was not taken, unless the import was told to.
	Conflicts []string `json:"conflicts,omitempty"`
	Software  int      `json:"software,omitempty"`
}

// Imported is what an import did, or would do.
type Imported struct {
	List     string   `json:"list"`
	DryRun   bool     `json:"dry_run,omitempty"`
	Read     int      `json:"read"`
	New      int      `json:"new"`
	Changed  int      `json:"changed"`
	Same     int      `json:"same"`
	Lines    []Line   `json:"lines,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Observations are what the list saw, for the pipeline.
	Observations []Observation `json:"-"`
}

// Wish says how a list is to be imported.
type Wish struct {
	By  string
	Why string
	// Dry changes nothing; Overwrite takes the list's word against people's.
	Dry, Overwrite bool
}

// ReadList reads a list in a format; device is the id of the device that a
// bill of materials without addresses belongs to.
func ReadList(r io.Reader, format, name, device string) (List, error) {
	l := List{Name: name, Format: format}
	var err error
	switch format {
	case "csv":
		err = l.readCSV(r)
	case "cyclonedx":
		err = l.readCycloneDX(r, device)
	case "nmap":
		err = l.readNmap(r)
	default:
		err = Mistake{fmt.Sprintf("there is no format %q; there are csv, cyclonedx and nmap", format), fmt.Sprintf("没有格式“%s”；可用 csv、cyclonedx、nmap", format)}
	}
	if err != nil {
		return l, fmt.Errorf("read %s: %w", name, err)
	}
	return l, nil
}

// mostEntries bounds one list.
const mostEntries = 200_000

// Import takes a list in: all of it or nothing.
func (b *Book) Import(ctx context.Context, l List, wish Wish) (Imported, error) {
	out := Imported{List: l.Name, DryRun: wish.Dry, Read: len(l.Entries), Warnings: l.Warnings}
	b.editing.Lock()
	defer b.editing.Unlock()
	in := importing{book: b, list: l, wish: wish, words: map[string]*word{}, lines: map[string]int{}, software: map[string][]Software{}, out: &out}
	for _, e := range l.Entries {
		if err := in.entry(e); err != nil {
			return out, fmt.Errorf("line %d: %w", e.Line, err)
		}
	}
	in.count()
	if wish.Dry {
		return out, nil
	}
	if err := b.db.Update(ctx, in.write); err != nil {
		return out, fmt.Errorf("import devices: %w", err)
	}
	b.take(in.words)
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, s := range in.software {
		b.hold(id, l.Name, s)
	}
	return out, nil
}

// importing is a list on its way in.
type importing struct {
	book     *Book
	list     List
	wish     Wish
	words    map[string]*word
	lines    map[string]int // of the devices already met
	software map[string][]Software
	out      *Imported
}

func (in *importing) entry(e Entry) error {
	id, isNew := in.which(e)
	if id == "" {
		return Mistake{"nothing says which device is meant: give a MAC, an IP or a serial number", "无法确定设备：请提供 MAC、IP 或序列号"}
	}
	line := Line{Line: e.Line, Device: id, Name: e.Fields[fieldName], New: isNew, Software: len(e.Software)}
	if at, ok := in.lines[id]; ok && in.list.Format == "csv" {
		line.Conflicts = append(line.Conflicts, fmt.Sprintf("line %d is about the same device", at))
	}
	in.lines[id] = e.Line
	w := in.words[id]
	if w == nil {
		w, _ = in.book.wordOf(id)
	}
	fields, err := in.fields(e, w, isNew, &line)
	if err != nil {
		return err
	}
	if len(e.Facts) > 0 {
		in.observe(e)
	}
	done := w.set(fields, in.wish.By, in.why(), in.book.opts.Now().UnixMilli())
	for _, c := range done {
		line.Changes = append(line.Changes, c.What)
	}
	if len(done) > 0 || len(e.Software) > 0 {
		if w.From == nil {
			w.From = map[string]string{}
		}
		for name := range fields {
			w.From[name] = in.list.Name
		}
		w.Lists = appendNew(w.Lists, in.list.Name)
		in.words[id] = w
	}
	if len(e.Software) > 0 {
		in.software[id] = append(in.software[id], e.Software...)
	}
	in.out.Lines = append(in.out.Lines, line)
	return nil
}

func (in *importing) why() string {
	if in.wish.Why != "" {
		return in.wish.Why + " (" + in.list.Name + ")"
	}
	return in.list.Name
}

// which finds the device that an entry is about, or the id of a new one.
func (in *importing) which(e Entry) (id string, isNew bool) {
	b := in.book
	b.mu.RLock()
	defer b.mu.RUnlock()
	mac := MACText(e.MAC)
	switch {
	case e.Device != "":
		return e.Device, b.units[e.Device] == nil
	case mac != "" && !group(e.MAC):
		id = "m-" + strings.ReplaceAll(mac, ":", "")
	case e.IP.IsValid():
		if owner := b.owners[e.IP]; owner != "" {
			return owner, false
		}
		if current := b.current[e.IP]; current != "" {
			return current, false
		}
		id = "i-" + strings.NewReplacer(".", "-", ":", "-").Replace(e.IP.String())
	case e.Serial != "":
		if known := b.strong["serial "+strings.ToLower(e.Serial)]; known != "" {
			return known, false
		}
		for other, w := range b.words {
			if strings.EqualFold(w.Fields[fieldSerial], e.Serial) {
				return other, false
			}
		}
		id = "s-" + safe(e.Serial)
	}
	return id, id != "" && b.units[id] == nil && in.words[id] == nil
}

// safe makes a serial number part of an id.
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
}

// fields are those to set: not what the list does not say, nor what people
// said otherwise.
func (in *importing) fields(e Entry, w *word, isNew bool, line *Line) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
		if e.Fields[name] == "" {
			continue
		}
		value, err := in.book.field(name, e.Fields[name])
		if err != nil {
			return nil, err
		}
		old := w.Fields[name]
		if old != "" && old != value && w.From[name] == "" && !in.wish.Overwrite {
			line.Conflicts = append(line.Conflicts, fmt.Sprintf("%s: a person said %s, the list says %s", name, old, value))
			continue
		}
		out[name] = value
	}
	in.doubts(e, line)
	if isNew {
		out[fieldMAC], out[fieldIP] = MACText(e.MAC), AddrText(e.IP)
	}
	return out, nil
}

// doubts tells where the list says otherwise than what was seen.
func (in *importing) doubts(e Entry, line *Line) {
	d, ok := in.book.Device(line.Device)
	if !ok {
		return
	}
	if kind := e.Fields[fieldKind]; kind != "" && !d.Decided && d.What.Kind != "" && !in.book.know.related(kind, d.What.Kind) {
		line.Conflicts = append(line.Conflicts, fmt.Sprintf("kind: it looks like %s (%.2f), the list says %s", d.What.Kind, d.What.Confidence, kind))
	}
	if ip := AddrText(e.IP); ip != "" && len(d.IPs) > 0 && !slices.Contains(d.IPs, ip) {
		line.Conflicts = append(line.Conflicts, fmt.Sprintf("ip: seen with %s, the list says %s", d.IPs[0], ip))
	}
}

func (in *importing) observe(e Entry) {
	at := or(in.list.At, in.book.opts.Now().UnixMilli())
	in.out.Observations = append(in.out.Observations, Observation{At: at * int64(time.Millisecond), Sensor: in.list.Format, MAC: e.MAC, IP: e.IP, Protocol: "import", Facts: e.Facts})
}

func (in *importing) count() {
	for _, l := range in.out.Lines {
		switch {
		case l.New:
			in.out.New++
		case len(l.Changes) > 0 || l.Software > 0:
			in.out.Changed++
		default:
			in.out.Same++
		}
	}
}

func (in *importing) write(tx *sql.Tx) error {
	for _, id := range slices.Sorted(maps.Keys(in.words)) {
		if err := in.book.put(tx, id, in.words[id]); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(in.software)) {
		body, err := json.Marshal(in.software[id])
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO asset_software (device, list, body) VALUES ($1, $2, $3) ON CONFLICT (device, list) DO UPDATE SET body = excluded.body`, id, in.list.Name, string(body))
		if err != nil {
			return err
		}
	}
	return nil
}

// warn adds a warning to a list, at most a few.
func (l *List) warn(format string, args ...any) {
	if len(l.Warnings) < 20 {
		l.Warnings = append(l.Warnings, fmt.Sprintf(format, args...))
	}
}

// tooLong says that a list is longer than any hospital has devices.
func (l *List) tooLong() error {
	if len(l.Entries) < mostEntries {
		return nil
	}
	return Mistake{"the list has more than " + strconv.Itoa(mostEntries) + " entries; divide it", "列表超过 " + strconv.Itoa(mostEntries) + " 条，请拆分"}
}
