package asset

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/evidence"
)

// KindDevice is the kind of the evidence records of what people say about
// devices; their id is the device's.
const KindDevice = "device"

// The fields people may set. The list of a CSV file has the same.
const (
	fieldName        = "name"
	fieldKind        = "kind"
	fieldVendor      = "vendor"
	fieldModel       = "model"
	fieldOS          = "os"
	fieldSerial      = "serial"
	fieldFirmware    = "firmware"
	fieldOwner       = "owner"
	fieldDepartment  = "department"
	fieldLocation    = "location"
	fieldCriticality = "criticality"
	fieldLifeSupport = "life_support"
	fieldEndOfLife   = "end_of_life"
	fieldSupportEnds = "support_ends"
	fieldNotes       = "notes"
	fieldRetired     = "retired"
	// fieldInto makes it part of another device, fieldApart keeps it from
	// being one.
	fieldInto  = "into"
	fieldApart = "apart"
	// fieldMAC and fieldIP are the addresses of a device known by a list only.
	fieldMAC = "mac"
	fieldIP  = "ip"
)

// Fields are the names of what people may set, in the order of forms.
func Fields() []string {
	return []string{fieldName, fieldKind, fieldVendor, fieldModel, fieldOS, fieldSerial, fieldFirmware, fieldOwner, fieldDepartment,
		fieldLocation, fieldCriticality, fieldLifeSupport, fieldEndOfLife, fieldSupportEnds, fieldNotes, fieldRetired, fieldInto, fieldApart}
}

// mostChanges is how many changes by hand a device lists; all of them are in
// the evidence.
const mostChanges = 50

// word is what people said about a unit: the body of its evidence record.
type word struct {
	Fields map[string]string `json:"fields"`
	// From names the list a field comes from; those set by hand are not in it.
	From    map[string]string `json:"from,omitempty"`
	Lists   []string          `json:"imported_from,omitempty"`
	Changes []Change          `json:"changes,omitempty"` // newest first
	Why     string            `json:"why,omitempty"`
}

func (w *word) apart() bool { return w != nil && w.Fields[fieldApart] == "yes" }

func (w *word) get(field string) string {
	if w == nil {
		return ""
	}
	return w.Fields[field]
}

// Mistake is an error in what somebody wrote; its text is for them.
type Mistake struct{ EN, ZH string }

func (m Mistake) Error() string { return m.EN }

// Edit is a change by hand.
type Edit struct {
	// Device is the id of a device, or of one of its parts.
	Device string
	// Fields are set to their values, "" takes a value back.
	Fields map[string]string
	By     string
	Why    string
}

// Edit changes what people say about a device. Every change is a version of
// its evidence record.
func (b *Book) Edit(ctx context.Context, e Edit) (Device, error) {
	fields := map[string]string{}
	for name, value := range e.Fields {
		v, err := b.field(name, value)
		if err != nil {
			return Device{}, err
		}
		fields[name] = v
	}
	if err := b.mayJoin(e.Device, fields); err != nil {
		return Device{}, err
	}
	err := b.change(ctx, []string{e.Device}, func(id string, w *word) bool { return len(w.set(fields, e.By, e.Why, b.opts.Now().UnixMilli())) > 0 })
	if err != nil {
		return Device{}, err
	}
	d, ok := b.Device(e.Device)
	if !ok {
		return Device{}, fs.ErrNotExist
	}
	return d, nil
}

// field checks the value of a field and gives it its usual form.
func (b *Book) field(name, value string) (string, error) {
	value = strings.TrimSpace(value)
	if len([]rune(value)) > 1000 {
		return "", Mistake{"a text is longer than 1000 characters; shorten it", "文字超过 1000 字，请精简"}
	}
	if !slices.Contains(Fields(), name) {
		return "", Mistake{fmt.Sprintf("there is no field %q; the fields are %s", name, strings.Join(Fields(), ", ")), fmt.Sprintf("没有字段“%s”；可用字段：%s", name, strings.Join(Fields(), "、"))}
	}
	if value == "" {
		return "", nil
	}
	switch name {
	case fieldKind:
		if _, ok := b.know.Kind(value); !ok {
			return "", Mistake{fmt.Sprintf("there is no kind %q; cordon assets kinds lists them", value), fmt.Sprintf("没有类别“%s”；可用 cordon assets kinds 查看", value)}
		}
	case fieldCriticality:
		return criticality(value)
	case fieldLifeSupport, fieldRetired, fieldApart:
		return yesNo(name, value)
	case fieldEndOfLife, fieldSupportEnds:
		if _, err := time.Parse(time.DateOnly, value); err != nil {
			return "", Mistake{name + ": give the day as 2027-12-31", name + "：日期请写作 2027-12-31"}
		}
	}
	return value, nil
}

