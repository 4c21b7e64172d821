package directory_test

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

var key = keyed.Key{1, 2, 3}

// clock is a settable time in the site's zone.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func (c *clock) set(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	c.t = t.In(time.FixedZone("CST", 8*3600))
	return t.UnixMilli()
}

func ms(text string) int64 { return new(clock).set(text) }

func records(t testing.TB) *store.DB {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t testing.TB, db *store.DB, c *clock) *directory.Directory {
	t.Helper()
	d, err := directory.Open(context.Background(), db, key, c.now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func fresh(t testing.TB) (*directory.Directory, *store.DB, *clock) {
	t.Helper()
	c := &clock{}
	c.set("2026-03-01T08:00:00+08:00")
	db := records(t)
	return open(t, db, c), db, c
}

func people(t testing.TB, d *directory.Directory, text string) directory.Counts {
	t.Helper()
	counts, err := d.ImportPeople(t.Context(), strings.NewReader(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

const header = "person_id,account,name,role,department,manager_id,phone,address,national_id,hire_date,end_date\n"

const staff = header +
	"p1,li.na;LINA2,李娜,nurse,Cardiology,p2,13800138000,杏林路1号,110101199001011234,2019-05-01,\n" +
	"p2,wang.wei,王伟,physician,Cardiology,,,,,2010-01-01,2026-03-31\n" +
	"p3,ouyang,欧阳修,clerk,Billing,,,,,,\n"

func TestImportPeople(t *testing.T) {
	d, db, c := fresh(t)
	first := people(t, d, staff)
	if first.Read != 3 || first.Accepted != 3 || first.Duplicate != 0 || first.Quarantined != 0 {
		t.Errorf("first import: %+v", first)
	}
	again := people(t, d, staff)
	if again.Read != 3 || again.Accepted != 0 || again.Duplicate != 3 {
		t.Errorf("second import: %+v", again)
	}
	for name, d := range map[string]*directory.Directory{"same": d, "reopened": open(t, db, c)} {
		p, ok := d.Resolve("li.na")
		if !ok || p.ID != "p1" || p.Name != "李娜" || p.Role != "nurse" || p.ManagerID != "p2" || p.Source != directory.CSV {
			t.Errorf("%s: %+v", name, p)
		}
		if !reflect.DeepEqual(p.Accounts, []string{"LINA2", "li.na"}) {
			t.Errorf("%s: accounts %q", name, p.Accounts)
		}
		if got := d.ByKey(keyed.Phone, key.Token(keyed.Phone, "138-0013-8000")); !reflect.DeepEqual(got, []string{"p1"}) {
			t.Errorf("%s: by phone %q", name, got)
		}
		if p, _ := d.Person("p2"); p.Ended != ms("2026-04-01T00:00:00+08:00") {
			t.Errorf("%s: the last day counts as worked, ended %d", name, p.Ended)
		}
		if got := d.ByKey(keyed.Surname, key.Token(keyed.Surname, "欧阳")); !reflect.DeepEqual(got, []string{"p3"}) {
			t.Errorf("%s: by surname %q", name, got)
		}
		if d.Len() != 3 {
			t.Errorf("%s: %d people", name, d.Len())
		}
	}
}

func TestNoDemographicsInClear(t *testing.T) {
	d, db, _ := fresh(t)
	people(t, d, staff)
	_ = db.View(t.Context(), func(tx *sql.Tx) error {
		var all string
		if err := tx.QueryRow(`SELECT group_concat(person_id || name || tokens) FROM directory_people`).Scan(&all); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"13800138000", "杏林路", "110101199001011234"} {
			if strings.Contains(all, secret) {
				t.Errorf("the table holds %q", secret)
			}
		}
		return nil
	})
}

func TestResolveSpellings(t *testing.T) {
	d, _, _ := fresh(t)
	people(t, d, staff)
	for account, want := range map[string]string{
		"li.na": "p1", "LI.NA": "p1", "lina2": "p1", `HOSPITAL\li.na`: "p1", "li.na@hospital.cn": "p1", "p3": "p3",
		"nobody": "", "": "", "@": "", `\`: "",
	} {
		if p, _ := d.Resolve(account); p.ID != want {
			t.Errorf("%q is %q, want %q", account, p.ID, want)
		}
	}
}

func TestAccountHandedOn(t *testing.T) {
	d, _, _ := fresh(t)
	people(t, d, header+"old,desk1,甲,,A,,,,,2010-01-01,2025-12-31\nnew,desk1,乙,,A,,,,,2026-01-01,\n")
	if p, _ := d.Resolve("desk1"); p.ID != "new" {
		t.Errorf("desk1 is %q", p.ID)
	}
}

func TestImportPeopleBadRows(t *testing.T) {
	d, _, _ := fresh(t)
	counts := people(t, d, "person_id,account,name,department,shoe_size,end_date\n,x,y,z,1,\np1,a,b,c,2,soon\np2,a2,b,c,3,\np3\n")
	if counts.Read != 4 || counts.Accepted != 1 || counts.Quarantined != 3 || len(counts.Warnings) != 1 {
		t.Errorf("counts %+v", counts)
	}
	for i, want := range []struct {
		line   int
		reason string
	}{{2, "person_id"}, {3, "end_date"}, {5, "fields"}} {
		r := counts.Rejects[i]
		if r.Line != want.line || !strings.Contains(r.Reason, want.reason) || len(r.Data) == 0 {
			t.Errorf("reject %d: line %d, %s", i, r.Line, r.Reason)
		}
	}
	if _, err := d.ImportPeople(t.Context(), strings.NewReader("person_id,name\n"), nil); err == nil || !strings.Contains(err.Error(), "account") {
		t.Errorf("missing columns: %v", err)
	}
}

func TestAbsentColumnKeeps(t *testing.T) {
	d, _, _ := fresh(t)
	people(t, d, staff)
	people(t, d, "person_id,account,name,department\np2,wang.wei,王伟,Cardiology\n")
	if p, _ := d.Person("p2"); p.Ended == 0 || p.Role != "physician" {
		t.Errorf("a file without the columns cleared them: %+v", p)
	}
	people(t, d, header+"p2,wang.wei,王伟,physician,Cardiology,,,,,2010-01-01,\n")
	if p, _ := d.Person("p2"); p.Ended != 0 {
		t.Errorf("an emptied end_date did not bring the person back: %+v", p)
	}
}

func TestDepartmentAtATime(t *testing.T) {
	d, db, c := fresh(t)
	people(t, d, staff)
	moved := c.set("2026-06-01T00:00:00+08:00")
	people(t, d, header+"p1,li.na,李娜,head nurse,Oncology,p2,,,,2019-05-01,\n")
	for _, d := range []*directory.Directory{d, open(t, db, c)} {
		before, role := d.DepartmentAt("p1", moved-1)
		if before != "Cardiology" || role != "nurse" {
			t.Errorf("before: %s, %s", before, role)
		}
		if after, role := d.DepartmentAt("p1", moved); after != "Oncology" || role != "head nurse" {
			t.Errorf("after: %s, %s", after, role)
		}
		if p, _ := d.Person("p1"); p.Department != "Oncology" {
			t.Errorf("now: %s", p.Department)
		}
		if posts := d.Posts("p1"); len(posts) != 2 || posts[1].Since != moved {
			t.Errorf("posts: %+v", posts)
		}
	}
}

func TestRoster(t *testing.T) {
	d, db, c := fresh(t)
	if d.HasRoster() {
		t.Error("a roster out of nowhere")
	}
	roster := "person_id,department,start,end,kind\n" +
		"p1,Cardiology,2026-03-01T22:00:00+08:00,2026-03-02T08:00:00+08:00,shift\n" +
		"p1,ICU,2026-03-02T00:00:00+08:00,2026-03-03T00:00:00+08:00,oncall\n" +
		"p1,,2026-03-02T00:00:00+08:00,2026-03-03T00:00:00+08:00,shift\n" +
		"p1,ICU,2026-03-05T00:00:00+08:00,2026-03-03T00:00:00+08:00,shift\n" +
		"p1,ICU,2026-03-05T00:00:00+08:00,2026-05-03T00:00:00+08:00,shift\n" +
		"p1,ICU,2026-02-20 08:00,2026-02-20 16:00,\n"
	counts, err := d.ImportRoster(t.Context(), strings.NewReader(roster), nil)
	if err != nil || counts.Accepted != 3 || counts.Quarantined != 3 {
		t.Fatalf("counts %+v, error %v", counts, err)
	}
	if again, _ := d.ImportRoster(t.Context(), strings.NewReader(roster), nil); again.Accepted != 0 || again.Duplicate != 3 {
		t.Errorf("again: %+v", again)
	}
	tests := []struct{ at, department, kind string }{
		{"2026-03-01T21:59:59+08:00", "", ""},
		{"2026-03-01T22:00:00+08:00", "Cardiology", "shift"},
		{"2026-03-02T07:59:59+08:00", "Cardiology", "shift"}, // a shift goes before being on call
		{"2026-03-02T08:00:00+08:00", "ICU", "oncall"},
		{"2026-03-03T00:00:00+08:00", "", ""},
		{"2026-02-20T09:00:00+08:00", "ICU", "shift"},
	}
	for _, d := range []*directory.Directory{d, open(t, db, c)} {
		for _, tt := range tests {
			s, _ := d.OnDuty("p1", ms(tt.at))
			if s.Department != tt.department || s.Kind != tt.kind {
				t.Errorf("%s: %+v", tt.at, s)
			}
		}
		if !d.Covered("p1", ms("2026-03-10T00:00:00+08:00")) || d.Covered("p1", ms("2026-04-10T00:00:00+08:00")) || d.Covered("p9", ms("2026-03-10T00:00:00+08:00")) {
			t.Error("coverage")
		}
	}
}

func TestMergeDisabledAccounts(t *testing.T) {
	d, db, c := fresh(t)
	people(t, d, staff)
	at := ms("2026-02-01T00:00:00Z")
	merge := func(complete bool, accounts ...directory.Account) {
		t.Helper()
		_, err := d.Merge(t.Context(), directory.Batch{Source: "ldap", Complete: complete, Mark: "m1",
			Records: []directory.Record{{ID: "p1", Accounts: accounts}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	ended := func(want int64, why string) {
		t.Helper()
		if p, _ := d.Person("p1"); p.Ended != want {
			t.Errorf("%s: ended %d, want %d", why, p.Ended, want)
		}
	}
	merge(false, directory.Account{Name: "li.na", Disabled: at})
	ended(0, "the other account still works")
	merge(false, directory.Account{Name: "li.na", Disabled: at}, directory.Account{Name: "lina2", Disabled: at})
	ended(at, "all accounts disabled")
	people(t, d, staff)
	ended(at, "a file does not enable accounts")
	d = open(t, db, c)
	ended(at, "after reopening")
	merge(false, directory.Account{Name: "li.na"})
	ended(0, "enabled again")
	merge(true, directory.Account{Name: "lina2", Disabled: at})
	ended(c.now().UnixMilli(), "no longer listed")
	if mark, err := d.Mark(t.Context(), "ldap"); mark != "m1" || err != nil {
		t.Errorf("mark %q, %v", mark, err)
	}
	if p, _ := d.Person("p2"); p.Ended != ms("2026-04-01T00:00:00+08:00") {
		t.Error("another source's account was disabled")
	}
}

func TestSurname(t *testing.T) {
	for name, want := range map[string]string{
		"李娜": "李", "欧阳修": "欧阳", "欧阳": "欧", "Ada Lovelace": "Lovelace", "Lovelace, Ada": "Lovelace", "": "", "李": "李",
	} {
		if got := directory.Surname(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestByKeyNeverMatchesNothing(t *testing.T) {
	d, _, _ := fresh(t)
	people(t, d, staff)
	if got := d.ByKey(keyed.Phone, ""); got != nil {
		t.Errorf("%q share an empty phone", got)
	}
	for p := range d.People() {
		for _, k := range p.Keys {
			if k.Token == "" {
				t.Errorf("%s has an empty token: %v", p.ID, ocsf.Key(k))
			}
		}
	}
}

func TestRosterOfStrangers(t *testing.T) {
	d, _, _ := fresh(t)
	if _, err := d.ImportPeople(t.Context(), strings.NewReader("person_id,account,name,role,department\np1,a1,A,doctor,ICU\n"), nil); err != nil {
		t.Fatal(err)
	}
	const head = "person_id,department,start,end\n"
	line := func(who, day string) string {
		return who + ",ICU,2026-03-" + day + " 08:00,2026-03-" + day + " 16:00\n"
	}
	counts, err := d.ImportRoster(t.Context(), strings.NewReader(head+line("p1", "01")+line("x1", "01")+line("x1", "02")+line("x2", "01")), nil)
	if err != nil || counts.Accepted != 4 || len(counts.Warnings) != 1 || !strings.HasPrefix(counts.Warnings[0], "3 rows name 2 person_ids") {
		t.Errorf("%+v, %v", counts, err)
	}
	counts, err = d.ImportRoster(t.Context(), strings.NewReader(head+line("p1", "03")), nil)
	if err != nil || len(counts.Warnings) != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
}
