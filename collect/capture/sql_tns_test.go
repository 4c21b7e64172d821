package capture

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/internal/packettest"
)

func tnsPacket(kind byte, body []byte) []byte {
	head := []byte{0, 0, 0, 0, kind, 0, 0, 0}
	binary.BigEndian.PutUint16(head, uint16(len(body)+8))
	return append(head, body...)
}

func tnsConnectPacket(descriptor string) []byte {
	body := make([]byte, 62)
	binary.BigEndian.PutUint16(body, 318)
	binary.BigEndian.PutUint16(body[16:], uint16(len(descriptor)))
	binary.BigEndian.PutUint16(body[18:], 70)
	return tnsPacket(tnsConnect, append(body, descriptor...))
}

// TestTNSVectors reads a conversation made by what is publicly known of TNS and
// TTC; there is no Oracle to test with.
func TestTNSVectors(t *testing.T) {
	data := func(parts ...string) packettest.Say {
		return packettest.Say{Bytes: tnsPacket(tnsData, []byte("\x00\x00"+strings.Join(parts, "")))}
	}
	long := "SELECT name FROM patient WHERE name = '标记' AND note LIKE '" + strings.Repeat("x", 300) + "'"
	pieces := "\xfe"
	for rest := long; rest != ""; {
		n := min(len(rest), 64)
		pieces += string([]byte{byte(n)}) + rest[:n]
		rest = rest[n:]
	}
	sized := "\xfe\x02" + string(binary.BigEndian.AppendUint16(nil, uint16(len(long)))) + long + "\x00"
	accept := make([]byte, 24)
	binary.BigEndian.PutUint16(accept, 312)
	ok := packettest.Say{Server: true, Bytes: tnsPacket(tnsData, []byte("\x00\x00\x08ok"))}
	said := []packettest.Say{
		{Bytes: tnsConnectPacket(`(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=his)(CID=(PROGRAM=C:\his\his.exe)(HOST=WARD3)(USER=doctor)))(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.0.9)(PORT=1521)))`)},
		{Server: true, Bytes: tnsPacket(tnsAccept, accept)},
		data("\x03\x76\x02\x01\x01\x05\x01\x01\x01\x05\x01\x01\x05SCOTT\x01\x0d\x0dAUTH_TERMINAL\x01\x05\x05WARD3\x00"), ok,
		data("\x03\x5e\x04\x02\x80\x29\x00\x01\x01\x24\x01\x01\x0d\x00", "\x24SELECT id FROM patient WHERE ward= 1", "\x01\x01\x00"), ok,
		data("\x11\x69\x05\x01\x01\x01\x01\x03\x5e\x06\x02\x80\x29\x00\x01", pieces+"\x00", "\x00"), ok,
		data("\x03\x5e\x07\x02\x80\x29", sized), ok,
		data("\x03\x5e\x07\x02\x80\x29 no length SELECT * FROM somewhere"), ok,
	}
	h := replay(t, packettest.Session("10.0.0.5:40000", "10.0.0.9:9000", said...), clinicalFor(ClinicalOptions{})...)
	want := `query "` + strings.ReplaceAll(long, `"`, `\"`) + `" 0`
	wantAsked(t, h, `connect`, `query "SELECT id FROM patient WHERE ward= 1" 0`, want, want)
	if len(h.events) != 4 {
		t.Error(asked(h))
	}
	e := h.events[1]
	if e.Actor.User.Account != "SCOTT" || e.Database.Name != "his" || e.Actor.AppName != "his.exe" || e.SrcEndpoint.Hostname != "WARD3" ||
		e.Actor.OnBehalfOf == nil || e.Actor.OnBehalfOf.Account != "doctor" || e.DstEndpoint.Name != "Oracle" {
		t.Errorf("%s", e.AppendJSON(nil))
	}
	h = replay(t, packettest.Session("10.0.0.5:40000", "10.0.0.9:1521", said[0],
		packettest.Say{Server: true, Bytes: tnsPacket(tnsRefuse, slices.Concat([]byte{0, 0, 0, 60}, []byte("(DESCRIPTION=(ERR=12514)(VSNNUM=318767104))")))}), clinicalFor(ClinicalOptions{})...)
	wantAsked(t, h, `connect error 12514`)
}
