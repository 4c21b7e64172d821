package hl7

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// The acknowledgement codes of MSA-1 in original mode; Acks turns them into
// CA, CE and CR where the sender asked for a commit acknowledgement.
const (
	Accepted = "AA"
	Failed   = "AE" // the message is in error: do not send it again as it is
	Rejected = "AR" // the message was not taken, for a reason of ours: send it again
)

// Ack is the first of Acks, or nil where the sender wants none.
func Ack(msg []byte, code, text string, now time.Time) []byte {
	if all := Acks(msg, code, text, now); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Acks builds the answers to a message, in the order they are sent: in
// original mode (MSH-15 and MSH-16 empty) one with AA, AE or AR; in enhanced
// mode a commit acknowledgement (CA, CE, CR) as MSH-15 asks for and an
// application acknowledgement as MSH-16 asks for. Sender and receiver are
// swapped; encoding characters, version, processing id and character set are
// the sender's. The text must not hold patient data. A message that is not
// HL7 gets a plain answer with an empty MSA-2.
//
// The result has segments ending in CR and no MLLP frame, in UTF-8 or the
// character set of the message as far as text is ASCII. Source: HL7 v2.8.2
// section 2.9.2, 2.9.3, tables 0008 and 0155.
func Acks(msg []byte, code, text string, now time.Time) [][]byte {
	if len(code) != 2 {
		code = Failed
	}
	h := readHeader(msg)
	if h.acceptWanted == "" && h.applicationWanted == "" {
		return [][]byte{h.answer(code, text, now)}
	}
	var all [][]byte
	if wanted(h.acceptWanted, code) {
		all = append(all, h.answer("C"+code[1:], text, now))
	}
	if wanted(h.applicationWanted, code) {
		all = append(all, h.answer(code, text, now))
	}
	return all
}

// wanted applies HL7 table 0155; an empty condition in enhanced mode is NE.
func wanted(condition, code string) bool {
	switch strings.ToUpper(condition) {
	case "AL":
		return true
	case "ER":
		return code != Accepted
	case "SU":
		return code == Accepted
	}
	return false
}

// header is what an answer takes over from the message, as sent.
type header struct {
	d                               Delimiters
	chars                           string
	app, facility, ourApp, ourPlace string
	event, control, processing      string
	version, charset                string
	acceptWanted, applicationWanted string
}

func readHeader(msg []byte) header {
	msg = trimFrame(msg)
	d, ok := readDelimiters(msg)
	h := header{d: d, chars: `^~\&`, processing: "P", version: "2.5"}
	if !ok {
		h.d = standard
		return h
	}
	line, _ := CutLine(msg)
	s := Segment{raw: line, delims: &d}
	raw := func(n int) string { return string(s.Field(n).Raw()) }
	if c := raw(2); c != "" {
		h.chars = c
	}
	h.app, h.facility, h.ourApp, h.ourPlace = raw(3), raw(4), raw(5), raw(6)
	h.event, h.control, h.charset = s.Text(9, 2), raw(10), raw(18)
	h.acceptWanted, h.applicationWanted = s.Text(15), s.Text(16)
	if p := raw(11); p != "" {
		h.processing = p
	}
	if v := raw(12); v != "" {
		h.version = v
	}
	return h
}

// answer writes MSH, MSA and, unless all is well, ERR.
func (h header) answer(code, text string, now time.Time) []byte {
	f, c := string(h.d.Field), string(h.d.Component)
	kind := "ACK"
	if h.event != "" {
		kind += c + h.event
		if !h.before("2.3.1") {
			kind += c + "ACK"
		}
	}
	stamp := now.Format("20060102150405.000-0700")
	msh := []string{"MSH", h.chars, h.ourApp, h.ourPlace, h.app, h.facility, stamp, "",
		kind, controlID(h.control, code, now), h.processing, h.version}
	if h.charset != "" {
		msh = append(msh, "", "", "", "", "", h.charset)
	}
	text = h.escape(text)
	msa := []string{"MSA", code, h.control}
	if text != "" {
		msa = append(msa, text)
	}
	lines := []string{strings.Join(msh, f), strings.Join(msa, f)}
	if code[1] != 'A' && !h.before("2.5") {
		lines = append(lines, strings.Join([]string{"ERR", "", "", h.fault(code), "E", "", "", "", text}, f))
	}
	return []byte(strings.Join(lines, "\r") + "\r")
}

// fault is ERR-3: what is wrong, from HL7 table 0357.
func (h header) fault(code string) string {
	c := string(h.d.Component)
	if code[1] == 'R' {
		return "207" + c + "Application internal error" + c + "HL70357"
	}
	return "100" + c + "Segment sequence error" + c + "HL70357"
}

// before compares the message's version, e.g. "2.3.1", number by number.
func (h header) before(version string) bool {
	own, _, _ := strings.Cut(h.version, string(h.d.Component))
	a, b := strings.Split(own, "."), strings.Split(version, ".")
	for i := range b {
		if i >= len(a) {
			return true
		}
		m, _ := strconv.Atoi(a[i])
		n, _ := strconv.Atoi(b[i])
		if m != n {
			return m < n
		}
	}
	return false
}

// escape makes a text of ours safe inside a field.
func (h header) escape(text string) string {
	e := string(h.d.Escape)
	return strings.NewReplacer(
		e, e+"E"+e,
		string(h.d.Field), e+"F"+e,
		string(h.d.Component), e+"S"+e,
		string(h.d.Repetition), e+"R"+e,
		string(h.d.Subcomponent), e+"T"+e,
		"\r", " ", "\n", " ",
	).Replace(text)
}

// controlID names an answer: 17 characters that differ per message, code and
// moment.
func controlID(control, code string, now time.Time) string {
	sum := fnv.New64a()
	sum.Write([]byte(control + "\x00" + code + "\x00" + strconv.FormatInt(now.UnixNano(), 36)))
	return "C" + strings.ToUpper(strconv.FormatUint(sum.Sum64(), 16))
}
