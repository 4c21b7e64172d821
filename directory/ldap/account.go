package ldap

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// ErrNoAccount marks an account that no entry, or more than one, has.
var ErrNoAccount = errors.New("no single entry has this account: check base_dn, filter and attributes.account")

// State is what an account looked like: what Restore needs. Keep it before
// suspending, so that it survives a crash in between.
type State struct {
	// DN is the entry.
	DN string `json:"dn"`
	// Attribute is the one that suspends, Value what it held; "" is nothing.
	Attribute string `json:"attribute"`
	Value     string `json:"value,omitempty"`
	// Suspended says whether the account was disabled then.
	Suspended bool `json:"suspended"`
}

// suspendedDay is shadowExpire of a suspended account: 2 January 1970. (0 is
// read as "never" by some systems.)
const suspendedDay = 1

// State reads whether an account is suspended.
func (c *Client) State(ctx context.Context, account string) (State, error) {
	conn, stop, err := c.connect(ctx)
	if err != nil {
		return State{}, err
	}
	defer stop()
	return c.state(conn, account)
}

func (c *Client) state(conn *ldap.Conn, account string) (State, error) {
	e, err := c.find(conn, account)
	if err != nil {
		return State{}, err
	}
	s := State{DN: e.DN, Attribute: c.cfg.Suspend}
	if s.Attribute == "auto" {
		switch {
		case e.GetAttributeValue(byUAC) != "":
			s.Attribute = byUAC
		case e.GetAttributeValue(byNSLock) != "":
			s.Attribute = byNSLock
		case hasClass(e, "shadowAccount"):
			s.Attribute = byShadow
		default:
			s.Attribute = byLock
		}
	}
	s.Value = e.GetEqualFoldAttributeValue(s.Attribute)
	s.Suspended, err = s.suspended()
	return s, err
}

func (c *Client) find(conn *ldap.Conn, account string) (*ldap.Entry, error) {
	if account == "" {
		return nil, ErrNoAccount
	}
	var any strings.Builder
	for _, name := range c.cfg.Attributes.Account {
		fmt.Fprintf(&any, "(%s=%s)", name, ldap.EscapeFilter(account))
	}
	res, err := conn.Search(ldap.NewSearchRequest(c.cfg.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false,
		"(&"+c.cfg.Filter+"(|"+any.String()+"))", c.wanted(), nil))
	if err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded) {
		return nil, fmt.Errorf("look for an account: %w", err)
	}
	if err != nil || len(res.Entries) != 1 {
		return nil, ErrNoAccount
	}
	return res.Entries[0], nil
}

func (s State) suspended() (bool, error) {
	switch s.Attribute {
	case byUAC, byShadow:
		if s.Value == "" {
			return false, nil
		}
		n, err := strconv.ParseInt(s.Value, 10, 64)
		if err != nil {
			return false, fmt.Errorf("attribute %s is not a number: mend the entry", s.Attribute)
		}
		if s.Attribute == byUAC {
			return n&uacDisabled != 0, nil
		}
		return n == suspendedDay, nil
	case byNSLock:
		return strings.EqualFold(s.Value, "true"), nil
	}
	return s.Value == locked, nil
}

// Suspend disables an account and returns its state before, for Restore.
// Repeating it does nothing. Sessions that are open stay open.
func (c *Client) Suspend(ctx context.Context, account string) (State, error) {
	conn, stop, err := c.connect(ctx)
	if err != nil {
		return State{}, err
	}
	defer stop()
	before, err := c.state(conn, account)
	if err != nil || before.Suspended {
		return before, err
	}
	value := map[string]string{byLock: locked, byShadow: strconv.Itoa(suspendedDay), byNSLock: "TRUE"}[before.Attribute]
	if before.Attribute == byUAC {
		if value, err = switched(before.Value, true); err != nil {
			return before, err
		}
	}
	if err := write(conn, before, value); err != nil {
		return before, fmt.Errorf("suspend an account: %w", err)
	}
	return before, nil
}

// Restore brings an account back to the state it had before it was suspended.
// One that was suspended then stays so. Repeating it does nothing.
func (c *Client) Restore(ctx context.Context, account string, before State) error {
	if before.Suspended {
		return nil
	}
	conn, stop, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer stop()
	now, err := c.state(conn, account)
	if err != nil || !now.Suspended {
		return err
	}
	if before.Attribute != now.Attribute {
		return fmt.Errorf("restore an account: it was suspended by %s, the configuration now says %s: set suspend back", before.Attribute, now.Attribute)
	}
	value := before.Value
	if now.Attribute == byUAC { // other flags may have changed since
		if value, err = switched(now.Value, false); err != nil {
			return err
		}
	}
	if err := write(conn, now, value); err != nil {
		return fmt.Errorf("restore an account: %w", err)
	}
	return nil
}

// switched is userAccountControl with the disabled flag on or off.
func switched(value string, off bool) (string, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return "", fmt.Errorf("attribute %s is not a number: mend the entry", byUAC)
	}
	if off {
		return strconv.FormatInt(n|uacDisabled, 10), nil
	}
	return strconv.FormatInt(n&^uacDisabled, 10), nil
}

// write replaces the value that was read, and only that one: if somebody
// changed it meanwhile the server refuses.
func write(conn *ldap.Conn, was State, value string) error {
	req := ldap.NewModifyRequest(was.DN, nil)
	if was.Value != "" {
		req.Delete(was.Attribute, []string{was.Value})
	}
	if value != "" {
		req.Add(was.Attribute, []string{value})
	}
	return conn.Modify(req)
}
