package asset

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// Inventory is the software of one device.
type Inventory struct {
	Device   string     `json:"device"`
	Vendor   string     `json:"vendor,omitempty"`
	Software []Software `json:"software"`
}

// Matched says what a comparison with lists of vulnerabilities came to.
type Matched struct {
	Records   int `json:"records"`   // of the OSV list
	Refused   int `json:"refused"`   // records that could not be read
	Exploited int `json:"exploited"` // entries of the KEV list
	Software  int `json:"software"`
	Devices   int `json:"devices"` // with weaknesses
	Found     int `json:"found"`
}

// MatchSoftware compares software with offline lists: OSV records (a folder,
// a zip file or one record) and CISA's list of vulnerabilities known to be
// exploited (KEV, JSON or CSV). Either may be "".
func MatchSoftware(ctx context.Context, inv []Inventory, osv, kev string) (map[string][]Weakness, Matched, error) {
	var m Matched
	list, err := readKEV(kev)
	if err != nil {
		return nil, m, err
	}
	m.Exploited = len(list)
	found := newFindings(inv, list)
	m.Software = found.count
	if osv != "" {
		if m.Records, m.Refused, err = readOSV(osv, found.record); err != nil {
			return nil, m, err
		}
	}
	found.byProduct()
	out := found.done()
	m.Devices = len(out)
	for _, w := range out {
		m.Found += len(w)
	}
	return out, m, ctx.Err()
}

// install is one piece of software on one device.
type install struct {
	device    string
	vendor    string
	ecosystem string
	Software
}

type findings struct {
	byName map[string][]install // lower-case package name
	kev    map[string]kevEntry
	out    map[string]map[string]Weakness // device -> id and software
	count  int
}

func newFindings(inv []Inventory, kev map[string]kevEntry) *findings {
	f := &findings{byName: map[string][]install{}, kev: kev, out: map[string]map[string]Weakness{}}
	for _, dev := range inv {
		for _, s := range dev.Software {
			eco, name := packageOf(s)
			f.byName[name] = append(f.byName[name], install{dev.Device, dev.Vendor, eco, s})
			f.count++
		}
	}
	return f
}

