package asset

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
)

// bill is what is read of a CycloneDX bill of materials (ECMA-424, versions
// 1.2 to 1.6), JSON or XML.
type bill struct {
	XMLName   xml.Name    `xml:"bom" json:"-"`
	Format    string      `xml:"-" json:"bomFormat"`
	Component *component  `xml:"metadata>component" json:"-"`
	Metadata  *metadata   `xml:"-" json:"metadata"`
	List      []component `xml:"components>component" json:"components"`
}

type metadata struct {
	Component *component `json:"component"`
}

type component struct {
	Type      string      `xml:"type,attr" json:"type"`
	Group     string      `xml:"group" json:"group"`
	Name      string      `xml:"name" json:"name"`
	Version   string      `xml:"version" json:"version"`
	Publisher string      `xml:"publisher" json:"publisher"`
	PURL      string      `xml:"purl" json:"purl"`
	CPE       string      `xml:"cpe" json:"cpe"`
	Parts     []component `xml:"components>component" json:"components"`
	Props     []property  `xml:"properties>property" json:"properties"`
}

type property struct {
	Name  string `xml:"name,attr" json:"name"`
	Value string `xml:",chardata" json:"value"`
}

const (
	mostBill       = 256 << 20
	mostComponents = 50_000
	mostDepth      = 32
)

// readCycloneDX reads the software of one device: the one named, else the one
// whose serial, MAC or IP the main component's properties tell.
func (l *List) readCycloneDX(r io.Reader, device string) error {
	data, err := io.ReadAll(io.LimitReader(r, mostBill+1))
	switch {
	case err != nil:
		return err
	case len(data) > mostBill:
		return Mistake{"the file is larger than 256 MiB; divide it", "文件超过 256 MiB，请拆分"}
	}
	b, err := parseBill(data)
	if err != nil {
		return err
	}
	e := Entry{Line: 1, Device: device, Fields: map[string]string{}}
	if main := b.Component; main != nil {
		e.Fields[fieldModel] = clean(main.Name)
		e.Fields[fieldFirmware] = clean(main.Version)
		e.Fields[fieldVendor] = clean(main.Publisher)
		for _, p := range main.Props {
			e.property(p)
		}
	}
	e.Serial = e.Fields[fieldSerial]
	if e.Device == "" && e.Serial == "" && MACText(e.MAC) == "" && !e.IP.IsValid() {
		return Mistake{"the bill does not say which device it belongs to; name it with --device ID", "清单未注明所属设备；请用 --device 指定"}
	}
	e.Software = collect(nil, b.List, l, 0)
	l.Entries = []Entry{e}
	return nil
}

func parseBill(data []byte) (*bill, error) {
	b := &bill{}
	text := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if bytes.HasPrefix(text, []byte("{")) {
		if err := json.Unmarshal(text, b); err != nil {
			return nil, err
		}
		if b.Format != "CycloneDX" {
			return nil, Mistake{"it is no CycloneDX file: bomFormat is missing", "不是 CycloneDX 文件：缺少 bomFormat"}
		}
		if b.Metadata != nil {
			b.Component = b.Metadata.Component
		}
		return b, nil
	}
	if err := xml.Unmarshal(text, b); err != nil {
		return nil, err
	}
	if !strings.Contains(b.XMLName.Space, "cyclonedx") {
		return nil, Mistake{"it is no CycloneDX file: its namespace is another", "不是 CycloneDX 文件：命名空间不符"}
	}
	return b, nil
}

// property takes what tells the device from the main component's properties,
// whose names end in serial, mac or ip.
func (e *Entry) property(p property) {
	name := strings.ToLower(p.Name[strings.LastIndexAny(p.Name, ":.")+1:])
	value := clean(p.Value)
	switch name {
	case "serial", "serialnumber", "serial_number":
		e.Fields[fieldSerial] = value
	case "mac":
		if m := ParseMAC(value); !group(m) {
			e.MAC = m
		}
	case "ip":
		e.IP = usable(ParseAddr(value))
	}
}

func collect(out []Software, list []component, l *List, depth int) []Software {
	if depth > mostDepth {
		l.warn("components stand more than %d levels deep; those below were passed over", mostDepth)
		return out
	}
	for _, c := range list {
		if len(out) >= mostComponents {
			l.warn("more than %d components; the rest was passed over", mostComponents)
			return out
		}
		name := c.Name
		if c.Group != "" {
			name = c.Group + "/" + c.Name
		}
		if name != "" {
			out = append(out, Software{Name: clean(name), Version: clean(c.Version), PURL: clean(c.PURL), CPE: clean(c.CPE), From: l.Name})
		}
		out = collect(out, c.Parts, l, depth+1)
	}
	return out
}
