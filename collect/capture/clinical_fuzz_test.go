package capture

import (
	"net/netip"
	"testing"
)

// clinicalFuzzStream gives bytes to a dissector's parser, sides taking turns as the
// bytes say, with gaps between.
func clinicalFuzzStream(t *testing.T, d StreamDissector, data []byte, step uint8) {
	s := &Stream{Client: netip.MustParseAddrPort("10.0.0.5:40000"), Server: netip.MustParseAddrPort("10.0.0.9:1000"), Opened: 1, Whole: step&1 == 0}
	half := len(data) / 2
	d.Probe(s, data[:half], data[half:])
	d.Probe(s, data, nil)
	d.Probe(s, nil, data)
	p := d.Open(s, &heard{})
	chunk := int(step>>1) + 1
	for i, at := 0, int64(1); len(data) > 0; i, at = i+1, at+1e9 {
		n := min(chunk, len(data))
		if !p.Data(i%3 != 1, at, data[:n]) {
			break
		}
		data = data[n:]
		if i%17 == 16 && !p.Gap(i%2 == 0, i) {
			break
		}
	}
	p.Close(9e9)
	if len(s.notes.Calls) > 64 {
		t.Error("too many names of calls")
	}
}

// clinicalFuzz fuzzes a dissector, and wants all that was kept of statements to be given back.
func clinicalFuzz(f *testing.F, which func(c *clinical) StreamDissector, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(200))
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		c := &clinical{ClinicalOptions: ClinicalOptions{Memory: NewClinicalMemory(-1), Finds: 2, Matches: 2}, sqlRoom: sqlAllTexts}
		clinicalFuzzStream(t, which(c), data, step)
		if c.sqlRoom != sqlAllTexts {
			t.Errorf("%d bytes of statements were not given back", sqlAllTexts-c.sqlRoom)
		}
	})
}

func FuzzDICOMStream(f *testing.F) {
	rq := "\x01\x00\x00\x00\x00\x60\x00\x01\x00\x00PACS            CT1             " + string(make([]byte, 32)) +
		"\x10\x00\x00\x05\x31.2.3\x20\x00\x00\x0c\x01\x00\x00\x00\x30\x00\x00\x04\x31.2."
	find := "\x04\x00\x00\x00\x00\x2e\x00\x00\x00\x2a\x01\x03\x00\x00\x00\x00\x04\x00\x00\x00\x1c\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x00\x20\x00\x00\x00\x00\x08\x02\x00\x00\x00\x00\x00"
	clinicalFuzz(f, func(c *clinical) StreamDissector { return &dicomDissector{c} }, rq, rq+find, find)
}

func FuzzHL7Stream(f *testing.F) {
	clinicalFuzz(f, func(c *clinical) StreamDissector { return &hl7Dissector{c} }, "\x0b"+hl7Marked+"\x1c\r", "FHS|^~\\&|\rMSH|^~\\&|\r")
}

func FuzzMySQLStream(f *testing.F) {
	clinicalFuzz(f, func(c *clinical) StreamDissector { return &mysqlDissector{c} },
		"\x4a\x00\x00\x00\x0a8.0.35\x00\x01\x00\x00\x00aaaaaaaa\x00\xff\xff\xff\x02\x00\xff\xdf\x15", "\x09\x00\x00\x00\x03SELECT 1", "\x09\x00\x00\x00\x16SELECT ?")
}

func FuzzPostgresStream(f *testing.F) {
	clinicalFuzz(f, func(c *clinical) StreamDissector { return &pgDissector{c} },
		"\x00\x00\x00\x08\x04\xd2\x16\x2f", "\x00\x00\x00\x15\x00\x03\x00\x00user\x00nurse\x00\x00\x00", "Q\x00\x00\x00\x0dSELECT 1\x00", "P\x00\x00\x00\x10s\x00SELECT 1\x00\x00\x00")
}

func FuzzTDSStream(f *testing.F) {
	batch := string(tdsPacket(tdsBatch, append([]byte(nil), append(tdsHeaders, tdsWide("SELECT * FROM x")...)...)))
	clinicalFuzz(f, func(c *clinical) StreamDissector { return &tdsDissector{c} }, batch,
		string(tdsPacket(tdsRPC, append([]byte("\x16\x00\x00\x00\x12\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\xff\xff\x0a\x00\x00\x00"), tdsNvarchar("SELECT 1")...))))
}

func FuzzTNSStream(f *testing.F) {
	clinicalFuzz(f, func(c *clinical) StreamDissector { return &tnsDissector{c} }, string(tnsConnectPacket("(CONNECT_DATA=(SID=x)(CID=(USER=u)))")),
		string(tnsPacket(tnsData, []byte("\x00\x00\x03\x5e\x01\x02\x0cSELECT 1 x y"))))
}

func FuzzClearStreams(f *testing.F) {
	for _, s := range []string{"220 x\r\nUSER a\r\nPASS b\r\nPORT 1,2,3,4,5,6\r\n227 (1,2,3,4,5,6)\r\n", "\xff\xfb\x01login:", "GET / HTTP/1.1\r\nAuthorization: Basic x\r\n",
		"+OK\r\nPASS x\r\n", "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00xx", "RFB 003.008\n\x01\x01"} {
		f.Add([]byte(s), uint8(0))
		f.Add([]byte(s), uint8(9))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		for _, d := range Clinical(ClinicalOptions{})[6:] {
			clinicalFuzzStream(t, d, data, step)
		}
	})
}
