package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/internal/sheet"
)

// record makes a record of an entry. What the entry lacks it does not speak
// about. Errors name attributes, never values.
func (c *Client) record(e *ldap.Entry) (directory.Record, error) {
	a := c.cfg.Attributes
	r := directory.Record{ID: c.personID(e)}
	account := first(e, a.Account)
	if account == "" || r.ID == "" {
		return r, errors.New("the entry has no account: set attributes.account to the one that holds it")
	}
	disabled, err := c.disabled(e)
	if err != nil {
		return r, err
	}
	r.Accounts = []directory.Account{{Name: account, Disabled: disabled}}
	for _, f := range []struct {
		to    *string
		names []string
		field directory.Field
	}{
		{&r.Name, a.Name, directory.FieldName}, {&r.Role, a.Role, directory.FieldRole},
		{&r.Department, a.Department, directory.FieldDepartment}, {&r.NationalID, a.NationalID, directory.FieldNationalID},
	} {
		if *f.to = first(e, f.names); *f.to != "" {
			r.Says |= f.field
		}
	}
	if r.Phone = strings.Join(all(e, a.Phone), ";"); r.Phone != "" {
		r.Says |= directory.FieldPhone
	}
	if addresses := all(e, a.Address); len(addresses) > 0 {
		// RFC 4517 writes the lines of a postal address with $ between.
		r.Address = strings.ReplaceAll(addresses[0], "$", " ")
		r.Says |= directory.FieldAddress
	}
	return r, c.dates(e, &r)
}

func (c *Client) dates(e *ldap.Entry, r *directory.Record) error {
	for _, d := range []struct {
		to    *int64
		names []string
		field directory.Field
		end   bool
	}{
		{&r.Hired, c.cfg.Attributes.Hired, directory.FieldHired, false},
		{&r.Ended, c.cfg.Attributes.Ended, directory.FieldEnded, true},
	} {
		text := first(e, d.names)
		if text == "" {
			continue
		}
		r.Says |= d.field
		if t, ok := instant(text); ok {
			*d.to = t
			continue
		}
		t, err := sheet.Time(text, c.now().Location(), d.end)
		if err != nil {
			return fmt.Errorf("attribute %s: %w", d.names[0], err)
		}
		*d.to = t
	}
	return nil
}

// personID is the staff number of an entry, else its account.
func (c *Client) personID(e *ldap.Entry) string {
	if id := first(e, c.cfg.Attributes.PersonID); id != "" {
		return id
	}
	return first(e, c.cfg.Attributes.Account)
}

func first(e *ldap.Entry, names []string) string {
	if values := all(e, names); len(values) > 0 {
		return values[0]
	}
	return ""
}

func all(e *ldap.Entry, names []string) []string {
	var out []string
	for _, name := range names {
		for _, v := range e.GetEqualFoldAttributeValues(name) {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

const (
	uacDisabled = 2 // ADS_UF_ACCOUNTDISABLE
	// locked is pwdAccountLockedTime of an account an administrator locked
	// for good (draft-behera-ldap-password-policy, 5.3.3).
	locked = "000001010000Z"
	day    = 24 * time.Hour
	// fileTime0 is 1970 in Windows file time, in 100 ns since 1601; never is
	// the accountExpires of an account that does not.
	fileTime0 = 116444736000000000
	never     = 1<<63 - 1
)

// disabled is since when the account is disabled in ms, 0 while it works.
// Where the entry does not say, its last change is the best guess.
func (c *Client) disabled(e *ldap.Entry) (int64, error) {
	now := c.now()
	since := now.UnixMilli()
	if t, ok := instant(e.GetAttributeValue("modifyTimestamp")); ok {
		since = min(since, t)
	}
	if uac, ok, err := number(e, byUAC); err != nil {
		return 0, err
	} else if ok && uac&uacDisabled != 0 {
		return since, nil
	}
	if e.GetAttributeValue(byLock) == locked || strings.EqualFold(e.GetAttributeValue(byNSLock), "true") {
		return since, nil
	}
	expires, ok, err := number(e, "accountExpires")
	if err != nil {
		return 0, err
	}
	if ok && expires != 0 && expires != never {
		if t := (expires - fileTime0) / 10_000; t <= now.UnixMilli() {
			return max(t, 1), nil
		}
	}
	expired, ok, err := number(e, byShadow)
	if err != nil {
		return 0, err
	}
	if ok && expired > 0 { // 0 is read as never by some, as 1970 by others
		// shadowExpire is the first day on which the account does not work.
		if t := expired * day.Milliseconds(); t <= now.UnixMilli() {
			if expired <= suspendedDay {
				return since, nil // an administrator's "not any more"
			}
			return t, nil
		}
	}
	return 0, nil
}

func number(e *ldap.Entry, name string) (n int64, ok bool, err error) {
	text := e.GetEqualFoldAttributeValue(name)
	if text == "" {
		return 0, false, nil
	}
	if n, err = strconv.ParseInt(text, 10, 64); err != nil {
		return 0, false, fmt.Errorf("attribute %s is not a number", name)
	}
	return n, true, nil
}

// instant reads a generalized time (RFC 4517, 3.3.13) in ms.
func instant(text string) (int64, bool) {
	for _, layout := range []string{"20060102150405Z0700", "20060102150405.999Z0700", "200601021504Z0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// normalDN is a DN as the key of a map.
func normalDN(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return strings.ToLower(dn)
	}
	return strings.ToLower(parsed.String())
}

func hasClass(e *ldap.Entry, class string) bool {
	return slices.ContainsFunc(e.GetAttributeValues("objectClass"), func(s string) bool { return strings.EqualFold(s, class) })
}
