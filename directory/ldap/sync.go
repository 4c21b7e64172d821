package ldap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/cordon-health/cordon/directory"
)

// Source is how the directory names what it learned here.
const Source = "ldap"

// mark is how far we have read.
type mark struct {
	// Server tells whether the update number is of the same server.
	Server string `json:"server,omitempty"`
	USN    int64  `json:"usn,omitempty"`
	// Changed is the newest modifyTimestamp, Full the last full reading, ms.
	Changed int64 `json:"changed,omitempty"`
	Full    int64 `json:"full,omitempty"`
}

// overlap is how far before the newest change to read again: the clocks of
// servers that replicate each other differ.
const overlap = 5 * time.Minute

// Sync reads what changed since the last time, or everything at first, after
// FullEvery, and when the server is another one.
func (c *Client) Sync(ctx context.Context) (directory.Counts, error) {
	text, err := c.dir.Mark(ctx, Source)
	if err != nil {
		return directory.Counts{}, err
	}
	var last mark
	if text != "" {
		if err := json.Unmarshal([]byte(text), &last); err != nil {
			last = mark{} // a mark of another release: read everything
		}
	}
	conn, stop, err := c.connect(ctx)
	if err != nil {
		return directory.Counts{}, err
	}
	defer stop()
	r := reading{c: c, conn: conn, ids: map[string]string{}}
	counts, err := r.run(ctx, last)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return counts, err
}

// reading is one sync.
type reading struct {
	c       *Client
	conn    *ldap.Conn
	entries []*ldap.Entry
	ids     map[string]string // DN in normal form -> person id
	counts  directory.Counts
}

func (r *reading) run(ctx context.Context, last mark) (directory.Counts, error) {
	next, err := r.serverMark()
	if err != nil {
		return r.counts, err
	}
	now := r.c.now().UnixMilli()
	full := last.Full == 0 || now-last.Full >= r.c.cfg.FullEvery.Milliseconds() || next.Server != last.Server
	filter := r.c.cfg.Filter
	if next.Full = last.Full; full {
		next.Full = now
	} else {
		filter = "(&" + filter + changedSince(last) + ")"
	}
	if err := r.search(filter); err != nil {
		return r.counts, err
	}
	if full && len(r.entries) == 0 {
		return r.counts, errors.New("the directory service shows nobody: check base_dn, filter and the rights of bind_dn")
	}
	next.Changed = last.Changed
	batch := directory.Batch{Source: Source, Complete: full}
	for _, e := range r.entries {
		r.ids[normalDN(e.DN)] = r.c.personID(e)
		if t, ok := instant(e.GetAttributeValue("modifyTimestamp")); ok {
			next.Changed = max(next.Changed, t)
		}
	}
	for _, e := range r.entries {
		r.take(&batch, e)
	}
	text, err := json.Marshal(next)
	if err != nil {
		return r.counts, fmt.Errorf("write down how far the directory service was read: %w", err)
	}
	batch.Mark = string(text)
	merged, err := r.c.dir.Merge(ctx, batch)
	if err != nil {
		return r.counts, err
	}
	r.counts.Accepted, r.counts.Duplicate = merged.Accepted, merged.Duplicate
	return r.counts, nil
}

// changedSince is the filter for what changed.
func changedSince(last mark) string {
	if last.USN > 0 {
		return "(uSNChanged>=" + strconv.FormatInt(last.USN+1, 10) + ")"
	}
	since := time.UnixMilli(last.Changed).Add(-overlap).UTC()
	return "(modifyTimestamp>=" + since.Format("20060102150405Z") + ")"
}

// serverMark asks the server for its name and, on Active Directory, its
// highest update number, before the entries are read: what changes meanwhile
// is read again next time.
func (r *reading) serverMark() (mark, error) {
	res, err := r.conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"highestCommittedUSN", "dnsHostName"}, nil))
	if err != nil || len(res.Entries) != 1 {
		return mark{}, errors.Join(errors.New("ask the directory service what it is"), err)
	}
	e := res.Entries[0]
	usn, err := strconv.ParseInt(e.GetAttributeValue("highestCommittedUSN"), 10, 64)
	if err != nil {
		return mark{Server: r.c.cfg.URL}, nil
	}
	return mark{Server: r.c.cfg.URL + " " + e.GetAttributeValue("dnsHostName"), USN: usn}, nil
}

// search reads all entries of a filter, page by page.
func (r *reading) search(filter string) error {
	paging := ldap.NewControlPaging(r.c.cfg.Page)
	for {
		req := ldap.NewSearchRequest(r.c.cfg.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			filter, r.c.wanted(), []ldap.Control{paging})
		res, err := r.conn.Search(req)
		if err != nil {
			return fmt.Errorf("read people from the directory service: %w", err)
		}
		r.entries = append(r.entries, res.Entries...)
		cookie := ldap.FindControl(res.Controls, ldap.ControlTypePaging)
		next, ok := cookie.(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(next.Cookie)
	}
}

// wanted are the attributes to ask for.
func (c *Client) wanted() []string {
	a := c.cfg.Attributes
	list := []string{"objectClass", "modifyTimestamp", "userAccountControl", "accountExpires", "pwdAccountLockedTime", "shadowExpire", "nsAccountLock"}
	for _, names := range [][]string{a.PersonID, a.Account, a.Name, a.Role, a.Department, a.Manager, a.Phone, a.Address, a.NationalID, a.Hired, a.Ended} {
		list = append(list, names...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// take makes a record of an entry, or sets it aside.
func (r *reading) take(b *directory.Batch, e *ldap.Entry) {
	r.counts.Read++
	rec, err := r.c.record(e)
	if err != nil {
		r.counts.Quarantined++
		r.counts.Rejects = append(r.counts.Rejects, directory.Reject{Line: r.counts.Read, Reason: err.Error(), Data: []byte(e.DN)})
		return
	}
	if dn := first(e, r.c.cfg.Attributes.Manager); dn != "" {
		if id := r.person(dn); id != "" {
			rec.ManagerID = id
			rec.Says |= directory.FieldManager
		}
	}
	b.Records = append(b.Records, rec)
}

// person is the id of the person with a DN. Who did not change lately is
// looked up; who cannot be found is nobody.
func (r *reading) person(dn string) string {
	key := normalDN(dn)
	if id, ok := r.ids[key]; ok {
		return id
	}
	id := ""
	res, err := r.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", r.c.wanted(), nil))
	if err == nil && len(res.Entries) == 1 {
		id = r.c.personID(res.Entries[0])
	}
	r.ids[key] = id
	return id
}
