package asset

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// osvRecord is what matching needs of an OSV record (OSV schema 1.6).
type osvRecord struct {
	ID        string        `json:"id"`
	Aliases   []string      `json:"aliases"`
	Related   []string      `json:"related"`
	Withdrawn string        `json:"withdrawn"`
	Summary   string        `json:"summary"`
	Details   string        `json:"details"`
	Severity  []osvSeverity `json:"severity"`
	Affected  []osvAffected `json:"affected"`
	Specific  struct {
		Severity any `json:"severity"`
	} `json:"database_specific"`
}

type osvSeverity struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

type osvAffected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
		PURL      string `json:"purl"`
	} `json:"package"`
	Severity []osvSeverity `json:"severity"`
	Ranges   []osvRange    `json:"ranges"`
	Versions []string      `json:"versions"`
}

type osvRange struct {
	Type   string     `json:"type"`
	Events []osvEvent `json:"events"`
}

type osvEvent struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
	Limit        string `json:"limit"`
}

// mostRecord is the largest record read, in bytes.
const mostRecord = 16 << 20

// readOSV reads the records below a folder, in a zip file or in one file, and
// counts those that cannot be read.
func readOSV(name string, fn func(*osvRecord)) (read, refused int, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("read the OSV list: %w; give the folder, all.zip or a record of osv.dev", err)
	case info.IsDir():
		err = walkOSV(os.DirFS(name), fn, &read, &refused)
	case strings.HasSuffix(strings.ToLower(name), ".zip"):
		z, zerr := zip.OpenReader(name)
		if zerr != nil {
			return 0, 0, fmt.Errorf("read the OSV list: %w", zerr)
		}
		defer z.Close()
		err = walkOSV(z, fn, &read, &refused)
	default:
		var f *os.File
		if f, err = os.Open(name); err == nil {
			oneOSV(f, fn, &read, &refused)
			err = f.Close()
		}
	}
	if err != nil {
		return read, refused, fmt.Errorf("read the OSV list: %w", err)
	}
	if read == 0 {
		return read, refused, errors.New("read the OSV list: there is no OSV record in it")
	}
	return read, refused, nil
}

func walkOSV(files fs.FS, fn func(*osvRecord), read, refused *int) error {
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(strings.ToLower(path), ".json") {
			return err
		}
		f, err := files.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		oneOSV(f, fn, read, refused)
		return nil
	})
}

func oneOSV(r io.Reader, fn func(*osvRecord), read, refused *int) {
	data, err := io.ReadAll(io.LimitReader(r, mostRecord+1))
	rec := &osvRecord{}
	if err != nil || len(data) > mostRecord || json.Unmarshal(data, rec) != nil || rec.ID == "" {
		*refused++
		return
	}
	*read++
	fn(rec)
}

// affects says whether a version is affected, since which version, and which
// one mends it. A version that nothing is known of affects nothing.
func (a *osvAffected) affects(version string) (why ocsf.Text, fixed string, ok bool) {
	if version == "" {
		return ocsf.Text{}, "", false
	}
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue // commits, not versions
		}
		if from, until, in := a.within(r, version); in {
			return since(from, until), until.Fixed, true
		}
	}
	for _, v := range a.Versions {
		if v == version {
			return ocsf.Text{EN: "version " + v + " is listed", ZH: "版本 " + v + " 在受影响之列"}, a.firstFix(version), true
		}
	}
	return ocsf.Text{}, "", false
}

// within walks the events of a range: the newest event not above the version
// decides.
func (a *osvAffected) within(r osvRange, version string) (from string, until osvEvent, in bool) {
	order := func(x, y string) int {
		if r.Type == "SEMVER" {
			return compareDotted(x, y)
		}
		return compareVersions(a.Package.Ecosystem, x, y)
	}
	for _, e := range r.Events {
		if e.Introduced == "" || e.Introduced != "0" && order(version, e.Introduced) < 0 {
			continue
		}
		end := closing(r.Events, e.Introduced, order)
		inside := end.Fixed == "" && end.LastAffected == "" && end.Limit == "" ||
			end.Fixed != "" && order(version, end.Fixed) < 0 ||
			end.Limit != "" && (end.Limit == "*" || order(version, end.Limit) < 0) ||
			end.LastAffected != "" && order(version, end.LastAffected) <= 0
		if inside {
			return e.Introduced, end, true
		}
	}
	return "", osvEvent{}, false
}

// closing finds the event that ends what began with a version.
func closing(events []osvEvent, from string, order func(x, y string) int) osvEvent {
	var best osvEvent
	at := func(e osvEvent) string { return e.Fixed + e.LastAffected + e.Limit }
	for _, e := range events {
		if at(e) == "" || from != "0" && order(at(e), from) < 0 {
			continue
		}
		if at(best) == "" || order(at(e), at(best)) < 0 {
			best = e
		}
	}
	return best
}

func (a *osvAffected) firstFix(version string) string {
	best := ""
	for _, r := range a.Ranges {
		for _, e := range r.Events {
			if e.Fixed != "" && r.Type != "GIT" && compareVersions(a.Package.Ecosystem, e.Fixed, version) > 0 && (best == "" || compareVersions(a.Package.Ecosystem, e.Fixed, best) < 0) {
				best = e.Fixed
			}
		}
	}
	return best
}

func since(from string, until osvEvent) ocsf.Text {
	t := ocsf.Text{EN: "affected from " + from, ZH: "受影响版本自 " + from}
	if from == "0" {
		t = ocsf.Text{EN: "all versions", ZH: "所有版本"}
	}
	switch {
	case until.Fixed != "":
		return ocsf.Text{EN: t.EN + " before " + until.Fixed, ZH: t.ZH + "，早于 " + until.Fixed}
	case until.LastAffected != "":
		return ocsf.Text{EN: t.EN + " up to " + until.LastAffected, ZH: t.ZH + "，至 " + until.LastAffected}
	}
	return ocsf.Text{EN: t.EN + ", not mended yet", ZH: t.ZH + "，尚无修复版本"}
}

// score is the CVSS base score, 0 where none is told.
func (r *osvRecord) score(a *osvAffected) float64 {
	for _, list := range [][]osvSeverity{a.Severity, r.Severity} {
		for _, s := range list {
			if s.Type == "CVSS_V3" {
				if v := cvss3(s.Score); v > 0 {
					return v
				}
			}
		}
	}
	word, _ := r.Specific.Severity.(string)
	switch strings.ToUpper(word) { // only a class is told: its lower bound
	case "CRITICAL":
		return 9
	case "HIGH":
		return 7
	case "MODERATE", "MEDIUM":
		return 4
	case "LOW":
		return 0.1
	}
	return 0
}

// cves are the CVE names of a record.
func (r *osvRecord) cves() []string {
	var out []string
	for _, id := range append([]string{r.ID}, r.Aliases...) {
		if i := strings.Index(id, "CVE-"); i >= 0 {
			out = append(out, id[i:])
		}
	}
	return out
}
