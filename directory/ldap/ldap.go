// Package ldap reads people from a directory service (LDAP, Active Directory)
// into package directory, and suspends and restores their accounts.
//
// What it gives. [Client.Sync] reads everything at first and once a day, and
// in between only what changed: by uSNChanged on Active Directory, by
// modifyTimestamp elsewhere, in pages. A disabled account (userAccountControl,
// accountExpires, a permanent pwdAccountLockedTime, shadowExpire,
// nsAccountLock) counts as ended; so does one that a full reading no longer
// finds. [Client.Suspend] and [Client.Restore] are what a playbook does to an
// account.
//
// It owns no tables; how far it has read is a mark that directory stores in
// the same transaction as the people.
//
// What it guarantees. A reading is taken in wholly or not at all, and may be
// repeated. An attribute an entry lacks leaves what another source said.
// Suspending twice does nothing the second time; restoring an account that was
// suspended before we came leaves it suspended. Passwords travel encrypted
// unless told otherwise, and neither names nor values reach a log.
//
// What it does not do. It ends no session that is already open, writes
// nothing but the one attribute that suspends, follows no referrals, and
// takes a lock after wrong passwords (a pwdAccountLockedTime that passes) for
// no departure.
package ldap

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/cordon-health/cordon/directory"
)

// Client talks to one directory service. It opens a connection for each task,
// so it holds none. All methods may be called concurrently.
type Client struct {
	cfg Config
	dir *directory.Directory
	now func() time.Time
	log *slog.Logger
}

// New checks the configuration. It does not connect.
func New(cfg Config, dir *directory.Directory, now func() time.Time, log *slog.Logger) (*Client, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	return &Client{cfg: cfg.filled(), dir: dir, now: now, log: log}, nil
}

// connect opens, encrypts and binds. The connection is closed when ctx ends;
// stop must be called.
func (c *Client) connect(ctx context.Context) (conn *ldap.Conn, stop func(), err error) {
	settings, err := c.tls()
	if err != nil {
		return nil, nil, err
	}
	conn, err = ldap.DialURL(c.cfg.URL, ldap.DialWithTLSConfig(settings), ldap.DialWithDialer(&net.Dialer{Timeout: c.cfg.Timeout}))
	if err != nil {
		return nil, nil, fmt.Errorf("connect to the directory service: %w", err)
	}
	conn.SetTimeout(c.cfg.Timeout)
	unwatch := context.AfterFunc(ctx, func() { conn.Close() })
	stop = func() {
		unwatch()
		conn.Close()
	}
	if err := c.bind(conn, settings); err != nil {
		stop()
		return nil, nil, err
	}
	return conn, stop, nil
}

func (c *Client) bind(conn *ldap.Conn, settings *tls.Config) error {
	if c.cfg.StartTLS {
		if err := conn.StartTLS(settings); err != nil {
			return fmt.Errorf("encrypt the connection to the directory service: %w", err)
		}
	}
	if c.cfg.BindDN == "" {
		return nil
	}
	password, err := os.ReadFile(c.cfg.PasswordFile)
	if err != nil {
		return fmt.Errorf("read the password for the directory service: %w", err)
	}
	password = bytes.TrimRight(password, "\r\n")
	if len(password) == 0 {
		return errors.New("the password file for the directory service is empty")
	}
	if err := conn.Bind(c.cfg.BindDN, string(password)); err != nil {
		return fmt.Errorf("sign in to the directory service: %w", err)
	}
	return nil
}

// tls trusts the configured certificates, or the system's.
func (c *Client) tls() (*tls.Config, error) {
	u, err := url.Parse(c.cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("ldap: url: %w", err)
	}
	settings := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if c.cfg.CAFile == "" {
		return settings, nil
	}
	pem, err := os.ReadFile(c.cfg.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificates to trust: %w", err)
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("ldap: ca_file holds no certificate in PEM")
	}
	return settings, nil
}

// Run syncs at once and then again and again until ctx ends. A failure is
// logged and tried again.
func (c *Client) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		counts, err := c.Sync(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			c.log.Warn("people not read from the directory service, trying again", "error", withoutNames(err))
		default:
			c.log.Info("people read from the directory service", "read", counts.Read, "changed", counts.Accepted, "refused", counts.Quarantined)
		}
		timer.Reset(c.cfg.Every)
	}
}

// withoutNames is an error as it may be logged: a server's own text can name
// an entry.
func withoutNames(err error) string {
	var answer *ldap.Error
	if errors.As(err, &answer) {
		return fmt.Sprintf("result %d: %s", answer.ResultCode, ldap.LDAPResultCodeMap[answer.ResultCode])
	}
	return err.Error()
}