func criticality(value string) (string, error) {
	words := []string{"", "low", "medium", "high", "critical"}
	if i := slices.Index(words, strings.ToLower(value)); i > 0 {
		return strconv.Itoa(i), nil
	}
	if n, err := strconv.Atoi(value); err != nil || n < 1 || n > 4 {
		return "", Mistake{"criticality: give 1 (low) to 4 (critical)", "重要程度：请填写 1（低）至 4（关键）"}
	}
	return value, nil
}

func yesNo(name, value string) (string, error) {
	switch strings.ToLower(value) {
	case "yes", "y", "true", "1", "是":
		return "yes", nil
	case "no", "n", "false", "0", "否":
		return "", nil
	}
	return "", Mistake{name + ": give yes or no", name + "：请填写 yes 或 no"}
}

// mayJoin refuses to make a device part of what does not exist or of itself.
func (b *Book) mayJoin(id string, fields map[string]string) error {
	into := fields[fieldInto]
	if into == "" {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	u, v := b.units[id], b.units[into]
	switch {
	case v == nil:
		return Mistake{"there is no device to merge it into by that id", "要并入的设备不存在"}
	case u != nil && b.leader(v) == u:
		return Mistake{"that device is part of this one already; merge it the other way round or split them first", "该设备已属于本设备；请先拆分"}
	}
	return nil
}

// set changes fields and returns what it changed.
func (w *word) set(fields map[string]string, by, why string, at int64) (done []Change) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		old, value := w.Fields[name], fields[name]
		if old == value {
			continue
		}
		delete(w.From, name)
		if value == "" {
			delete(w.Fields, name)
		} else {
			w.Fields[name] = value
		}
		done = append(done, Change{At: at, By: by, What: fmt.Sprintf("%s: %s -> %s", name, orDash(old), orDash(value)), Why: why})
	}
	all := slices.Concat(done, w.Changes)
	w.Changes, w.Why = all[:min(len(all), mostChanges)], why
	return done
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// change changes the words about units, in one transaction, and then in
// memory. fn says whether it changed something.
func (b *Book) change(ctx context.Context, ids []string, fn func(id string, w *word) bool) error {
	b.editing.Lock()
	defer b.editing.Unlock()
	var changed map[string]*word
	err := b.db.Update(ctx, func(tx *sql.Tx) (err error) {
		changed, err = b.changeIn(tx, ids, fn)
		return err
	})
	if err != nil {
		return err
	}
	b.take(changed)
	return nil
}

func (b *Book) changeIn(tx *sql.Tx, ids []string, fn func(id string, w *word) bool) (map[string]*word, error) {
	changed := map[string]*word{}
	for _, id := range ids {
		w, ok := b.wordOf(id)
		if !ok {
			return nil, fmt.Errorf("device: %w", fs.ErrNotExist)
		}
		if !fn(id, w) {
			continue
		}
		if err := b.put(tx, id, w); err != nil {
			return nil, err
		}
		changed[id] = w
	}
	return changed, nil
}

// wordOf copies what was said about a unit; false where there is no unit.
func (b *Book) wordOf(id string) (*word, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	w := &word{Fields: map[string]string{}}
	if old := b.words[id]; old != nil {
		w.Fields, w.From, w.Lists, w.Changes = maps.Clone(old.Fields), maps.Clone(old.From), slices.Clone(old.Lists), slices.Clone(old.Changes)
	}
	return w, b.units[id] != nil
}

func (b *Book) put(tx *sql.Tx, id string, w *word) error {
	body, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("write device: %w", err)
	}
	by, at := "", b.opts.Now().UnixMilli()
	if len(w.Changes) > 0 {
		by = w.Changes[0].By
	}
	status := "known"
	if w.Fields[fieldRetired] == "yes" {
		status = "retired"
	}
	_, err = b.opts.Evidence.Put(tx, evidence.Record{Kind: KindDevice, ID: id, Time: at, Status: status, Ref: by, Body: body})
	return err
}

