package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/directory/ldap"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/store/sqlite"
)

func people(t *testing.T, now func() time.Time) *directory.Directory {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	d, err := directory.Open(t.Context(), db, keyed.Key{}, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *server) settings() ldap.Config {
	s.write("password", password+"\n")
	cfg := ldap.Default()
	cfg.URL, cfg.BaseDN, cfg.BindDN = s.url, "ou=people,"+baseDN, rootDN
	cfg.PasswordFile, cfg.CAFile = filepath.Join(s.dir, "password"), filepath.Join(s.dir, "ca.pem")
	return cfg
}

func client(t *testing.T, cfg ldap.Config, d *directory.Directory, now func() time.Time) *ldap.Client {
	t.Helper()
	c, err := ldap.New(cfg, d, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dn(uid string) string { return "uid=" + uid + ",ou=people," + baseDN }

func (s *server) person(uid, number string, more ...string) {
	s.t.Helper()
	lines := append([]string{"objectClass: inetOrgPerson", "objectClass: posixAccount", "objectClass: shadowAccount", "uid: " + uid, "cn: Li Na", "sn: Li",
		"displayName: 李娜", "title: nurse", "departmentNumber: Cardiology", "mobile: +86 138 0013 8000", "homePostalAddress: 杏林路1号$北京",
		"employeeNumber: " + number, "uidNumber: 1000", "gidNumber: 1000", "homeDirectory: /"}, more...)
	s.add(dn(uid), lines...)
}

// sync runs a sync and checks its counts.
func sync(t *testing.T, c *ldap.Client, read, accepted int) {
	t.Helper()
	counts, err := c.Sync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counts.Read != read || counts.Accepted != accepted {
		t.Errorf("read %d, accepted %d, want %d and %d", counts.Read, counts.Accepted, read, accepted)
	}
}

func TestSync(t *testing.T) {
	s := start(t, 0)
	clock := time.Now()
	now := func() time.Time { return clock }
	d := people(t, now)
	s.person("boss", "p0")
	for i := range 23 { // more than two pages
		s.person(fmt.Sprintf("nurse%d", i), fmt.Sprintf("p%d", i+1), "manager: "+dn("boss"))
	}
	cfg := s.settings()
	cfg.Page = 10
	c := client(t, cfg, d, now)
	sync(t, c, 24, 24)
	p, ok := d.Resolve("nurse7")
	if !ok || p.ID != "p8" || p.Name != "李娜" || p.Role != "nurse" || p.Department != "Cardiology" || p.ManagerID != "p0" || p.Ended != 0 || p.Source != ldap.Source {
		t.Errorf("%+v", p)
	}
	if got := d.ByKey(keyed.Phone, (keyed.Key{}).Token(keyed.Phone, "13800138000")); len(got) != 24 {
		t.Errorf("%d people by phone", len(got))
	}
	sync(t, c, 24, 0) // all within the overlap, nothing new

	// A day in which one moves: only the change is read.
	clock = clock.Add(time.Hour)
	s.set(dn("nurse7"), "departmentNumber", "Oncology")
	counts, err := c.Sync(t.Context())
	if err != nil || counts.Accepted != 1 {
		t.Fatalf("%+v, %v", counts, err)
	}
	if p, _ := d.Person("p8"); p.Department != "Oncology" || p.ManagerID != "p0" {
		t.Errorf("%+v", p)
	}
	if before, _ := d.DepartmentAt("p8", clock.UnixMilli()-1); before != "Cardiology" {
		t.Errorf("before the move: %s", before)
	}

	// Somebody's entry is deleted: the next full reading notices.
	s.remove(dn("nurse9"))
	sync(t, c, 23, 0)
	if p, _ := d.Person("p10"); p.Ended != 0 {
		t.Error("a partial reading ended somebody")
	}
	clock = clock.Add(25 * time.Hour)
	sync(t, c, 23, 0)
	if p, _ := d.Person("p10"); p.Ended != clock.UnixMilli() {
		t.Errorf("deleted, but ended %d", p.Ended)
	}
}

func TestDisabledAccounts(t *testing.T) {
	s := start(t, 0)
	now := time.Now
	d := people(t, now)
	s.person("works", "p1", "shadowExpire: 99999")
	s.person("expired", "p2", "shadowExpire: 20000")
	s.person("locked", "p3")
	s.person("mistyped", "p4")
	s.set(dn("locked"), "pwdAccountLockedTime", "000001010000Z")
	s.set(dn("mistyped"), "pwdAccountLockedTime", "20260301080000Z")
	s.person("odd", "p5", "employeeType: x")
	c := client(t, s.settings(), d, now)
	sync(t, c, 5, 5)
	ended := func(id string) int64 {
		p, _ := d.Person(id)
		return p.Ended
	}
	if ended("p1") != 0 || ended("p4") != 0 || ended("p5") != 0 {
		t.Errorf("working accounts ended: %d %d %d", ended("p1"), ended("p4"), ended("p5"))
	}
	if want := int64(20000) * 24 * 3600 * 1000; ended("p2") != want {
		t.Errorf("shadowExpire: ended %d, want %d", ended("p2"), want)
	}
	if at := ended("p3"); at == 0 || at > now().UnixMilli() {
		t.Errorf("locked: ended %d", at)
	}
}

// TestActiveDirectory runs against slapd with Active Directory's attributes.
func TestActiveDirectory(t *testing.T) {
	s := start(t, 100)
	now := time.Now
	d := people(t, now)
	user := func(name, number, uac string, usn int, more ...string) {
		s.add("cn="+name+",ou=people,"+baseDN, append([]string{"objectClass: user", "objectCategory: person", "cn: " + name, "sn: x", "sAMAccountName: " + name,
			"employeeNumber: " + number, "department: Surgery", "userAccountControl: " + uac, fmt.Sprintf("uSNChanged: %d", usn)}, more...)...)
	}
	user("anna", "a1", "512", 90)
	user("bert", "a2", "514", 91)
	user("carl", "a3", "512", 92, "accountExpires: 132539328000000000") // 2021-01-01
	user("dora", "a4", "512", 93, "accountExpires: 9223372036854775807")
	c := client(t, s.settings(), d, now)
	sync(t, c, 4, 4)
	for id, gone := range map[string]bool{"a1": false, "a2": true, "a3": true, "a4": false} {
		if p, ok := d.Person(id); !ok || (p.Ended != 0) != gone || p.Department != "Surgery" {
			t.Errorf("%s: %+v", id, p)
		}
	}
	if p, _ := d.Person("a3"); p.Ended != time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() {
		t.Errorf("accountExpires: %d", p.Ended)
	}
	// Of the next reading only what has a higher number is part.
	user("emil", "a5", "512", 101)
	sync(t, c, 1, 1)

	anna := "cn=anna,ou=people," + baseDN
	before, err := c.Suspend(t.Context(), "ANNA")
	if err != nil || before.Suspended || s.get(anna, "userAccountControl") != "514" {
		t.Fatalf("%+v, %v, flags %s", before, err, s.get(anna, "userAccountControl"))
	}
	s.set(anna, "userAccountControl", "66050") // somebody sets another flag meanwhile
	if err := c.Restore(t.Context(), "anna", before); err != nil || s.get(anna, "userAccountControl") != "66048" {
		t.Errorf("%v, flags %s", err, s.get(anna, "userAccountControl"))
	}
	bert, err := c.Suspend(t.Context(), "bert")
	if err != nil || !bert.Suspended {
		t.Errorf("%+v, %v", bert, err)
	}
	if err := c.Restore(t.Context(), "bert", bert); err != nil || s.get("cn=bert,ou=people,"+baseDN, "userAccountControl") != "514" {
		t.Errorf("one who was disabled before came back: %v", err)
	}
}

func TestSuspendAndRestore(t *testing.T) {
	s := start(t, 0)
	d := people(t, time.Now)
	s.person("shadow", "p1", "shadowExpire: 40000")
	s.add(dn("plain"), "objectClass: inetOrgPerson", "uid: plain", "cn: x", "sn: x", "employeeNumber: p2")
	c := client(t, s.settings(), d, time.Now)
	for _, tt := range []struct{ account, attribute, suspended, normal string }{
		{"shadow", "shadowExpire", "1", "40000"},
		{"plain", "pwdAccountLockedTime", "000001010000Z", ""},
	} {
		before, err := c.Suspend(t.Context(), tt.account)
		if err != nil || before.Suspended || before.Attribute != tt.attribute || s.get(dn(tt.account), tt.attribute) != tt.suspended {
			t.Fatalf("%s: %+v, %v, %s", tt.account, before, err, s.get(dn(tt.account), tt.attribute))
		}
		again, err := c.Suspend(t.Context(), tt.account)
		if err != nil || !again.Suspended {
			t.Errorf("%s again: %+v, %v", tt.account, again, err)
		}
		if _, err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p, _ := d.Resolve(tt.account); p.Ended == 0 {
			t.Errorf("%s: suspended but not ended", tt.account)
		}
		for range 2 {
			if err := c.Restore(t.Context(), tt.account, before); err != nil || s.get(dn(tt.account), tt.attribute) != tt.normal {
				t.Errorf("%s: restored to %q, %v", tt.account, s.get(dn(tt.account), tt.attribute), err)
			}
		}
		if _, err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p, _ := d.Resolve(tt.account); p.Ended != 0 {
			t.Errorf("%s: restored but ended", tt.account)
		}
	}
	for _, account := range []string{"nobody", "", "*", "plain)(uid=*"} {
		if _, err := c.Suspend(t.Context(), account); !errors.Is(err, ldap.ErrNoAccount) {
			t.Errorf("%q: %v", account, err)
		}
	}
}

func TestEncryption(t *testing.T) {
	s := start(t, 0)
	s.person("anna", "p1")
	for name, change := range map[string]func(*ldap.Config){
		"StartTLS": func(c *ldap.Config) { c.StartTLS = true },
		"LDAPS":    func(c *ldap.Config) { c.URL = s.tls },
	} {
		cfg := s.settings()
		change(&cfg)
		sync(t, client(t, cfg, people(t, time.Now), time.Now), 1, 1)
		cfg.CAFile = ""
		if _, err := client(t, cfg, people(t, time.Now), time.Now).Sync(t.Context()); err == nil {
			t.Errorf("%s: an unknown certificate was trusted", name)
		}
	}
	cfg := s.settings()
	s.write("password", "wrong")
	_, err := client(t, cfg, people(t, time.Now), time.Now).Sync(t.Context())
	if err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestNobodyIsAnError(t *testing.T) {
	s := start(t, 0)
	d := people(t, time.Now)
	if _, err := client(t, s.settings(), d, time.Now).Sync(t.Context()); err == nil {
		t.Error("an empty directory service was taken for the whole staff")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s := start(t, 0)
	s.person("anna", "p1")
	d := people(t, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- client(t, s.settings(), d, time.Now).Run(ctx) }()
	for range 200 {
		if d.Len() == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil || d.Len() != 1 {
		t.Errorf("%v, %d people", err, d.Len())
	}
}

func TestConfigCheck(t *testing.T) {
	good := ldap.Default()
	good.URL, good.BaseDN = "ldaps://dc1.hospital.example", "dc=hospital,dc=example"
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	if err := (ldap.Config{URL: good.URL, BaseDN: good.BaseDN}).Check(); err != nil {
		t.Errorf("what is not set has its default: %v", err)
	}
	for name, spoil := range map[string]func(*ldap.Config){
		"url":      func(c *ldap.Config) { c.URL = "http://x" },
		"plain":    func(c *ldap.Config) { c.URL, c.BindDN, c.PasswordFile = "ldap://dc1", "cn=x", "f" },
		"password": func(c *ldap.Config) { c.BindDN = "cn=x" },
		"base":     func(c *ldap.Config) { c.BaseDN = "" },
		"filter":   func(c *ldap.Config) { c.Filter = "(" },
		"account":  func(c *ldap.Config) { c.Attributes.Account = nil },
		"every":    func(c *ldap.Config) { c.Every = -1 },
		"suspend":  func(c *ldap.Config) { c.Suspend = "magic" },
		"tls":      func(c *ldap.Config) { c.StartTLS = true },
	} {
		cfg := good
		spoil(&cfg)
		if err := cfg.Check(); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
