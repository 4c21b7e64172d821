// Package identity signs people in to Cordon itself: the console's users,
// their sessions, and bearer tokens for programs.
//
// It owns the tables identity_users, identity_sessions, identity_tokens and
// identity_invitations. It guarantees: a password is stored as Argon2id and
// no session, token or invitation in a form that could be used from a stolen
// database (SHA-256 of 32 random bytes; authenticator secrets are sealed with
// the site's key); every sign-in needs a one-time code
// (TOTP, RFC 6238), each code works once; failures slow down an account with
// growing pauses whether or not it exists, so that names cannot be guessed;
// a session ends when idle, when old, when the account is disabled, and when
// the password changes. The first administrator comes in by a one-time link.
//
// Every sign-in, failure and change of an account is handed to the Audit
// function as an OCSF event, so that those who watch are watched too.
//
// It does not know the hospital's staff accounts (directory does) and decides
// only by role ([Role.May]); finer decisions belong to policy.
package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Config is the sign-in's part of the configuration.
type Config struct {
	// Issuer is the name an authenticator app shows.
	Issuer string `yaml:"issuer"`
	// Idle ends a session unused for so long; Longest ends any session.
	Idle    time.Duration `yaml:"idle"`
	Longest time.Duration `yaml:"longest"`
	// Invitation is how long a sign-in link works.
	Invitation time.Duration `yaml:"invitation"`
	// Guests lets a one-time link sign in by itself, without password and code.
	// No file can set it; the demo does, on a hospital that does not exist.
	Guests bool `yaml:"-"`
	// Key seals authenticator secrets in the store. It comes from the site's
	// key file, never from the configuration.
	Key [32]byte `yaml:"-" json:"-"`
}

// Default ends sessions after 30 idle minutes or 12 hours.
func Default() Config {
	return Config{Issuer: "Cordon", Idle: 30 * time.Minute, Longest: 12 * time.Hour, Invitation: 24 * time.Hour}
}

// Check says what is wrong with the configuration.
func (c Config) Check() error {
	if c.Idle < time.Minute || c.Longest < c.Idle || c.Invitation < time.Minute {
		return errors.New("identity: idle and invitation must be a minute or more, and longest not below idle")
	}
	return nil
}

// Audit takes an event about the users of Cordon itself. It returns when the
// event is durable, or cannot be.
type Audit func(ctx context.Context, ev *ocsf.Event) error

// Users is the book of users, sessions and tokens. All methods may be called
// concurrently.
type Users struct {
	cfg   Config
	db    *store.DB
	now   func() time.Time
	audit Audit

	seal      sealer
	turns     chan struct{} // holds one for each password being hashed
	strangers strangers
}

// New opens the book. audit may be nil.
func New(ctx context.Context, cfg Config, db *store.DB, now func() time.Time, audit Audit) (*Users, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "identity", sub); err != nil {
		return nil, err
	}
	if audit == nil {
		audit = func(context.Context, *ocsf.Event) error { return nil }
	}
	seal, err := newSealer(cfg.Key)
	if err != nil {
		return nil, err
	}
	return &Users{
		cfg: cfg, db: db, now: now, audit: audit, seal: seal, turns: make(chan struct{}, atOnce),
		strangers: strangers{known: map[[sha256.Size]byte]failing{}},
	}, nil
}

// User is an account of the console. Times are ms.
type User struct {
	Name       string
	FullName   string
	Role       Role
	Department string
	// PersonID is the directory's id where the user is staff, so that looking
	// at one's own case can be noticed.
	PersonID string
	// Behind is the name of the user who made the token, where a program acts.
	Behind   string
	Disabled bool
	Created  int64
	Seen     int64
}

// May says whether the user has a permission. A program approves nothing,
// whatever its role: an approval is a person's word.
func (u User) May(p Permission) bool {
	return !u.Disabled && u.Role.May(p) && !(p == ApproveActions && u.program())
}

// tokenName begins the names of programs; no user's name may hold its colon.
const tokenName = "token:"

func (u User) program() bool { return u.Behind != "" || strings.HasPrefix(u.Name, tokenName) }

// Human is the name of the person who acts: the user, or who made the token.
func (u User) Human() string {
	if u.Behind != "" {
		return u.Behind
	}
	return u.Name
}

var userName = regexp.MustCompile(`^[\p{L}\p{N}][\p{L}\p{N}._@-]{1,63}$`)

