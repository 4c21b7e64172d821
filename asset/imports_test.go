package asset

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

const listCSV = `mac,ip,name,kind,vendor,department,criticality,life_support,end_of_life,colour
00-14-22-00-00-02,10.2.2.2,WARD-PC1,workstation,Dell,Ward 3,high,no,2027-12-31,blue
,10.9.9.9,"PACS, main",pacs,Sectra,Radiology,4,,,
001A.1100.0001,,PUMP-7,infusion-pump,B. Braun,ICU,4,yes,2026-05-01,
`

const listNmap = `<?xml version="1.0"?><!DOCTYPE nmaprun>
<nmaprun scanner="nmap" start="1700000000">
<host starttime="1700000001"><status state="up"/>
<address addr="10.2.2.9" addrtype="ipv4"/><address addr="00:14:22:00:00:09" addrtype="mac" vendor="Dell"/>
<hostnames><hostname name="db9.example" type="PTR"/></hostnames>
<ports><port protocol="tcp" portid="5432"><state state="open"/><service name="postgresql" product="PostgreSQL DB" version="13.9"><cpe>cpe:/a:postgresql:postgresql:13.9</cpe></service></port>
<port protocol="tcp" portid="22"><state state="open"/><service name="ssh" product="OpenSSH" version="8.4p1 Debian 5"/></port>
<port protocol="tcp" portid="23"><state state="closed"/></port></ports>
<os><osmatch name="Linux 5.4" accuracy="98"/></os></host>
<host><status state="down"/><address addr="10.2.2.10" addrtype="ipv4"/></host>
</nmaprun>`

const listBill = `{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"type":"device","name":"SpaceCom","version":"U61","properties":[{"name":"cordon:serial","value":"SN-448812"}]}},
"components":[{"type":"library","name":"openssl","version":"1.1.1k","purl":"pkg:deb/debian/openssl@1.1.1k-1?distro=debian-11"},
{"type":"library","group":"org.apache.logging.log4j","name":"log4j-core","version":"2.14.1","purl":"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1","components":[{"name":"inner","version":"1"}]}]}`

const listBillXML = `<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><metadata><component type="device"><name>M</name><version>1</version></component></metadata>
<components><component type="library"><name>zlib</name><version>1.2.11</version><purl>pkg:generic/zlib@1.2.11</purl></component></components></bom>`

func read(t testing.TB, text, format, device string) List {
	t.Helper()
	l, err := ReadList(strings.NewReader(text), format, format+"-list", device)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCSV(t *testing.T) {
	engines(t, func(t *testing.T, db *storeDB) {
		w := newWorld(t, db)
		w.see(pc, "10.2.2.2", "dhcp", "hostname=OLD")
		l := read(t, listCSV, "csv", "")
		if len(l.Entries) != 3 || len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "colour") {
			t.Fatalf("%+v", l)
		}
		dry, err := w.Import(t.Context(), l, Wish{By: "anna", Dry: true})
		if err != nil || dry.New != 2 || dry.Changed != 1 {
			t.Fatalf("%+v %v", dry, err)
		}
		if _, n := w.Devices(Filter{}); n != 1 {
			t.Errorf("a dry run made devices: %d", n)
		}
		if _, err := w.Import(t.Context(), l, Wish{By: "anna"}); err != nil {
			t.Fatal(err)
		}
		w.reopen() // without a checkpoint: what a list says is kept at once
		pump := w.at("00:1a:11:00:00:01")
		if !pump.LifeSupport || pump.Criticality != 4 || pump.What.Kind != "infusion-pump" || !pump.Decided || pump.What.Confidence != 1 || pump.EndOfLife != "2026-05-01" {
			t.Errorf("%+v", pump)
		}
		if d := w.at("10.9.9.9"); d.Name != "PACS, main" || !slices.Contains(d.Imported, "csv-list") {
			t.Errorf("%+v", d)
		}
		again, err := w.Import(t.Context(), l, Wish{By: "anna"})
		if err != nil || again.Same != 3 {
			t.Errorf("a second time: %+v %v", again, err)
		}
		if list, _ := w.Devices(Filter{}); !list[0].What.Medical || list[0].ID != pump.ID {
			t.Errorf("life support is not first: %+v", list[0])
		}
	})
}

