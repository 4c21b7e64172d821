package api

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/asset"
)

// What DeviceFilter.Only keeps.
const (
	OnlyMedical   = "medical"
	OnlyUnknown   = "unknown"
	OnlyAging     = "aging"     // past its end of life or support, or soon
	OnlyWeak      = "weak"      // with a known vulnerability
	OnlyExploited = "exploited" // with one that is being exploited
	OnlyLife      = "life-support"
	OnlyNew       = "new"     // first seen within a week
	OnlyUnowned   = "unowned" // nobody is responsible
	OnlyRetired   = "retired"
)

// DeviceViews lists the words of Only.
func DeviceViews() []string {
	return []string{OnlyMedical, OnlyUnknown, OnlyAging, OnlyWeak, OnlyExploited, OnlyLife, OnlyNew, OnlyUnowned, OnlyRetired}
}

// DeviceFilter narrows devices; what is empty keeps all. Retired ones are kept
// only when asked for.
type DeviceFilter struct {
	Text, Kind, Zone, Department, Only string
}

// agingAhead is how long before its date a device counts as aging, freshFor how
// long after first sight as new.
const (
	agingAhead = 90 * 24 * time.Hour
	freshFor   = 7 * 24 * time.Hour
)

// Aging says that a device is past its end of life or support, or soon will be.
func Aging(d asset.Device, now time.Time) bool {
	edge := now.Add(agingAhead).Format(time.DateOnly)
	return d.EndOfLife != "" && d.EndOfLife <= edge || d.SupportEnds != "" && d.SupportEnds <= edge
}

// Exploited says that one of its weaknesses is being exploited.
func Exploited(d asset.Device) bool {
	return slices.ContainsFunc(d.Weaknesses, func(w asset.Weakness) bool { return w.Exploited })
}

// Fits says whether a device passes.
func (f DeviceFilter) Fits(d asset.Device, now time.Time) bool {
	if d.Retired != (f.Only == OnlyRetired) || f.Zone != "" && d.Zone != f.Zone || f.Department != "" && d.Department != f.Department {
		return false
	}
	if f.Kind != "" && f.Kind != cmp.Or(d.What.Kind, OnlyUnknown) {
		return false
	}
	return f.view(d, now) && f.says(d)
}

func (f DeviceFilter) view(d asset.Device, now time.Time) bool {
	switch f.Only {
	case OnlyMedical:
		return d.What.Medical
	case OnlyUnknown:
		return d.What.Kind == ""
	case OnlyAging:
		return Aging(d, now)
	case OnlyWeak:
		return len(d.Weaknesses) > 0
	case OnlyExploited:
		return Exploited(d)
	case OnlyLife:
		return d.LifeSupport
	case OnlyNew:
		return d.First >= now.Add(-freshFor).UnixMilli()
	case OnlyUnowned:
		return d.Owner == ""
	}
	return true
}

// says looks for the words in what a device is called.
func (f DeviceFilter) says(d asset.Device) bool {
	if f.Text == "" {
		return true
	}
	if a, ok := NormalAddress(f.Text); ok {
		return slices.Contains(d.IPs, a) || slices.Contains(d.MACs, a)
	}
	all := strings.ToLower(strings.Join(append(append([]string{d.ID, d.Name, d.What.Kind, d.What.Vendor, d.What.Model, d.What.OS, d.Location, d.Department, d.Serial, d.Switch}, d.IPs...), d.MACs...), "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}

// Keep gives the devices that pass: medical ones first, then by kind and name.
func (f DeviceFilter) Keep(all []asset.Device, now time.Time) []asset.Device {
	out := slices.DeleteFunc(slices.Clone(all), func(d asset.Device) bool { return !f.Fits(d, now) })
	slices.SortStableFunc(out, func(a, b asset.Device) int {
		if a.What.Medical != b.What.Medical {
			if a.What.Medical {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.What.Kind, b.What.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out
}
