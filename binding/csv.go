package binding

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
)

// Reject is a row of a file that could not be used.
type Reject struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

// ErrFile says that a file is no list of bindings.
var ErrFile = errors.New("import bindings")

const mostRows = 200_000

func header() []string {
	return []string{"mac", "ip", "port", "vlan", "person_id", "department", "note"}
}

// Import binds the pairs of a CSV file, by whom and why. Its first line names
// the columns: mac, ip, and any of port, vlan, person_id, department, note, in
// any order; others are ignored. A row without ip may lease any address. What
// bound an address before ends. A bad row is set aside and does not stop the
// rest; the same file twice changes nothing.
func (b *Book) Import(ctx context.Context, r io.Reader, by, reason string) (n int, rejects []Reject, err error) {
	if strings.TrimSpace(by) == "" {
		return 0, nil, errors.New("import bindings: nobody decides; sign in")
	}
	cr := csv.NewReader(skipMark(r))
	cr.FieldsPerRecord, cr.ReuseRecord, cr.TrimLeadingSpace = -1, true, true
	columns, err := readHeader(cr)
	if err != nil {
		return 0, nil, err
	}
	var rows []Binding
	for line := 2; ; line++ {
		rec, err := cr.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if line > mostRows {
			return 0, nil, fmt.Errorf("%w: more than %d rows; split the file", ErrFile, mostRows)
		}
		if err != nil {
			if _, ok := errors.AsType[*csv.ParseError](err); !ok {
				return 0, nil, fmt.Errorf("import bindings: %w", err)
			}
			rejects = append(rejects, Reject{line, "the row is not CSV: a quote is missing"})
			continue
		}
		x, err := rowOf(rec, columns)
		if err != nil {
			rejects = append(rejects, Reject{line, err.Error()})
			continue
		}
		rows = append(rows, x)
	}
	n, err = b.putAll(ctx, rows, by, reason)
	return n, rejects, err
}

func (b *Book) putAll(ctx context.Context, rows []Binding, by, reason string) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(rows) > 0 {
		m := min(batch, len(rows))
		err := b.change(ctx, func(d *draft) error {
			for _, x := range rows[:m] {
				if d.stands(&x) {
					continue
				}
				if _, err := d.put(x, by, reason); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n, rows = n+m, rows[m:]
	}
	return n, nil
}

// stands says that a row tells nothing new.
func (d *draft) stands(x *Binding) bool {
	for _, o := range d.live(x.IP, x.MAC) {
		if o.State != Learnt && o.MAC == x.MAC && o.IP == x.IP && (x.VLAN == 0 || o.VLAN == x.VLAN) && o.Port == x.Port &&
			o.Person == x.Person && o.Department == x.Department && o.Note == x.Note {
			return true
		}
	}
	return false
}

// skipMark drops the byte order mark that spreadsheets write.
func skipMark(r io.Reader) io.Reader {
	var first [3]byte
	n, err := io.ReadFull(r, first[:])
	if err == nil && first == [3]byte{0xef, 0xbb, 0xbf} {
		return r
	}
	return io.MultiReader(strings.NewReader(string(first[:n])), r)
}

func readHeader(cr *csv.Reader) (map[string]int, error) {
	names, err := cr.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: the file has no header; its first line must name the columns, mac and ip among them", ErrFile)
	}
	columns := map[string]int{}
	for i, name := range names {
		columns[strings.ToLower(strings.TrimSpace(name))] = i
	}
	if _, ok := columns["mac"]; !ok {
		return nil, fmt.Errorf("%w: no column is named mac; the columns are %s", ErrFile, strings.Join(header(), ", "))
	}
	return columns, nil
}

func rowOf(rec []string, columns map[string]int) (Binding, error) {
	get := func(name string) string {
		i, ok := columns[name]
		if !ok || i >= len(rec) {
			return ""
		}
		return strings.Clone(strings.TrimPrefix(strings.TrimSpace(rec[i]), "'"))
	}
	x := Binding{MAC: get("mac"), IP: get("ip"), Port: get("port"), Person: get("person_id"), Department: get("department"), Note: get("note")}
	if v := get("vlan"); v != "" {
		n, err := strconv.ParseUint(v, 10, 12)
		if err != nil || n > 4094 {
			return x, errors.New("the VLAN is not a number from 0 to 4094")
		}
		x.VLAN = uint16(n)
	}
	return x, clean(&x)
}

// Export writes the bindings in force as CSV, in the form that Import reads.
func (b *Book) Export(ctx context.Context, w io.Writer, f Filter) error {
	list, err := b.List(ctx, f)
	if err != nil {
		return err
	}
	cw := csv.NewWriter(w)
	if err := cw.Write(header()); err != nil {
		return fmt.Errorf("export bindings: %w", err)
	}
	for _, x := range list {
		vlan := ""
		if x.VLAN != 0 {
			vlan = itoa(x.VLAN)
		}
		if err := cw.Write([]string{x.MAC, asset.AddrText(asset.ParseAddr(x.IP)), safe(x.Port), vlan, safe(x.Person), safe(x.Department), safe(x.Note)}); err != nil {
			return fmt.Errorf("export bindings: %w", err)
		}
	}
	cw.Flush()
	if err := cw.Error(); err != nil {
		return fmt.Errorf("export bindings: %w", err)
	}
	return nil
}

// safe keeps a spreadsheet from taking a text for a formula.
func safe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