// packageOf is the ecosystem and package name of software: by its purl, else
// by its name alone.
func packageOf(s Software) (ecosystem, name string) {
	rest, ok := strings.CutPrefix(s.PURL, "pkg:")
	if !ok {
		return "", product(s.Name)
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	if i := strings.LastIndexByte(rest, '@'); i > 0 {
		rest = rest[:i]
	}
	kind, path, _ := strings.Cut(rest, "/")
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	return ecosystemOf(strings.ToLower(kind), path, query), strings.ToLower(packageName(strings.ToLower(kind), path))
}

// ecosystemOf is OSV's word for a type of purl, with the release of a
// distribution where the purl tells it.
func ecosystemOf(kind, path, query string) string {
	switch kind {
	case "pypi":
		return "PyPI"
	case "npm":
		return "npm"
	case "golang":
		return "Go"
	case "maven":
		return "Maven"
	case "nuget":
		return "NuGet"
	case "cargo":
		return "crates.io"
	case "gem":
		return "RubyGems"
	case "composer":
		return "Packagist"
	case "apk":
		return "Alpine"
	case "deb":
		eco := "Debian"
		if strings.HasPrefix(strings.ToLower(path), "ubuntu/") {
			eco = "Ubuntu"
		}
		q, _ := url.ParseQuery(query)
		if release := regexp.MustCompile(`\d+(\.\d+)?`).FindString(q.Get("distro")); release != "" {
			return eco + ":" + release
		}
		return eco
	case "bitnami":
		return "Bitnami"
	}
	return kind
}

func packageName(kind, path string) string {
	switch kind {
	case "maven":
		if i := strings.LastIndexByte(path, '/'); i >= 0 {
			return path[:i] + ":" + path[i+1:]
		}
	case "deb", "apk", "rpm", "bitnami": // the namespace is the distribution
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return path
}

// product is a name of a product in its usual form.
func product(name string) string {
	low := strings.ToLower(strings.TrimSpace(name))
	for _, s := range []string{"apache ", "microsoft ", "oracle "} {
		low = strings.TrimPrefix(low, s)
	}
	switch low = strings.Trim(strings.NewReplacer("_", " ", "-", " ").Replace(low), " "); low {
	case "http server", "httpd":
		return "apache"
	case "postgres":
		return "postgresql"
	}
	return low
}

// record compares one OSV record with all software.
func (f *findings) record(r *osvRecord) {
	if r.Withdrawn != "" {
		return
	}
	for i := range r.Affected {
		a := &r.Affected[i]
		names := []string{strings.ToLower(a.Package.Name)}
		if p := product(a.Package.Name); p != names[0] {
			names = append(names, p)
		}
		for _, name := range names {
			for _, in := range f.byName[name] {
				if !sameEcosystem(in.ecosystem, a.Package.Ecosystem) {
					continue
				}
				if why, fixed, ok := a.affects(in.Version); ok {
					f.found(r, a, in, why, fixed)
				}
			}
		}
	}
}

// sameEcosystem says whether a package and software are of one world. What
// has no purl is compared with the lists of products that stand for
// themselves.
func sameEcosystem(has, listed string) bool {
	if has == "" {
		return listed == "" || listed == "Bitnami"
	}
	x, xr, _ := strings.Cut(has, ":")
	y, yr, _ := strings.Cut(listed, ":")
	if !strings.EqualFold(x, y) {
		return false
	}
	yr = strings.TrimPrefix(strings.TrimPrefix(yr, "Pro:"), "v")
	return xr == "" || yr == "" || xr == yr || strings.HasPrefix(yr, xr+":")
}

func (f *findings) found(r *osvRecord, a *osvAffected, in install, why ocsf.Text, fixed string) {
	w := Weakness{ID: r.ID, Software: strings.TrimSpace(in.Name + " " + in.Version), Severity: r.score(a), Summary: clean(cmp.Or(r.Summary, firstLine(r.Details))), Fixed: fixed, From: "OSV", Why: why}
	for _, cve := range r.cves() {
		w.ID = cve
		if k, ok := f.kev[cve]; ok {
			w.Exploited, w.Due, w.From = true, k.Due, "OSV, KEV"
			break
		}
	}
	f.put(in.device, w)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len([]rune(s)) > 200 {
		s = string([]rune(s)[:200]) + "…"
	}
	return s
}

// mostWeaknesses is how many one device lists.
const mostWeaknesses = 2000

func (f *findings) put(device string, w Weakness) {
	if f.out[device] == nil {
		f.out[device] = map[string]Weakness{}
	}
	key := w.ID + " " + w.Software
	if old, ok := f.out[device][key]; ok && !old.Unsure || len(f.out[device]) >= mostWeaknesses {
		return
	}
	f.out[device][key] = w
}

// byProduct compares the names of products with the KEV list, which has no
// versions: what fits is possible, not sure. Names that stand for many
// products are left out.
func (f *findings) byProduct() {
	for _, cve := range slices.Sorted(maps.Keys(f.kev)) {
		k := f.kev[cve]
		name := product(k.Product)
		if name == "" || strings.Contains(name, "multiple") || name == "windows" || strings.Contains(name, "kernel") {
			continue
		}
		for _, in := range f.byName[name] {
			if !k.maker(in) || in.ecosystem != "" || f.sure(in.device, cve) {
				continue
			}
			f.put(in.device, Weakness{ID: cve, Software: strings.TrimSpace(in.Name + " " + in.Version), Exploited: true, Due: k.Due, Summary: clean(k.Name), From: "KEV", Unsure: true,
				Why: ocsf.Text{EN: "the product is in the list of what is exploited; which versions, the list does not say", ZH: "该产品在已知被利用漏洞目录中；目录未注明版本"}})
		}
	}
}

func (f *findings) sure(device, cve string) bool {
	for _, w := range f.out[device] {
		if w.ID == cve {
			return true
		}
	}
	return false
}

// maker says that an entry's maker is that of the software: by its CPE, by
// what is told of the device, or by its name.
func (k kevEntry) maker(in install) bool {
	vendor := strings.ToLower(k.Vendor)
	if parts := strings.Split(in.CPE, ":"); len(parts) > 4 {
		return strings.EqualFold(parts[3], strings.ReplaceAll(vendor, " ", "_"))
	}
	return strings.Contains(strings.ToLower(in.Name), vendor) || strings.EqualFold(in.vendor, vendor) || strings.EqualFold(k.Product, vendor)
}

// done sorts what was found: exploited first, then by severity.
func (f *findings) done() map[string][]Weakness {
	out := map[string][]Weakness{}
	for device, all := range f.out {
		list := slices.Collect(maps.Values(all))
		slices.SortFunc(list, compareWeakness)
		out[device] = list
	}
	return out
}

func compareWeakness(a, b Weakness) int {
	rank := func(w Weakness) int {
		switch {
		case w.Exploited && !w.Unsure:
			return 0
		case w.Unsure:
			return 2
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Severity, a.Severity), strings.Compare(a.ID, b.ID), strings.Compare(a.Software, b.Software))
}

// kevEntry is one line of CISA's list.
type kevEntry struct {
	CVE     string `json:"cveID"`
	Vendor  string `json:"vendorProject"`
	Product string `json:"product"`
	Name    string `json:"vulnerabilityName"`
	Due     string `json:"dueDate"`
}

func readKEV(name string) (map[string]kevEntry, error) {
	if name == "" {
		return map[string]kevEntry{}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the KEV list: %w", err)
	}
	defer f.Close()
	list, err := parseKEV(io.LimitReader(f, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("read the KEV list: %w", err)
	}
	return list, nil
}

// parseKEV reads the list as JSON or as CSV, as CISA gives both.
func parseKEV(r io.Reader) (map[string]kevEntry, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	out := map[string]kevEntry{}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var doc struct {
			Vulnerabilities []kevEntry `json:"vulnerabilities"`
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return nil, err
		}
		for _, k := range doc.Vulnerabilities {
			out[k.CVE] = k
		}
	} else if err := kevLines(text, out); err != nil {
		return nil, err
	}
	delete(out, "")
	if len(out) == 0 {
		return nil, errors.New("there is no entry in it; give known_exploited_vulnerabilities.json or .csv of cisa.gov")
	}
	return out, nil
}

func kevLines(text string, out map[string]kevEntry) error {
	lines := csv.NewReader(strings.NewReader(text))
	lines.FieldsPerRecord = -1
	header, err := lines.Read()
	if err != nil {
		return err
	}
	for {
		row, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		at := func(name string) string {
			if i := slices.Index(header, name); i >= 0 && i < len(row) {
				return row[i]
			}
			return ""
		}
		out[at("cveID")] = kevEntry{at("cveID"), at("vendorProject"), at("product"), at("vulnerabilityName"), at("dueDate")}
	}
}

// Inventories lists the software of all devices in use: what lists say, and
// what devices say of themselves.
func (b *Book) Inventories() []Inventory {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []Inventory
	for id, u := range b.units {
		if list := b.softwareOf(id); len(list) > 0 && b.words[id].get(fieldRetired) == "" {
			out = append(out, Inventory{id, b.classes[b.leader(u).ID].Vendor, list})
		}
	}
	slices.SortFunc(out, func(x, y Inventory) int { return strings.Compare(x.Device, y.Device) })
	return out
}

// softwareOf is what lists say runs there, and what the device says itself.
func (b *Book) softwareOf(id string) []Software {
	var out []Software
	for _, list := range slices.Sorted(maps.Keys(b.software[id])) {
		out = append(out, b.software[id][list]...)
	}
	if u := b.units[id]; u != nil {
		for i := range u.Facts {
			out = append(out, spoken(u.Facts[i].Fact)...)
		}
	}
	return out
}

// spoken is the software that a fact names with its version.
func spoken(f Fact) []Software {
	var out []Software
	add := func(name, version string) {
		if name != "" && version != "" && isDigit(version[0]) && len(out) < 8 {
			out = append(out, Software{Name: name, Version: version, From: "seen"})
		}
	}
	switch f.Name {
	case FactDatabase:
		if i := strings.LastIndexByte(f.Value, ' '); i > 0 {
			add(f.Value[:i], f.Value[i+1:])
		}
	case FactServerBanner:
		if v, ok := strings.CutPrefix(f.Value, "SSH-2.0-OpenSSH_"); ok {
			v, _, _ = strings.Cut(v, " ")
			add("openssh", v)
			break
		}
		for word := range strings.FieldsSeq(f.Value) {
			if name, version, ok := strings.Cut(word, "/"); ok {
				add(name, version)
			}
		}
	}
	return out
}

// SetWeaknesses takes what a comparison found, in place of what was known
// before. Devices not named have none.
func (b *Book) SetWeaknesses(ctx context.Context, found map[string][]Weakness) error {
	b.editing.Lock()
	defer b.editing.Unlock()
	err := b.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM asset_weaknesses`); err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(found)) {
			body, err := json.Marshal(found[id])
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO asset_weaknesses (device, body) VALUES ($1, $2)`, id, string(body)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save weaknesses: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.weak, b.news = found, true
	if b.weak == nil {
		b.weak = map[string][]Weakness{}
	}
	return nil
}

func (b *Book) loadWeaknesses(tx *sql.Tx) error {
	b.news = true
	return each(tx, `SELECT device, body FROM asset_weaknesses`, func(rows *sql.Rows) error {
		var id, body string
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		var list []Weakness
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			return fmt.Errorf("read weaknesses: %w", err)
		}
		b.weak[id] = list
		return nil
	})
}

func (b *Book) loadSoftware(tx *sql.Tx) error {
	return each(tx, `SELECT device, list, body FROM asset_software`, func(rows *sql.Rows) error {
		var id, list, body string
		if err := rows.Scan(&id, &list, &body); err != nil {
			return err
		}
		var all []Software
		if err := json.Unmarshal([]byte(body), &all); err != nil {
			return fmt.Errorf("read software: %w", err)
		}
		b.hold(id, list, all)
		return nil
	})
}

func (b *Book) hold(id, list string, all []Software) {
	if b.software[id] == nil {
		b.software[id] = map[string][]Software{}
	}
	b.software[id][list] = all
}
