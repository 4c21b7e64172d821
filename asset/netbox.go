package asset

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Formats are the forms in which devices are given out.
func Formats() []string { return []string{"csv", "netbox-csv", "netbox-json", "jsonl"} }

// Export writes devices: as the CSV that imports read, as NetBox's bulk import
// of devices takes them (dcim.device, CSV or JSON), or as lines of JSON. site
// is the name of the hospital's site in NetBox.
func Export(w io.Writer, list []Device, format, site string) error {
	switch format {
	case "csv":
		return exportCSV(w, list)
	case "netbox-csv":
		return netboxCSV(w, list, site)
	case "netbox-json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		out := []netboxDevice{}
		for _, d := range list {
			out = append(out, netboxOf(d, site))
		}
		return e.Encode(out)
	case "jsonl":
		e := json.NewEncoder(w)
		for _, d := range list {
			if err := e.Encode(d); err != nil {
				return err
			}
		}
		return nil
	}
	return Mistake{fmt.Sprintf("there is no format %q to export", format), fmt.Sprintf("没有导出格式“%s”", format)}
}

func exportCSV(w io.Writer, list []Device) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{fieldMAC, fieldIP, fieldName, fieldKind, fieldVendor, fieldModel, fieldOS, fieldSerial, fieldFirmware, fieldOwner, fieldDepartment,
		fieldLocation, fieldCriticality, fieldLifeSupport, fieldEndOfLife, fieldSupportEnds, fieldNotes, fieldRetired})
	for _, d := range list {
		if d.SupportOf != "" { // a conclusion, which a list should not say
			d.SupportEnds = ""
		}
		level := ""
		if d.Criticality > 0 {
			level = fmt.Sprint(d.Criticality)
		}
		_ = out.Write(plainCells(first(d.MACs), first(d.IPs), d.Name, d.What.Kind, d.What.Vendor, d.What.Model, d.What.OS, d.Serial, d.Firmware, d.Owner, d.Department,
			d.Location, level, yes(d.LifeSupport), d.EndOfLife, d.SupportEnds, d.Notes, yes(d.Retired)))
	}
	out.Flush()
	return out.Error()
}

// plainCells keeps spreadsheets from taking what a device says of itself for a
// formula.
func plainCells(cells ...string) []string {
	for i, c := range cells {
		if c != "" && slices.Contains([]byte("=+-@\t\r"), c[0]) {
			cells[i] = "'" + c
		}
	}
	return cells
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// netboxDevice has the columns of NetBox's form for importing devices.
type netboxDevice struct {
	Name         string `json:"name"`
	Role         string `json:"role"`
	Manufacturer string `json:"manufacturer"`
	DeviceType   string `json:"device_type"`
	Serial       string `json:"serial"`
	Site         string `json:"site"`
	Location     string `json:"location,omitempty"`
	Status       string `json:"status"`
	Comments     string `json:"comments"`
}

func netboxOf(d Device, site string) netboxDevice {
	status := "active"
	if d.Retired {
		status = "decommissioning"
	}
	return netboxDevice{
		Name: cmp.Or(d.Name, d.ID), Role: cmp.Or(d.What.Kind, "unknown"), Manufacturer: cmp.Or(d.What.Vendor, "Unknown"), DeviceType: cmp.Or(d.What.Model, "Unknown"),
		Serial: d.Serial, Site: site, Status: status, Comments: fmt.Sprintf("Cordon %s; MAC %s; IP %s", d.ID, cmp.Or(first(d.MACs), "-"), cmp.Or(first(d.IPs), "-")),
	}
}

func netboxCSV(w io.Writer, list []Device, site string) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"name", "role", "manufacturer", "device_type", "serial", "site", "status", "comments"})
	for _, d := range list {
		n := netboxOf(d, site)
		_ = out.Write(plainCells(n.Name, n.Role, n.Manufacturer, n.DeviceType, n.Serial, n.Site, n.Status, n.Comments))
	}
	out.Flush()
	return out.Error()
}
