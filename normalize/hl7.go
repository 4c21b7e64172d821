package normalize

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/ocsf"
)

// splitHL7 cuts a stream into HL7 v2 messages.
func splitHL7(r io.Reader) iter.Seq2[Record, error] { return splitScan(r, hl7.ScanMessages) }

// splitScan cuts a stream with a bufio.SplitFunc.
func splitScan(r io.Reader, split bufio.SplitFunc) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var start, next int64
		sc := bufio.NewScanner(r)
		sc.Buffer(make([]byte, 0, 64<<10), MaxRecord)
		sc.Split(func(data []byte, atEOF bool) (int, []byte, error) {
			total := 0
			for {
				advance, token, err := split(data[total:], atEOF)
				total += advance
				start, next = next, next+int64(advance)
				// At the end a Scanner drops what follows an advance without a token.
				if !atEOF || token != nil || err != nil || advance == 0 || total == len(data) {
					return total, token, err
				}
			}
		})
		for sc.Scan() {
			if !yield(Record{Offset: start, Next: next, Data: sc.Bytes()}, nil) {
				return
			}
		}
		if err := sc.Err(); err != nil {
			yield(Record{Offset: next}, fmt.Errorf("read record at byte %d: %w", next, err))
		}
	}
}

// parseHL7 reads one or many messages, each in its own character set.
func (n *Normalizer) parseHL7(in Input, out *Output) {
	data := in.Data
	for item := 0; len(data) > 0; item++ {
		advance, msg, _ := hl7.ScanMessages(data, true)
		data = data[advance:]
		if msg == nil {
			item--
			continue
		}
		out.reading(item, msg)
		m, err := hl7.Parse(hl7.Decode(msg))
		if err != nil {
			out.Reject(item, msg, err.Error())
			continue
		}
		if !n.hl7Event(m, msg, out) {
			out.Reject(item, msg, noHL7Time)
		}
	}
}

const noHL7Time = "no time: MSH-7 is missing or not a time, and so are EVN-2, PV1-44, ORC-9 and OBR-22"

// hl7Event makes the event of one message; false where nothing tells its time.
func (n *Normalizer) hl7Event(m *hl7.Message, raw []byte, out *Output) bool {
	r := newHL7Reader(n, m)
	r.told = out.in.Person
	if r.at == 0 {
		return false
	}
	r.read()
	msh := m.Segment("MSH")
	e := &ocsf.Event{
		ClassUID:   ocsf.APIActivity,
		ActivityID: r.activity(),
		StatusID:   outcome(m),
		Time:       r.at,
		API: &ocsf.API{
			Operation: r.operation(),
			Service:   msh.Text(5),
			Version:   msh.Text(12),
		},
		Actor:       ocsf.Actor{User: r.operator(), AppName: msh.Text(3)},
		SrcEndpoint: ocsf.Endpoint{Name: msh.Text(3), UID: msh.Text(4)},
		DstEndpoint: ocsf.Endpoint{Name: msh.Text(5), UID: msh.Text(6)},
		Care:        r.facts,
	}
	e.Metadata.UID = messageUID(msh.Text(3), msh.Text(10), raw)
	e.Metadata.EventCode = r.operation()
	e.Metadata.Product.Name = msh.Text(3)
	e.Metadata.OriginalTime = r.originalTime
	if r.aboutCare() { // an answer to a query is no access of its own
		e.Patient = r.mainPatient()
	}
	out.Event(e)
	return true
}

// messageUID names a message by its sender and MSH-10. Senders start counting
// again after a restart and send one number for two messages, so eight digits
// of the content's hash follow: the same message again is the same event, a
// different one is never taken for it.
func messageUID(sender, control string, raw []byte) string {
	h := sha256.New()
	for len(raw) > 0 {
		var line []byte
		line, raw = hl7.CutLine(raw)
		h.Write(line)
	}
	sum := h.Sum(nil)
	if control == "" {
		return "hl7:" + sender + ":sha256-" + hex.EncodeToString(sum[:16])
	}
	return "hl7:" + sender + ":" + control + "#" + hex.EncodeToString(sum[:4])
}

// outcome is that of an acknowledgement; other messages tell of what was done.
func outcome(m *hl7.Message) int {
	switch code := m.Segment("MSA").Text(1); {
	case code == "":
		return ocsf.StatusSuccess
	case strings.HasSuffix(code, "A"):
		return ocsf.StatusSuccess
	default:
		return ocsf.StatusFailure
	}
}
