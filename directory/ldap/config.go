package ldap

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Config says where the directory service is and how to read it. What is not
// set has the value that Default gives it.
type Config struct {
	// URL is ldaps://HOST, or ldap://HOST with StartTLS.
	URL string `yaml:"url"`
	// StartTLS encrypts an ldap:// connection before anything else is said.
	StartTLS bool `yaml:"start_tls"`
	// CAFile holds the certificates (PEM) to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// Plain allows a password to travel unencrypted. Do not.
	Plain bool `yaml:"plain"`
	// BindDN and PasswordFile are the account to read with; to suspend
	// accounts it needs the right to change them. Empty binds anonymously.
	BindDN       string `yaml:"bind_dn"`
	PasswordFile string `yaml:"password_file"`
	// BaseDN is the part of the tree with the people, Filter which entries.
	BaseDN string `yaml:"base_dn"`
	Filter string `yaml:"filter"`
	// Attributes names where to find what. Of several the first that has a
	// value counts; of phones and addresses all.
	Attributes Attributes `yaml:"attributes"`
	// Page is how many entries to ask for at once.
	Page uint32 `yaml:"page"`
	// Every is how often to read what changed, FullEvery how often to read
	// everything, which alone notices deleted accounts.
	Every     time.Duration `yaml:"every"`
	FullEvery time.Duration `yaml:"full_every"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout"`
	// Suspend is the attribute that disables an account: userAccountControl
	// (Active Directory), pwdAccountLockedTime (OpenLDAP with ppolicy),
	// shadowExpire, nsAccountLock (389), or auto for what the entry shows.
	Suspend string `yaml:"suspend"`
}

// Attributes are LDAP attribute names.
type Attributes struct {
	// PersonID is the staff number; where it is missing the account is used.
	PersonID   []string `yaml:"person_id"`
	Account    []string `yaml:"account"`
	Name       []string `yaml:"name"`
	Role       []string `yaml:"role"`
	Department []string `yaml:"department"`
	// Manager holds the DN of another entry.
	Manager    []string `yaml:"manager"`
	Phone      []string `yaml:"phone"`
	Address    []string `yaml:"address"`
	NationalID []string `yaml:"national_id"`
	// Hired and Ended are dates, generalized times or days.
	Hired []string `yaml:"hired"`
	Ended []string `yaml:"ended"`
}

// Default fits both Active Directory and OpenLDAP's inetOrgPerson. Phones and
// addresses are the private ones: those of the office say nothing about a
// household.
func Default() Config {
	return Config{
		Filter: "(|(objectClass=inetOrgPerson)(objectClass=posixAccount)(&(objectCategory=person)(objectClass=user)))",
		Attributes: Attributes{
			PersonID: []string{"employeeNumber", "employeeID"}, Account: []string{"sAMAccountName", "uid"},
			Name: []string{"displayName", "cn"}, Role: []string{"title", "employeeType"},
			Department: []string{"department", "departmentNumber", "ou"}, Manager: []string{"manager"},
			Phone: []string{"mobile", "homePhone"}, Address: []string{"homePostalAddress"},
		},
		Page: 500, Every: 5 * time.Minute, FullEvery: 24 * time.Hour, Timeout: 30 * time.Second, Suspend: "auto",
	}
}

// filled takes the default of every setting that is not set.
func (c Config) filled() Config {
	d := Default()
	if c.Filter == "" {
		c.Filter = d.Filter
	}
	if reflect.ValueOf(c.Attributes).IsZero() {
		c.Attributes = d.Attributes
	}
	c.Page = cmp.Or(c.Page, d.Page)
	c.Every, c.FullEvery, c.Timeout = cmp.Or(c.Every, d.Every), cmp.Or(c.FullEvery, d.FullEvery), cmp.Or(c.Timeout, d.Timeout)
	c.Suspend = cmp.Or(c.Suspend, d.Suspend)
	return c
}

// The ways to suspend an account.
const (
	byUAC    = "userAccountControl"
	byLock   = "pwdAccountLockedTime"
	byShadow = "shadowExpire"
	byNSLock = "nsAccountLock"
)

// Check says what is wrong with the configuration, and what would be right.
func (c Config) Check() error {
	c = c.filled()
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || (u.Scheme != "ldap" && u.Scheme != "ldaps") {
		return errors.New("ldap: url; use ldaps://HOST or ldap://HOST with start_tls")
	}
	if c.StartTLS && u.Scheme == "ldaps" {
		return errors.New("ldap: start_tls is for ldap://; ldaps:// is encrypted already")
	}
	if c.BindDN != "" && u.Scheme == "ldap" && !c.StartTLS && !c.Plain && !loopback(u.Hostname()) {
		return errors.New("ldap: the password would travel unencrypted; use ldaps:// or start_tls")
	}
	if (c.BindDN == "") != (c.PasswordFile == "") {
		return errors.New("ldap: bind_dn and password_file go together")
	}
	if c.BaseDN == "" {
		return errors.New("ldap: base_dn is empty; give the part of the tree with the people, such as ou=people,dc=hospital,dc=cn")
	}
	if _, err := ldap.CompileFilter(c.Filter); err != nil {
		return fmt.Errorf("ldap: filter: %w", err)
	}
	if len(c.Attributes.Account) == 0 {
		return errors.New("ldap: attributes.account is empty; name at least one")
	}
	if c.Every < 0 || c.FullEvery < 0 || c.Timeout < 0 {
		return errors.New("ldap: every, full_every and timeout must be above 0")
	}
	if !slices.Contains([]string{"auto", byUAC, byLock, byShadow, byNSLock}, c.Suspend) {
		return fmt.Errorf("ldap: suspend %q; use auto, %s, %s, %s or %s", c.Suspend, byUAC, byLock, byShadow, byNSLock)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
