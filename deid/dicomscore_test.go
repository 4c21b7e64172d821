package deid

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/internal/dicom"
)

// A name that nobody has, planted where people write.
const plantedName = "Quimbleton^Xavierra"

// planted is a file that holds every attribute of the table.
type planted struct {
	tag     dicom.Tag
	vr      dicom.VR
	value   []byte
	basic   string
	options dicomSource
}

// plants makes a marked value for each attribute of the published table.
func plants(t *testing.T) []planted {
	t.Helper()
	var all []planted
	for _, s := range dicomSources(t) {
		id := strings.ToUpper(s["id"])
		if strings.HasPrefix(id, "GGGG") {
			continue
		}
		if id == "50XXXXXX" {
			id = "50023000"
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(id, "XX", "02"))
		if err != nil {
			t.Fatal(err)
		}
		tag := dicom.Tag(raw[0])<<24 | dicom.Tag(raw[1])<<16 | dicom.Tag(raw[2])<<8 | dicom.Tag(raw[3])
		p := planted{tag: tag, vr: dicom.Find(tag).VR, basic: s["basicProfile"], options: s}
		if tag.Group() == 0 {
			p.vr = dicom.UI
		}
		p.value = markedValue(tag, p.vr)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b planted) int { return int(int64(a.tag) - int64(b.tag)) })
	return all
}

// markedValue is a valid value of a representation that tells its attribute.
func markedValue(t dicom.Tag, vr dicom.VR) []byte {
	n := uint32(t)
	var text string
	switch vr {
	case dicom.PN:
		text = fmt.Sprintf("Mark%x^Quimbleton", n)
	case dicom.LO, dicom.ST, dicom.LT, dicom.UT, dicom.UC:
		text = fmt.Sprintf("Mark%x of Xavierra Quimbleton, left", n)
	case dicom.SH:
		text = fmt.Sprintf("M%x Xavierra", n)
	case dicom.CS:
		text = fmt.Sprintf("M%X", n)
	case dicom.AE:
		text = fmt.Sprintf("AE%X", n)
	case dicom.AS:
		text = fmt.Sprintf("%03dY", n%80+1)
	case dicom.DA:
		text = fmt.Sprintf("19%02d%02d%02d", 50+n%50, 1+n/50%12, 1+n/600%28)
	case dicom.DT:
		text = fmt.Sprintf("19%02d%02d%02d1234%02d.5", 50+n%50, 1+n/50%12, 1+n/600%28, n%60)
	case dicom.TM:
		text = fmt.Sprintf("11%02d%02d.%06d", n%60, n/60%60, n%1000000)
	case dicom.UI:
		text = fmt.Sprintf("1.2.826.0.1.3680043.%d", n)
	case dicom.DS, dicom.IS:
		text = fmt.Sprint(n%99999 + 100001)
	case dicom.UR:
		text = fmt.Sprintf("http://pacs.hospital.example/%x", n)
	default:
		text = fmt.Sprintf("m%x", n)
		if len(text)%2 == 1 {
			text += "m"
		}
	}
	return []byte(text)
}