// Empty says whether there is no user yet.
func (s *Users) Empty(ctx context.Context) (bool, error) {
	var n int
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM identity_users`).Scan(&n)
	})
	return n == 0, err
}

// List returns all users, by name.
func (s *Users) List(ctx context.Context) ([]User, error) {
	var users []User
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		users = nil
		rows, err := tx.QueryContext(ctx, `SELECT name, full_name, role, department, person_id, disabled, created, seen
			FROM identity_users ORDER BY name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			u, err := scanUser(rows.Scan)
			if err != nil {
				return err
			}
			users = append(users, u)
		}
		return rows.Err()
	})
	return users, err
}

// Get returns one user; fs.ErrNotExist when there is none.
func (s *Users) Get(ctx context.Context, name string) (User, error) {
	var u User
	err := s.db.View(ctx, func(tx *sql.Tx) (err error) {
		u, err = getUser(ctx, tx, name)
		return err
	})
	return u, err
}

func getUser(ctx context.Context, tx *sql.Tx, name string) (User, error) {
	u, err := scanUser(tx.QueryRowContext(ctx, `SELECT name, full_name, role, department, person_id, disabled, created, seen
		FROM identity_users WHERE name = $1`, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return u, fmt.Errorf("user %q: %w", name, fs.ErrNotExist)
	}
	return u, err
}

func scanUser(read func(...any) error) (User, error) {
	var u User
	var disabled int64
	err := read(&u.Name, &u.FullName, &u.Role, &u.Department, &u.PersonID, &disabled, &u.Created, &u.Seen)
	u.Disabled = disabled != 0
	return u, err
}

// Disable shuts an account and ends its sessions and open links; Enable opens
// it again. The last administrator cannot be disabled.
func (s *Users) Disable(ctx context.Context, name, by string) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		u, err := getUser(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := keepOneAdministrator(ctx, tx, u); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM identity_sessions WHERE name = $1`, name); err != nil {
			return err
		}
		if err := dropLinks(ctx, tx, name); err != nil {
			return err
		}
		return setDisabled(ctx, tx, name, 1)
	})
	s.tell(ctx, ocsf.UserManagement, 5, name, by, err)
	return err
}

// Enable opens a disabled account.
func (s *Users) Enable(ctx context.Context, name, by string) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error { return setDisabled(ctx, tx, name, 0) })
	s.tell(ctx, ocsf.UserManagement, 2, name, by, err)
	return err
}

func setDisabled(ctx context.Context, tx *sql.Tx, name string, v int) error {
	_, err := tx.ExecContext(ctx, `UPDATE identity_users SET disabled = $1, failures = 0, locked = 0 WHERE name = $2`, v, name)
	return err
}

func keepOneAdministrator(ctx context.Context, tx *sql.Tx, u User) error {
	if u.Role != Administrator || u.Disabled {
		return nil
	}
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM identity_users WHERE role = $1 AND disabled = 0 AND name <> $2`,
		string(Administrator), u.Name).Scan(&n)
	if err == nil && n == 0 {
		err = errors.New("this is the last administrator; invite another one first")
	}
	return err
}

// tell hands an event to the audit. Activity ids are those of the class. Whoever
// has to mend an audit that takes nothing must be able to sign in.
func (s *Users) tell(ctx context.Context, class ocsf.Class, activity int, name, by string, err error) {
	ev := &ocsf.Event{
		ClassUID: class, ActivityID: activity, SeverityID: ocsf.SeverityInformational, StatusID: ocsf.StatusSuccess,
		Time: s.now().UnixMilli(),
		User: &ocsf.User{UID: name, Account: name},
	}
	ev.Actor.User = ocsf.User{UID: by, Account: by}
	ev.Metadata.EventCode = "console"
	if err != nil {
		ev.StatusID, ev.SeverityID = ocsf.StatusFailure, ocsf.SeverityLow
		ev.StatusDetail = reasonOf(err)
	}
	_ = s.audit(ctx, ev) // it logs what it could not keep
}

// reasonOf names errors people may see; others stay inside.
func reasonOf(err error) string {
	for _, known := range []error{ErrDenied, ErrSlow, ErrExpired, fs.ErrNotExist} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "could not be done"
}

// secret makes 32 random bytes as text, and their hash for the table.
func secret() (text, hash string) {
	var b [32]byte
	rand.Read(b[:])
	text = base64.RawURLEncoding.EncodeToString(b[:])
	return text, hashSecret(text)
}

func hashSecret(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