func TestConflictsOfLists(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.see(pc, "10.2.2.2", "dhcp", "hostname=BRW8CAB12", "service=tcp/9100", "model=HP LaserJet M507")
	if _, err := w.Edit(t.Context(), Edit{Device: w.at(pc).ID, Fields: map[string]string{"department": "Ward 9"}, By: "anna"}); err != nil {
		t.Fatal(err)
	}
	l := read(t, "mac,ip,kind,department\n00:14:22:00:00:02,10.7.7.7,ct,Ward 3\n00:14:22:00:00:02,,,\n", "csv", "")
	done, err := w.Import(t.Context(), l, Wish{By: "bo"})
	if err != nil || len(done.Lines[0].Conflicts) != 3 || len(done.Lines[1].Conflicts) == 0 {
		t.Fatalf("%+v %v", done, err)
	}
	if d := w.at(pc); d.Department != "Ward 9" {
		t.Errorf("a list took the place of a person's word: %+v", d)
	}
	if _, err := w.Import(t.Context(), l, Wish{By: "bo", Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if d := w.at(pc); d.Department != "Ward 3" {
		t.Errorf("not overwritten: %+v", d)
	}
}

func TestMistakesInLists(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "empty",
		"name,kind\nA,ct\n":                 "required column",
		"mac\nnonsense\n":                   "line 2: mac",
		"ip\n224.0.0.1\n":                   "line 2: ip",
		"mac,mac\n":                         "twice",
		"mac,name\n00:14:22:00:00:02,\"a\n": "parse error",
	} {
		_, err := ReadList(strings.NewReader(text), "csv", "l", "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	w := newWorld(t, openSQLite(t))
	for text, want := range map[string]string{
		"mac,kind\n00:14:22:00:00:02,toaster\n":       "no kind",
		"mac,criticality\n00:14:22:00:00:02,9\n":      "criticality",
		"mac,end_of_life\n00:14:22:00:00:02,soon\n":   "end_of_life",
		"mac,life_support\n00:14:22:00:00:02,maybe\n": "life_support",
		"mac,name\n,X\n": "which device",
	} {
		_, err := w.Import(t.Context(), read(t, text, "csv", ""), Wish{By: "anna"})
		var m Mistake
		if !errors.As(err, &m) || !strings.Contains(err.Error(), want) || m.ZH == "" {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, n := w.Devices(Filter{}); n != 0 {
		t.Errorf("a refused list left %d devices", n)
	}
}

func TestNmap(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	done, err := w.Import(t.Context(), read(t, listNmap, "nmap", ""), Wish{By: "anna"})
	if err != nil || done.Read != 1 || len(done.Observations) != 1 {
		t.Fatalf("%+v %v", done, err)
	}
	for _, o := range done.Observations {
		w.Apply(o)
	}
	d := w.at("10.2.2.9")
	if d.What.Kind != "database-server" || d.Name != "db9.example" || len(d.Software) != 2 || d.Software[1].Version != "8.4p1" {
		t.Errorf("%+v", d)
	}
}

func TestBillsOfMaterials(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.see("00:1a:11:00:00:01", "10.3.3.3", "snmp", "serial=SN-448812")
	if _, err := w.Import(t.Context(), read(t, listBill, "cyclonedx", ""), Wish{By: "anna"}); err != nil {
		t.Fatal(err)
	}
	d := w.at("10.3.3.3")
	if d.Firmware != "U61" || len(d.Software) != 3 || d.Software[1].Name != "org.apache.logging.log4j/log4j-core" {
		t.Errorf("%+v", d)
	}
	if _, err := ReadList(strings.NewReader(listBillXML), "cyclonedx", "l", ""); err == nil {
		t.Error("a bill of no device")
	}
	if l := read(t, listBillXML, "cyclonedx", d.ID); len(l.Entries[0].Software) != 1 {
		t.Errorf("%+v", l)
	}
	w.checkpoint()
	w.reopen()
	if d := w.at("10.3.3.3"); len(d.Software) != 3 {
		t.Errorf("software after a restart: %+v", d.Software)
	}
}

func TestExports(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	if _, err := w.Import(t.Context(), read(t, listCSV, "csv", ""), Wish{By: "anna"}); err != nil {
		t.Fatal(err)
	}
	w.see(gateway, "", "lldp", "hostname==HYPERLINK(1)")
	list, _ := w.Devices(Filter{})
	for _, format := range Formats() {
		var out bytes.Buffer
		if err := Export(&out, list, format, "main"); err != nil {
			t.Fatal(err)
		}
		switch format {
		case "csv":
			if strings.Contains(out.String(), "\n00:00:0c:00:00:03,,=") {
				t.Error("a name became a formula")
			}
			l := read(t, out.String(), "csv", "")
			if done, err := w.Import(t.Context(), l, Wish{By: "anna", Dry: true}); err != nil || done.New != 0 || done.Read != 4 {
				t.Errorf("what was given out does not come in again: %+v %v", done, err)
			}
		case "netbox-json":
			var all []map[string]string
			if err := json.Unmarshal(out.Bytes(), &all); err != nil || all[0]["role"] != "infusion-pump" || all[0]["site"] != "main" {
				t.Errorf("%v %v", all, err)
			}
		}
		if n := strings.Count(out.String(), "PUMP-7"); n != 1 && format != "jsonl" {
			t.Errorf("%s: the pump stands there %d times", format, n)
		}
	}
}

func FuzzLists(f *testing.F) {
	for _, text := range []string{listCSV, listNmap, listBill, listBillXML, "mac\n\"", "<nmaprun><host><address addr='x' addrtype='mac'/></host>", `{"bomFormat":"CycloneDX","components":[{"components":[{"name":"a"}]}]}`} {
		for n := range uint8(3) {
			f.Add(n, []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		format := []string{"csv", "cyclonedx", "nmap"}[n%3]
		l, err := ReadList(bytes.NewReader(data), format, "l", "m-001422000002")
		if err != nil {
			return
		}
		for _, e := range l.Entries {
			if e.Device == "" && MACText(e.MAC) != "" && group(e.MAC) {
				t.Errorf("a group address is no device: %v", e.MAC)
			}
			for _, s := range e.Software {
				if strings.ContainsAny(s.Name+s.Version, "\n\x00") {
					t.Errorf("%q", s)
				}
			}
		}
	})
}

func FuzzApply(f *testing.F) {
	f.Add([]byte{0, 0x14, 0x22, 0, 0, 1}, []byte{10, 0, 0, 1}, "arp", "hostname", "x", "serial", "12345")
	f.Add([]byte{0, 0, 0, 0, 0, 0}, []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "dicom", "ae-title", "CT1", "client-id", "ff000000000000000000")
	k := testKnowledge(f)
	f.Fuzz(func(t *testing.T, mac, ip []byte, protocol, n1, v1, n2, v2 string) {
		w := inMemory(t, k)
		for i := range 4 {
			o := Observation{At: w.now.UnixNano() + int64(i), Protocol: protocol, Facts: []Fact{{FactName(n1), v1}, {FactName(n2), v2}}}
			copy(o.MAC[:], mac)
			o.MAC[5] += byte(i % 2)
			o.IP = addrOf(ip, byte(i/2))
			w.Apply(o)
		}
		list, _ := w.Devices(Filter{})
		for _, d := range list {
			if d.What.Confidence < 0 || d.What.Confidence > 1 || d.ID == "" {
				t.Errorf("%+v", d)
			}
		}
		for _, u := range w.units {
			u.wake(k)
		}
	})
}