// plantedFile writes all of them at the top, again within items, and in
// private elements.
func plantedFile(t *testing.T, all []planted, class, syntax string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := dicom.NewWriter(&out, syntax, []dicom.Attribute{
		{Tag: dicom.MediaClass, VR: dicom.UI, Value: []byte(class)},
		{Tag: dicom.MediaInstance, VR: dicom.UI, Value: markedValue(dicom.MediaInstance, dicom.UI)},
		{Tag: dicom.TransferSyntax, VR: dicom.UI, Value: []byte(syntax)},
		{Tag: 0x00020016, VR: dicom.AE, Value: []byte("QUIMBLETON")},
	})
	if err != nil {
		t.Fatal(err)
	}
	level(t, w, all, class, 2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// level writes one data set; nested are the levels below it.
func level(t *testing.T, w *dicom.Writer, all []planted, class string, nested int) {
	t.Helper()
	more := map[dicom.Tag]func() error{
		0x00090010: func() error { return w.Value(0x00090010, dicom.LO, []byte("QUIMBLETON 1")) },
		0x00091001: func() error { return w.Value(0x00091001, dicom.LO, []byte(plantedName)) },
		0x00091002: func() error {
			return errors.Join(w.Sequence(0x00091002, false), w.Item(), w.Value(tagPatientName, dicom.PN, []byte(plantedName)), w.End(), w.End())
		},
		0x00101777: func() error { return w.Value(0x00101777, dicom.UN, []byte(plantedName)) }, // unknown to the standard
		0x00081090: func() error { return w.Value(0x00081090, dicom.LO, []byte("Scanner X")) },
		0x00081070: nil,
	}
	if nested == 2 {
		more[tagSOPClass] = func() error { return w.Value(tagSOPClass, dicom.UI, []byte(class)) }
		more[tagModality] = func() error { return w.Value(tagModality, dicom.CS, []byte("MR")) }
	}
	if nested > 0 {
		more[0x00189346] = func() error { // a sequence that the table does not name
			err := errors.Join(w.Sequence(0x00189346, false), w.Item())
			level(t, w, all, class, nested-1)
			return errors.Join(err, w.End(), w.End())
		}
	}
	by := map[dicom.Tag]planted{}
	for _, p := range all {
		by[p.tag] = p
	}
	tags := slices.Collect(maps.Keys(by))
	tags = append(tags, slices.Collect(maps.Keys(more))...)
	slices.Sort(tags)
	for _, tag := range slices.Compact(tags) {
		var err error
		if write := more[tag]; write != nil {
			err = write()
		} else if p := by[tag]; p.vr == dicom.SQ {
			err = errors.Join(w.Sequence(tag, false), w.Item(),
				w.Value(0x00080100, dicom.SH, fmt.Appendf(nil, "M%x", uint32(tag))),
				w.Value(0x00080104, dicom.LO, markedValue(tag, dicom.LO)),
				w.Value(0x00081155, dicom.UI, markedValue(tag, dicom.UI)), w.End(), w.End())
		} else {
			err = w.Value(tag, p.vr, p.value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// found is what a written file holds: by depth, tag and value; sequences by
// the values within them.
type heldValue struct {
	there bool
	value string
	items int
}

func held(t *testing.T, out []byte) []map[dicom.Tag]heldValue {
	t.Helper()
	r, err := dicom.NewReader(bytes.NewReader(out), int64(len(out)))
	if err != nil {
		t.Fatal(err)
	}
	levels := []map[dicom.Tag]heldValue{{}, {}, {}}
	for _, a := range r.Meta() {
		levels[0][a.Tag] = heldValue{there: true, value: string(trimmed(a.Value)) + "\n"}
	}
	var path []dicom.Tag
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return levels
		}
		if err != nil {
			t.Fatal(err)
		}
		depth := 0
		for depth < len(path) && path[depth] == 0x00189346 {
			depth++
		}
		note := func(tag dicom.Tag, add func(heldValue) heldValue) {
			h := levels[depth][tag]
			h.there = true
			levels[depth][tag] = add(h)
		}
		switch e.Kind {
		case dicom.SequenceStart:
			if len(path) == depth {
				note(e.Tag, func(h heldValue) heldValue { return h })
			}
			path = append(path, e.Tag)
		case dicom.SequenceEnd:
			path = path[:len(path)-1]
		case dicom.ItemStart:
			note(path[min(depth, len(path)-1)], func(h heldValue) heldValue { h.items++; return h })
		case dicom.Value:
			b, err := r.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			tag := e.Tag
			if len(path) > depth {
				tag = path[depth]
			}
			text := string(b)
			if e.VR.Text() || e.VR.ASCII() {
				text = string(trimmed(b))
			}
			note(tag, func(h heldValue) heldValue { h.value += text + "\n"; return h })
		}
	}
}

// TestDICOMEveryAttribute checks the action on each of the 621 lines of the
// table, at the top level and in items within items, for the basic profile and
// every option, against the published table and not against our copy.
func TestDICOMEveryAttribute(t *testing.T) {
	all := plants(t)
	if len(all) != 620 {
		t.Fatalf("%d attributes planted, want 620 and the private ones", len(all))
	}
	job := dicomJob(t)
	checked, wrong := 0, 0
	sets := [][]string{nil, {retainFullDates, retainDevice, retainUIDs}, {retainModDates, retainDevice, cleanDescriptors, retainPatient},
		{retainModDates, retainSafePrivate, retainUIDs, retainInstitution, retainPatient, cleanDescriptors, cleanStructured, cleanGraphics}}
	for _, o := range dicomOptions() {
		if o.letter != 0 {
			sets = append(sets, []string{o.Name})
		}
	}
	for _, class := range []string{"1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.4"} {
		for _, syntax := range []string{dicom.ExplicitLE, dicom.ImplicitLE, dicom.ExplicitBE, dicom.DeflatedLE} {
			in := plantedFile(t, all, class, syntax)
			for i, set := range sets {
				if syntax != dicom.ExplicitLE && i > 0 {
					continue
				}
				out, _, err := applyDICOM(t, job, in, set...)
				if err != nil {
					t.Fatalf("%v: %v", set, err)
				}
				c, n := score(t, job, all, set, out)
				checked, wrong = checked+c, wrong+n
			}
		}
	}
	t.Logf("%d actions checked, %d wrong", checked, wrong)
	if wrong > 0 || checked < 620*3*16 {
		t.Errorf("%d of %d actions are wrong", wrong, checked)
	}
}

// score compares one file with what the table demands.
func score(t *testing.T, job *Job, all []planted, set []string, out []byte) (checked, wrong int) {
	t.Helper()
	letters := map[string]bool{}
	for _, o := range dicomOptions() {
		if slices.Contains(set, o.Name) && o.letter != 0 {
			letters[string(o.letter)] = true
		}
	}
	for depth, values := range held(t, out) {
		for _, p := range all {
			if p.tag == dicom.MediaInstance && depth > 0 {
				continue // group 2 has no place in items
			}
			checked++
			if why := misdone(job, p, letters, values[p.tag]); why != "" {
				wrong++
				if wrong < 20 {
					t.Errorf("%v, level %d: %s %s (%s): %s", set, depth, p.tag, p.options["name"], p.basic, why)
				}
			}
		}
		for tag := range values {
			if tag.Private() {
				wrong++
				t.Errorf("%v, level %d: private element %s was kept", set, depth, tag)
			}
		}
		if values[0x00101777].there {
			t.Errorf("%v: an element that the standard does not know was kept", set)
		}
		if values[0x00081090].value != "Scanner X\n" {
			t.Errorf("%v: the model's name was not kept", set)
		}
	}
	for _, word := range []string{"Xavierra^", "QUIMBLETON", "Quimbleton^X"} {
		if bytes.Contains(out, []byte(word)) {
			t.Errorf("%v: %q is in the file", set, word)
		}
	}
	return checked, wrong
}

// misdone says what is wrong with what became of a planted value.
func misdone(job *Job, p planted, letters map[string]bool, h heldValue) string {
	mark := string(p.value)
	clean, keep := false, false
	for column, letter := range dicomColumns() {
		if letters[letter] {
			clean = clean || p.options[column] == "C"
			keep = keep || p.options[column] == "K"
		}
	}
	name := strings.Contains(h.value, "Xavierra") || strings.Contains(h.value, "Quimbleton")
	if p.vr == dicom.SQ {
		mark = "no item is the mark of a sequence"
	}
	same := h.there && strings.Contains(h.value, mark)
	switch {
	case clean && p.options["rtnLongModifDatesOpt"] == "C" && letters["M"]:
		return misshifted(job, p, h)
	case clean && p.vr == dicom.SQ:
		if !h.there || h.items == 0 || name {
			return fmt.Sprintf("not cleaned: %d items, %q", h.items, h.value)
		}
	case clean:
		if !h.there || h.value == "\n" || name || p.vr == dicom.AE && same {
			return fmt.Sprintf("not cleaned: %q", h.value)
		}
	case keep && p.vr == dicom.SQ:
		if !h.there || h.items == 0 || name {
			return "a kept sequence is not there, or has a name in it"
		}
	case keep:
		if !same {
			return fmt.Sprintf("not kept: %q", h.value)
		}
	default:
		return misbasic(p, h, same || name)
	}
	return ""
}

// misbasic checks an action of the basic profile; of several, any will do
// that the table allows.
func misbasic(p planted, h heldValue, leaks bool) string {
	empty := h.value == "" || h.value == "\n"
	if p.vr == dicom.SQ {
		leaks = leaks || strings.Contains(h.value, "1.2.826") || !strings.Contains(p.basic, "U") && strings.Contains(h.value, "Mark")
		empty = h.items == 0
	}
	if leaks {
		return fmt.Sprintf("leaks: %q", h.value)
	}
	for _, allowed := range dicomChoices(p.basic) {
		switch {
		case allowed == 'X' && !h.there, allowed == 'Z' && h.there, allowed == 'D' && h.there && !empty,
			allowed == 'U' && strings.Contains(h.value, "2.25."):
			return ""
		}
	}
	return fmt.Sprintf("there: %t, %q", h.there, h.value)
}

// misshifted checks that a date moved by its patient's shift.
func misshifted(job *Job, p planted, h heldValue) string {
	switch p.vr {
	case dicom.DA, dicom.DT:
		patient := string(markedValue(tagPatientID, dicom.LO))
		want, ok := job.Key.ShiftDate(nil, p.value, patient)
		if !ok || h.value != string(want)+"\n" {
			return fmt.Sprintf("%q moved to %q, want %q", p.value, h.value, want)
		}
	case dicom.TM:
		if h.value != string(p.value)+"\n" {
			return "a time of day was changed"
		}
	default:
		if strings.Contains(h.value, string(p.value)) {
			return "kept"
		}
	}
	return ""
}
