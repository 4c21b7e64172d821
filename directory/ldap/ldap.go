// Package ldap reads people from an LDAP directory or Active Directory into
// package directory, and suspends and restores their accounts.
package ldap

import (
	"context"
	"log/slog"
	"time"

	"github.com/cordon-health/cordon/directory"
)

// Config says where the directory is and how its attributes are to be read.
type Config struct {
	URL string `yaml:"url"`
}

// State is what an account looked like before it was suspended.
type State struct {
	// DN is the entry.
	DN string `json:"dn"`
	// Attribute is what was changed, Value what it held before.
	Attribute string `json:"attribute"`
	Value     string `json:"value,omitempty"`
	Suspended bool   `json:"suspended"`
}

// Client talks to one LDAP service.
type Client struct{}

// New checks the config. It does not connect.
func New(cfg Config, dir *directory.Directory, now func() time.Time, log *slog.Logger) (*Client, error) {
	panic("soon")
}

// Sync reads what changed since the last sync (everything the first time).
func (c *Client) Sync(ctx context.Context) (directory.Counts, error) { panic("soon") }

// Run syncs until ctx ends.
func (c *Client) Run(ctx context.Context) error { panic("soon") }

// State reads whether an account is suspended.
func (c *Client) State(ctx context.Context, account string) (State, error) { panic("soon") }

// Suspend disables an account and returns its state before. Repeating it does
// nothing.
func (c *Client) Suspend(ctx context.Context, account string) (State, error) { panic("soon") }

// Restore brings an account back to the state given.
func (c *Client) Restore(ctx context.Context, account string, before State) error { panic("soon") }
