package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// Session is one signed-in browser. Secret goes into the cookie, CSRF into
// every form.
type Session struct {
	Secret string
	CSRF   string
	User   User
}

// SameCSRF compares a form's token in constant time.
func (s Session) SameCSRF(token string) bool {
	return s.CSRF != "" && subtle.ConstantTimeCompare([]byte(s.CSRF), []byte(token)) == 1
}

func (s *Users) begin(ctx context.Context, tx *sql.Tx, name string) (Session, error) {
	var ses Session
	var hash string
	ses.Secret, hash = secret()
	ses.CSRF, _ = secret()
	now := s.now().UnixMilli()
	_, err := tx.ExecContext(ctx, `INSERT INTO identity_sessions (id, name, csrf, created, seen) VALUES ($1, $2, $3, $4, $4)`,
		hash, name, ses.CSRF, now)
	if err != nil {
		return Session{}, err
	}
	ses.User, err = getUser(ctx, tx, name)
	return ses, err
}

// Session finds the session of a cookie. ErrDenied means sign in again.
func (s *Users) Session(ctx context.Context, text string) (Session, error) {
	ses := Session{Secret: text}
	var created, seen int64
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		var name string
		err := tx.QueryRowContext(ctx, `SELECT name, csrf, created, seen FROM identity_sessions WHERE id = $1`, hashSecret(text)).
			Scan(&name, &ses.CSRF, &created, &seen)
		if err != nil {
			return err
		}
		ses.User, err = getUser(ctx, tx, name)
		return err
	})
	now := s.now()
	switch {
	case errors.Is(err, sql.ErrNoRows), errors.Is(err, fs.ErrNotExist):
		return Session{}, ErrDenied
	case err != nil:
		return Session{}, err
	case ses.User.Disabled, now.Sub(time.UnixMilli(seen)) > s.cfg.Idle, now.Sub(time.UnixMilli(created)) > s.cfg.Longest:
		return Session{}, ErrDenied
	}
	if now.Sub(time.UnixMilli(seen)) > time.Minute { // not a write per click
		err = s.touch(ctx, text, now.UnixMilli())
	}
	return ses, err
}

func (s *Users) touch(ctx context.Context, text string, now int64) error {
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE identity_sessions SET seen = $1 WHERE id = $2`, now, hashSecret(text))
		return err
	})
}

// SignOut ends a session.
func (s *Users) SignOut(ctx context.Context, ses Session) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM identity_sessions WHERE id = $1`, hashSecret(ses.Secret))
		return err
	})
	s.tell(ctx, ocsf.Authentication, ocsf.AuthLogoff, ses.User.Name, ses.User.Name, err)
	return err
}

// Sweep removes sessions and invitations that have ended.
func (s *Users) Sweep(ctx context.Context) error {
	now := s.now()
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM identity_sessions WHERE seen < $1 OR created < $2`,
			now.Add(-s.cfg.Idle).UnixMilli(), now.Add(-s.cfg.Longest).UnixMilli()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM identity_invitations WHERE expires < $1`, now.Add(-30*24*time.Hour).UnixMilli())
		return err
	})
}

// Token is a bearer token as it is listed; the secret is shown once.
type Token struct {
	ID      string
	Label   string
	Role    Role
	Created int64
	Expires int64
	By      string
	Seen    int64
}

// CreateToken makes a bearer token for the person by; life 0 means a year.
func (s *Users) CreateToken(ctx context.Context, label string, role Role, life time.Duration, by string) (string, error) {
	if _, err := ParseRole(string(role)); err != nil {
		return "", err
	}
	if life <= 0 {
		life = 365 * 24 * time.Hour
	}
	text, _ := secret()
	text = "cordon_" + text
	var id [6]byte
	rand.Read(id[:])
	now := s.now()
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO identity_tokens (id, hash, label, role, created, expires, by_user, seen)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`, hex.EncodeToString(id[:]), hashSecret(text), label, string(role),
			now.UnixMilli(), now.Add(life).UnixMilli(), by)
		return err
	})
	s.tell(ctx, ocsf.UserManagement, 1, tokenName+hex.EncodeToString(id[:]), by, err)
	return text, err
}

// Token finds who a bearer token stands for, as a user without a password.
// Behind it stands whoever made it, so that nobody decides twice or on a case
// of their own by way of a program.
func (s *Users) Token(ctx context.Context, text string) (User, error) {
	var u User
	var id string
	var expires, seen int64
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT t.id, t.role, t.expires, t.seen, t.by_user, COALESCE(u.person_id, '')
			FROM identity_tokens t LEFT JOIN identity_users u ON u.name = t.by_user WHERE t.hash = $1`, hashSecret(text)).
			Scan(&id, &u.Role, &expires, &seen, &u.Behind, &u.PersonID)
	})
	now := s.now().UnixMilli()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return User{}, ErrDenied
	case err != nil:
		return User{}, err
	case expires < now:
		return User{}, ErrDenied
	}
	u.Name = tokenName + id
	if now-seen > time.Hour.Milliseconds() {
		err = s.db.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE identity_tokens SET seen = $1 WHERE id = $2`, now, id)
			return err
		})
	}
	return u, err
}

// Tokens lists the tokens that still work, newest first.
func (s *Users) Tokens(ctx context.Context) ([]Token, error) {
	var list []Token
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		list = nil
		rows, err := tx.QueryContext(ctx, `SELECT id, label, role, created, expires, by_user, seen FROM identity_tokens
			WHERE expires > $1 ORDER BY created DESC`, s.now().UnixMilli())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t Token
			if err := rows.Scan(&t.ID, &t.Label, &t.Role, &t.Created, &t.Expires, &t.By, &t.Seen); err != nil {
				return err
			}
			list = append(list, t)
		}
		return rows.Err()
	})
	return list, err
}

// RevokeToken ends a token at once.
func (s *Users) RevokeToken(ctx context.Context, id, by string) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM identity_tokens WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return fmt.Errorf("token %q: %w", id, fs.ErrNotExist)
		}
		return nil
	})
	s.tell(ctx, ocsf.UserManagement, 6, tokenName+id, by, err)
	return err
}
