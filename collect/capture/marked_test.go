package capture

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/internal/packet"
	"github.com/cordon-health/cordon/internal/packettest"
)

// TestNobodyIsNamed: people's names and numbers pass in every protocol that is
// read, in every place where they may stand; nothing that is told has them.
func TestNobodyIsNamed(t *testing.T) {
	const name, id = "ZHANGMARKED", "11010519491231002X"
	c := func(s string) packettest.Say { return packettest.Say{Bytes: []byte(s)} }
	s := func(s string) packettest.Say { return packettest.Say{Server: true, Bytes: []byte(s)} }
	talks := map[string][]packettest.Say{
		"10.9.0.1:80": {c("GET /patients/" + name + "?idno=" + id + " HTTP/1.1\r\nHost: his.example\r\nReferer: http://his/" + name + "\r\nCookie: user=" + name + "\r\nUser-Agent: Mozilla/5.0\r\n\r\n"),
			s("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Disposition: attachment; filename=" + name + ".pdf\r\nContent-Length: 60\r\n\r\n{\"name\":\"" + name + "\",\"idno\":\"" + id + "\"}        ")},
		"10.9.0.2:21": {s("220 ready\r\n"), c("USER " + name + "\r\n"), s("331 ok\r\n"), c("PASS " + id + "\r\n"), s("230 Welcome " + name + "\r\n"),
			c("CWD /" + name + "\r\n"), c("STOR " + name + "_" + id + ".dcm\r\n"), s("550 " + name + ": no such file\r\n"), c("RETR " + name + ".pdf\r\n")},
		"10.9.0.3:23": {s("\xff\xfd\x18login: "), c(name + "\r\n"), s("Password: "), c(id + "\r\n"), s("Welcome " + name + "\r\n$ ")},
		"10.9.0.4:25": {s("220 mail ESMTP\r\n"), c("EHLO ws\r\n"), s("250 ok\r\n"), c("MAIL FROM:<" + name + "@h.example>\r\n"), s("250 ok\r\n"), c("RCPT TO:<" + name + "@x.example>\r\n"),
			s("550 " + name + " unknown\r\n"), c("DATA\r\n"), s("354 go\r\n"), c("Subject: " + name + " " + id + "\r\n\r\nPID|1||" + id + "||" + name + "\r\n.\r\n")},
		"10.9.0.5:2575": {c("\x0bMSH|^~\\&|HIS|ZY|LIS|L|20260101||ADT^A01|" + id + "|P|2.3\rPID|1||" + id + "||" + name + "^X\rOBX|1|ST|" + name + "||" + name + "\r\x1c\r"),
			s("\x0bMSH|^~\\&|LIS|L|HIS|ZY|20260101||ACK|1|P|2.3\rMSA|AE|" + id + "|" + name + " not found\r\x1c\r")},
		"10.9.0.6:110": {s("+OK POP3\r\n"), c("USER " + name + "\r\n"), s("+OK\r\n"), c("PASS " + id + "\r\n"), s("+OK " + name + "\r\n")},
		"10.9.0.7:143": {s("* OK IMAP4\r\n"), c("a LOGIN " + name + " " + id + "\r\n"), s("a OK " + name + "\r\n"), c("b SELECT " + name + "\r\n")},
		"10.9.0.8:8080": {c("POST /api/" + name + " HTTP/1.1\r\nHost: his\r\nContent-Type: application/fhir+json\r\nContent-Length: 94\r\n\r\n{\"resourceType\":\"Patient\",\"name\":\"" + name + "\",\"identifier\":\"" + id + "\",\"id\":\"11010519491231002X\"}   "),
			s("HTTP/1.1 404 " + name + "\r\nLocation: /" + name + "\r\nX-Error: " + name + "\r\n\r\n")},
	}
	var frames [][]byte
	port := 40000
	for server, said := range talks {
		port++
		frames = append(frames, packettest.Session(fmt.Sprintf("10.8.0.5:%d", port), server, said...)...)
	}
	for _, l := range []string{"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: urn:" + name + "\r\nMAN: \"ssdp:discover\"\r\n\r\n"} {
		frames = append(frames, packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.8.0.5", "239.255.255.250", packettest.UDP(50000, 1900, []byte(l)))))
	}
	query := "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + string(rune(len(name))) + name + "\x03his\x07example\x00\x00\x01\x00\x01"
	frames = append(frames, packettest.Ether(packettest.MAC(1), packettest.MAC(2), packettest.IP("10.8.0.5", "10.9.0.53", packettest.UDP(50001, 53, []byte(query)))))
	packets, streams := Dissectors(ClinicalOptions{Sensor: "test"})
	var all []any
	for _, d := range packets {
		all = append(all, d)
	}
	for _, d := range streams {
		all = append(all, d)
	}
	h := &heard{}
	e := engineFor(t, h, Config{}, unique(all)...)
	at := int64(1_700_000_000e9)
	for _, f := range frames {
		at += 1e6
		e.Frame(at, packet.LinkEthernet, len(f), f)
	}
	e.Flush()
	if len(h.alarms) == 0 || len(h.seen) == 0 || len(h.flows) < len(talks) {
		t.Fatalf("too little was told to mean anything: %d %d %d", len(h.alarms), len(h.seen), len(h.flows))
	}
	look := func(what any) {
		text, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range []string{name, id, strings.ToLower(name)} {
			if strings.Contains(string(text), mark) {
				t.Errorf("%s is named in %.400s", mark, text)
			}
		}
	}
	for _, x := range h.seen {
		look(x)
	}
	for _, x := range h.alarms {
		look(x)
	}
	for _, x := range h.flows {
		look(x)
	}
	for _, x := range h.events {
		look(x)
	}
}

// unique drops what stands in both lists of dissectors.
func unique(all []any) (out []any) {
	seen := map[any]bool{}
	for _, d := range all {
		if !seen[d] {
			seen[d] = true
			out = append(out, d)
		}
	}
	return out
}
