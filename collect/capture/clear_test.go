package capture

import (
	"slices"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packettest"
)

// TestClearText runs each protocol that carries passwords and patients.
func TestClearText(t *testing.T) {
	c := func(text string) packettest.Say { return packettest.Say{Bytes: []byte(text)} }
	s := func(text string) packettest.Say { return packettest.Say{Server: true, Bytes: []byte(text)} }
	ids := "身份证 110101199003070011;" + clearMakeID("44010619900307851") + ";" + clearMakeID("11010519491231002") + "。"
	dicom := strings.Repeat("\x00", 128) + "DICM\x02\x00\x00\x00UL\x04\x00\xc0\x00\x00\x00" + markedName
	cases := []struct {
		name, app         string
		said              []packettest.Say
		password, patient bool
	}{
		{"ftp", "ftp", []packettest.Say{s("220 ready\r\n"), c("USER nurse\r\n"), s("331 ok\r\n"), c("PASS geheim\r\n"), s("230 ok\r\n"), c("STOR MARKED.dcm\r\n")}, true, false},
		{"ftp anonymous", "ftp", []packettest.Say{s("220 ready\r\n"), c("USER anonymous\r\n"), s("331 ok\r\n"), c("PASS a@b\r\n")}, false, false},
		{"ftp tls", "ftp", []packettest.Say{s("220 ready\r\n"), c("AUTH TLS\r\n"), s("234 ok\r\n"), c("PASS geheim\r\n")}, false, false},
		{"telnet", "telnet", []packettest.Say{s("\xff\xfb\x01\xff\xfb\x03"), c("\xff\xfd\x01"), s("login: "), c("nurse\r\n"), s("Password: "), c("geheim\r\n"), s(ids)}, true, true},
		{"http basic", "http", []packettest.Say{c("GET /ward?name=MARKED HTTP/1.1\r\nHost: h\r\nAuthorization: Basic Z2VoZWlt\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n" + ids)}, true, true},
		{"http form", "http", []packettest.Say{c("POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nuser=a&password=geheim")}, true, false},
		{"http json", "http", []packettest.Say{c("POST /login HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"user\":\"a\", \"password\" : \"geheim\"}")}, true, false},
		{"http fhir", "http", []packettest.Say{c("GET /Patient/1 HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n{\"resourceType\": \"Patient\", \"name\":\"MARKED\"}")}, false, true},
		{"http hl7", "http", []packettest.Say{c("POST /hl7 HTTP/1.1\r\n\r\n" + hl7Marked), s("HTTP/1.1 200 OK\r\n\r\n")}, false, true},
		{"http clean", "http", []packettest.Say{c("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), s("HTTP/1.1 200 OK\r\n\r\n110101199003070011 phone 13800138000 and 12345678901234567890 " + clearMakeID("11010519491231002"))}, false, false},
		{"pop3", "pop3", []packettest.Say{s("+OK hi\r\n"), c("USER a\r\n"), s("+OK\r\n"), c("PASS geheim\r\n")}, true, false},
		{"imap", "imap", []packettest.Say{s("* OK hi\r\n"), c("a1 LOGIN a geheim\r\n")}, true, false},
		{"imap tls", "imap", []packettest.Say{s("* OK hi\r\n"), c("a1 STARTTLS\r\n"), s("a1 OK go\r\n"), c("a2 LOGIN a geheim\r\n")}, false, false},
		{"smtp", "smtp", []packettest.Say{s("220 hi\r\n"), c("EHLO x\r\n"), s("250 AUTH\r\n"), c("AUTH LOGIN\r\n"), s("334 VXNlcm5hbWU6\r\n"), c("Z2VoZWlt\r\n")}, true, false},
		{"smtp cram", "smtp", []packettest.Say{s("220 hi\r\n"), c("EHLO x\r\n"), s("250 AUTH\r\n"), c("AUTH CRAM-MD5\r\n"), s("334 x\r\n"), c("Z2VoZWlt\r\n")}, false, false},
		{"ldap", "ldap", []packettest.Say{c("\x30\x1a\x02\x01\x01\x60\x15\x02\x01\x03\x04\x08cn=admin\x80\x06geheim")}, true, false},
		{"ldap anonymous", "ldap", []packettest.Say{c("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00xx")}, false, false},
		{"vnc", "vnc", []packettest.Say{s("RFB 003.008\n"), c("RFB 003.008\n"), s("\x01\x01"), c("\x01"), s("\x00\x00\x00\x00")}, true, false},
		{"vnc password", "vnc", []packettest.Say{s("RFB 003.008\n"), c("RFB 003.008\n"), s("\x02\x01\x02"), c("\x02")}, false, false},
		{"file", "ftp-data", []packettest.Say{s(dicom)}, false, true},
	}
	for _, c := range cases {
		h := replay(t, packettest.Session("10.0.0.5:40000", "10.0.0.9:7777", c.said...), clinicalFor(ClinicalOptions{})...)
		k := h.kinds()
		if k[asset.ClearPassword] > 0 != c.password || k[asset.ClearPatientData] > 0 != c.patient {
			t.Errorf("%s: %v", c.name, h.alarms)
		}
		if f := h.flow("10.0.0.9", 7777); f.App != c.app || slices.Contains(f.Clear, "patient") != c.patient || slices.Contains(f.Clear, "password") != c.password {
			t.Errorf("%s: %+v", c.name, f)
		}
		nothingMarked(t, h)
	}
}

// clearMakeID completes 17 digits to an identity number.
func clearMakeID(digits string) string {
	for _, c := range "0123456789X" {
		if id := digits + string(c); clearIDNumber([]byte(id)) {
			return id
		}
	}
	panic("no check digit")
}

// TestFTPData follows a passive transfer.
func TestFTPData(t *testing.T) {
	control := packettest.Session("10.0.0.5:40000", "10.0.0.9:21", packettest.Say{Server: true, Bytes: []byte("220 hi\r\n")}, packettest.Say{Bytes: []byte("USER a\r\n")},
		packettest.Say{Server: true, Bytes: []byte("227 Entering Passive Mode (10,0,0,9,200,10)\r\n")})
	file := packettest.Session("10.0.0.5:40001", "10.0.0.9:51210", packettest.Say{Server: true, Bytes: []byte("some export\n" + hl7Marked)})
	h := replay(t, append(control[:len(control)-3], file...), clinicalFor(ClinicalOptions{})...)
	if h.kinds()[asset.ClearPatientData] != 1 {
		t.Error(h.alarms)
	}
	nothingMarked(t, h)
}

// TestTelnetSlowly types one sign at a time.
func TestTelnetSlowly(t *testing.T) {
	var d clearScan
	found := false
	for _, c := range "MSH|^~\\&|A\rPID|1||MARK\r" {
		found = d.data(0, 1, []byte(string(c))) || found
	}
	if !found {
		t.Error("not found in single signs")
	}
	var wide clearScan
	text := tdsWide(clearMakeID("44010619900307851") + " " + clearMakeID("11010519491231002") + " ")
	if !wide.data(1, 1, text[:30]) && !wide.data(1, 1, text[30:]) {
		t.Error("not found in UTF-16")
	}
}