// take puts changed words in force.
func (b *Book) take(changed map[string]*word) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news = true
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		u := b.units[id]
		if u == nil { // forgotten meanwhile; the word brings it back
			u = b.revive(id, changed[id])
		}
		b.mark(u)
		b.words[id] = changed[id]
		if into := changed[id].Fields[fieldInto]; into != "" {
			b.members[into] = appendNew(b.members[into], id)
		}
		b.mark(u)
	}
}

// revive makes the unit of a word whose unit was not saved, or never seen.
func (b *Book) revive(id string, w *word) *unit {
	at := int64(0)
	if n := len(w.Changes); n > 0 {
		at = w.Changes[n-1].At
	}
	u := &unit{ID: id, First: at, Last: at, MAC: w.Fields[fieldMAC], saved: -1, Told: true}
	if u.MAC == "" {
		u.IP = w.Fields[fieldIP]
	}
	if mac, ok := strings.CutPrefix(id, "m-"); ok && u.MAC == "" {
		u.MAC = MACText(ParseMAC(mac))
	}
	u.mac, u.ip = ParseMAC(u.MAC), ParseAddr(u.IP)
	if maker := b.know.Maker(u.mac); maker != "" && u.MAC != "" {
		u.learn(b.know, Fact{FactMaker, maker}, "ieee", u.ip, at)
	}
	if ip := ParseAddr(w.Fields[fieldIP]); ip.IsValid() {
		u.uses(unitAddress{Address: Address{MAC: u.MAC, IP: ip.String(), First: at, Last: at, By: "import"}, ip: ip, Own: u.MAC != ""})
		b.byIP[ip] = appendNew(b.byIP[ip], id)
		if u.MAC == "" {
			b.current[ip] = id
		}
	}
	if u.MAC != "" {
		b.byMAC[u.MAC] = u
	}
	b.units[id] = u
	return u
}

func (b *Book) loadWords(tx *sql.Tx) error {
	if b.opts.Evidence == nil {
		return nil // a book that lasts as long as a capture
	}
	recs, err := b.opts.Evidence.Select(tx, evidence.Filter{Kind: KindDevice, Order: "row"})
	if err != nil {
		return err
	}
	for _, rec := range recs {
		w := &word{}
		if err := json.Unmarshal(rec.Body, w); err != nil {
			return fmt.Errorf("read what was said about a device: %w", err)
		}
		if w.Fields == nil {
			w.Fields = map[string]string{}
		}
		b.words[rec.ID] = w
		if b.units[rec.ID] == nil {
			b.mark(b.revive(rec.ID, w))
		}
	}
	return nil
}

// Undo takes the last change by hand back; that too is a change.
func (b *Book) Undo(ctx context.Context, id, by, why string) (Device, error) {
	recs, err := b.opts.Evidence.History(ctx, KindDevice, id)
	if err != nil {
		return Device{}, err
	}
	if len(recs) == 0 {
		return Device{}, Mistake{"nobody changed this device by hand", "该设备没有人工修改"}
	}
	before := word{Fields: map[string]string{}}
	if len(recs) > 1 {
		if err := json.Unmarshal(recs[len(recs)-2].Body, &before); err != nil {
			return Device{}, fmt.Errorf("read what was said about a device: %w", err)
		}
	}
	fields := map[string]string{}
	if w, ok := b.wordOf(id); ok {
		for name := range w.Fields {
			fields[name] = ""
		}
	}
	maps.Copy(fields, before.Fields)
	err = b.change(ctx, []string{id}, func(_ string, w *word) bool { return len(w.set(fields, by, why, b.opts.Now().UnixMilli())) > 0 })
	if err != nil {
		return Device{}, err
	}
	d, ok := b.Device(id)
	if !ok {
		return Device{}, errors.Join(fs.ErrNotExist)
	}
	return d, nil
}

// Merge makes one device part of another, Split takes a part out again and
// keeps it apart.
func (b *Book) Merge(ctx context.Context, part, into, by, why string) (Device, error) {
	return b.Edit(ctx, Edit{Device: part, Fields: map[string]string{fieldInto: into, fieldApart: ""}, By: by, Why: why})
}

// Split takes a part out of its device and keeps it apart.
func (b *Book) Split(ctx context.Context, part, by, why string) (Device, error) {
	return b.Edit(ctx, Edit{Device: part, Fields: map[string]string{fieldInto: "", fieldApart: "yes"}, By: by, Why: why})
}
