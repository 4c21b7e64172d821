package normalize

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// parseRADIUSLog reads what RADIUS servers write about who signed in to the
// network: FreeRADIUS' detail files, and the DTS compliant log of Windows NPS.
// A record gives a sign-in (3002) and what it says about the device.
func (n *Normalizer) parseRADIUSLog(in Input, out *Output) {
	item := 0
	for rec := range splitRADIUS(bytes.NewReader(in.Data)) {
		data := bytes.TrimSpace(rec.Data)
		out.reading(item, data)
		attrs, at, err := n.radiusRecord(data)
		if err == nil {
			err = radiusEvents(attrs, at, out)
		}
		if err != nil {
			out.Reject(item, data, err.Error())
		}
		item++
	}
}

// splitRADIUS cuts at empty lines; a line that begins with < stands alone.
func splitRADIUS(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		br := bufio.NewReaderSize(r, 64<<10)
		var rec Record
		var at int64
		flush := func() bool {
			if len(bytes.TrimSpace(rec.Data)) == 0 {
				rec.Data = nil
				return true
			}
			rec.Next = at
			ok := yield(rec, nil)
			rec = Record{}
			return ok
		}
		for {
			line, err := readLine(br)
			alone := bytes.HasPrefix(bytes.TrimSpace(line), []byte("<"))
			if (len(bytes.TrimSpace(line)) == 0 || alone || len(rec.Data) > 64<<10) && !flush() {
				return
			}
			if rec.Data == nil {
				rec.Offset = at
			}
			at += int64(len(line))
			rec.Data = append(rec.Data, line...)
			if alone && !flush() {
				return
			}
			if err != nil {
				if flush() && err != io.EOF {
					yield(Record{}, err)
				}
				return
			}
		}
	}
}

// radiusRecord reads the attributes of a record and its time.
func (n *Normalizer) radiusRecord(data []byte) (map[string]string, int64, error) {
	if bytes.HasPrefix(data, []byte("<")) {
		return n.npsRecord(data)
	}
	head, rest, ok := strings.Cut(string(data), "\n")
	if !ok {
		return nil, 0, errors.New("not a record of FreeRADIUS' detail file or of Windows NPS")
	}
	attrs := map[string]string{}
	for line := range strings.Lines(rest) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if ok && len(attrs) < 200 {
			attrs[name] = strings.Trim(value, `"`)
		}
	}
	at, err := time.ParseInLocation("Mon Jan _2 15:04:05 2006", strings.TrimSpace(head), n.zone)
	if err != nil || within(at.UnixMilli()) != nil {
		return nil, 0, errors.New("the record does not begin with its time")
	}
	return attrs, at.UnixMilli(), nil
}

// npsEvent is a line of Windows NPS' DTS compliant log.
type npsEvent struct {
	Items []struct {
		XMLName xml.Name
		Value   string `xml:",chardata"`
	} `xml:",any"`
}

func (n *Normalizer) npsRecord(data []byte) (map[string]string, int64, error) {
	var ev npsEvent
	if err := xml.Unmarshal(data, &ev); err != nil {
		return nil, 0, errors.New("not a record of Windows NPS: broken XML")
	}
	attrs := map[string]string{}
	for _, it := range ev.Items {
		attrs[it.XMLName.Local] = it.Value
	}
	at, err := time.ParseInLocation("01/02/2006 15:04:05.000", attrs["Timestamp"], n.zone)
	if err != nil || within(at.UnixMilli()) != nil {
		return nil, 0, errors.New("the record has no Timestamp that is a time")
	}
	return attrs, at.UnixMilli(), nil
}

// radiusEvents makes a sign-in and what it says of the device.
func radiusEvents(a map[string]string, at int64, out *Output) error {
	l := &netlog{out: out, product: "RADIUS", at: at}
	mac, addr := a["Calling-Station-Id"], either(a["Framed-IP-Address"], a["Framed-IPv6-Address"])
	nas := either(a["NAS-Identifier"], either(a["NAS-IP-Address"], a["Client-IP-Address"]))
	port := either(a["NAS-Port-Id"], a["NAS-Port"])
	if nas != "" && port != "" {
		l.seen("radius", mac, addr, fact(asset.FactSwitchPort, nas+" "+port))
	} else {
		l.seen("radius", mac, addr)
	}
	l.seen("radius", "", a["NAS-IP-Address"], fact(asset.FactRole, "nas"), fact(asset.FactHostname, a["NAS-Identifier"]))
	if ev := radiusSignIn(a, at); ev != nil {
		ev.SrcEndpoint = ocsf.Endpoint{MAC: asset.MACText(asset.ParseMAC(mac)), IP: asset.AddrText(asset.ParseAddr(addr))}
		ev.DstEndpoint = ocsf.Endpoint{Name: clean(nas), IP: asset.AddrText(asset.ParseAddr(a["NAS-IP-Address"]))}
		l.add(ev)
	}
	if l.made == 0 {
		return errNothingTold
	}
	return nil
}

// radiusSignIn is the sign-in of a record, nil where it tells of none: interim
// accounting, or a device without a user.
func radiusSignIn(a map[string]string, at int64) *ocsf.Event {
	account := a["User-Name"]
	if account == "" {
		return nil
	}
	ev := &ocsf.Event{ClassUID: ocsf.Authentication, Time: at, StatusID: ocsf.StatusSuccess}
	switch {
	case a["Acct-Status-Type"] == "Start" || a["Acct-Status-Type"] == "1" || a["Packet-Type"] == "Access-Accept" || a["Packet-Type"] == "2":
		ev.ActivityID = ocsf.AuthLogon
	case a["Acct-Status-Type"] == "Stop" || a["Acct-Status-Type"] == "2":
		ev.ActivityID = ocsf.AuthLogoff
	case a["Packet-Type"] == "Access-Reject" || a["Packet-Type"] == "3":
		ev.ActivityID, ev.StatusID = ocsf.AuthLogon, ocsf.StatusFailure
	default:
		return nil
	}
	ev.Metadata.EventCode = either(a["Acct-Status-Type"], a["Packet-Type"])
	ev.Actor.User.Account = account
	ev.Actor.Session = a["Acct-Session-Id"]
	user := ev.Actor.User
	ev.User = &user
	return ev
}
