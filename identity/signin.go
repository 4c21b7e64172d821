package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/cordon-health/cordon/ocsf"
)

// The refusals people see. They say no more than needed.
var (
	// ErrDenied means that name, password or code are not right.
	ErrDenied = errors.New("user name, password or code is not right")
	// ErrSlow means too many failures; try again later.
	ErrSlow = errors.New("too many failed attempts; wait a little and try again")
	// ErrExpired means that a link was used or is too old.
	ErrExpired = errors.New("this link was used already or has expired; ask an administrator for a new one")
)

// Invitation is what a one-time link turns into an account.
type Invitation struct {
	Name, FullName, Department, PersonID string
	Role                                 Role
}

// Invite makes a one-time link's secret for a new user, or for an existing
// one to choose a new password and authenticator; the account then becomes
// what the invitation says. Only the newest link of a name works.
func (s *Users) Invite(ctx context.Context, inv Invitation, by string) (string, error) {
	if !userName.MatchString(inv.Name) {
		return "", fmt.Errorf("user name %q: 2 to 64 letters, digits and . _ @ -, beginning with a letter or digit", inv.Name)
	}
	if _, err := ParseRole(string(inv.Role)); err != nil || inv.Role == Sender {
		return "", fmt.Errorf("role %q is not for people; choose one of the console's roles", inv.Role)
	}
	text, hash := secret()
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		if err := dropLinks(ctx, tx, inv.Name); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO identity_invitations (hash, name, full_name, role, department, person_id, expires, used)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`, hash, inv.Name, inv.FullName, string(inv.Role), inv.Department, inv.PersonID,
			s.now().Add(s.cfg.Invitation).UnixMilli())
		return err
	})
	s.tell(ctx, ocsf.UserManagement, 1, inv.Name, by, err)
	return text, err
}

// dropLinks ends the links of a name that nobody has used.
func dropLinks(ctx context.Context, tx *sql.Tx, name string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM identity_invitations WHERE name = $1 AND used = 0`, name)
	return err
}

// Invitation reads a link without using it.
func (s *Users) Invitation(ctx context.Context, text string) (Invitation, error) {
	var inv Invitation
	err := s.db.View(ctx, func(tx *sql.Tx) (err error) {
		inv, err = s.invitation(ctx, tx, text)
		return err
	})
	return inv, err
}

func (s *Users) invitation(ctx context.Context, tx *sql.Tx, text string) (Invitation, error) {
	var inv Invitation
	var expires, used int64
	err := tx.QueryRowContext(ctx, `SELECT name, full_name, role, department, person_id, expires, used
		FROM identity_invitations WHERE hash = $1`, hashSecret(text)).
		Scan(&inv.Name, &inv.FullName, &inv.Role, &inv.Department, &inv.PersonID, &expires, &used)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return inv, ErrExpired
	case err != nil:
		return inv, err
	case used != 0 || expires < s.now().UnixMilli():
		return inv, ErrExpired
	}
	return inv, nil
}

// NewTOTP makes a secret for an authenticator app: its text, and the otpauth
// URL for a QR code.
func (s *Users) NewTOTP(name string) (secret, url string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: s.cfg.Issuer, AccountName: name})
	if err != nil {
		return "", "", fmt.Errorf("make authenticator secret: %w", err)
	}
	return key.Secret(), key.URL(), nil
}

// Accept turns an invitation into an account that has proved it can produce a
// code of totpSecret, and signs it in.
func (s *Users) Accept(ctx context.Context, link, password, totpSecret, code string) (Session, error) {
	inv, err := s.Invitation(ctx, link)
	if err != nil {
		return Session{}, err
	}
	if err := CheckPassword(inv.Name, password); err != nil {
		return Session{}, err
	}
	step, ok := s.codeStep(totpSecret, code, 0)
	if !ok {
		return Session{}, ErrDenied
	}
	var hash string
	if err := s.hashing(ctx, func() { hash = hashPassword(password) }); err != nil {
		return Session{}, err
	}
	var ses Session
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := s.invitation(ctx, tx, link); err != nil {
			return err // used meanwhile
		}
		if err := s.putUser(ctx, tx, inv, hash, totpSecret, step); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE identity_invitations SET used = $1 WHERE hash = $2`,
			s.now().UnixMilli(), hashSecret(link)); err != nil {
			return err
		}
		if err := dropLinks(ctx, tx, inv.Name); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM identity_sessions WHERE name = $1`, inv.Name); err != nil {
			return err
		}
		ses, err = s.begin(ctx, tx, inv.Name)
		return err
	})
	s.tell(ctx, ocsf.Authentication, ocsf.AuthLogon, inv.Name, inv.Name, err)
	return ses, err
}

func (s *Users) putUser(ctx context.Context, tx *sql.Tx, inv Invitation, hash, totpSecret string, step int64) error {
	old, err := getUser(ctx, tx, inv.Name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && inv.Role != Administrator {
		if err := keepOneAdministrator(ctx, tx, old); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO identity_users
		(name, full_name, role, department, person_id, hash, totp, totp_step, failures, locked, disabled, created, seen)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, $9, $9)
		ON CONFLICT (name) DO UPDATE SET full_name = $2, role = $3, department = $4, person_id = $5, hash = $6, totp = $7, totp_step = $8, failures = 0, locked = 0, disabled = 0`,
		inv.Name, inv.FullName, string(inv.Role), inv.Department, inv.PersonID, hash, s.seal.seal(inv.Name, totpSecret), step, s.now().UnixMilli())
	return err
}

// SignIn checks password and code. A name that does not exist is answered
// alike: as slowly, and with the same pauses.
func (s *Users) SignIn(ctx context.Context, name, password, code string) (Session, error) {
	acc, err := s.account(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Session{}, err
	}
	known := err == nil
	now := s.now().UnixMilli()
	if !known {
		acc = account{hash: nobody(), locked: s.strangers.locked(name)}
	}
	if acc.locked > now {
		s.tell(ctx, ocsf.Authentication, ocsf.AuthLogon, clip(name), clip(name), ErrSlow)
		return Session{}, ErrSlow
	}
	var right bool
	if err := s.hashing(ctx, func() { right = samePassword(acc.hash, password) }); err != nil {
		return Session{}, err
	}
	step, codeRight := s.codeStep(acc.totp, code, acc.step)
	if !known || !right || !codeRight || acc.disabled {
		err = s.fail(ctx, name)
		s.tell(ctx, ocsf.Authentication, ocsf.AuthLogon, clip(name), clip(name), ErrDenied)
		return Session{}, errors.Join(ErrDenied, err)
	}
	var ses Session
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE identity_users SET failures = 0, locked = 0, totp_step = $1, seen = $2
			WHERE name = $3 AND totp_step < $1`, step, now, name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrDenied, err) // the code was used by another request
		}
		ses, err = s.begin(ctx, tx, name)
		return err
	})
	s.tell(ctx, ocsf.Authentication, ocsf.AuthLogon, name, name, err)
	return ses, err
}

type account struct {
	hash, totp         string
	step, locked, fail int64
	disabled           bool
}

func (s *Users) account(ctx context.Context, name string) (account, error) {
	var a account
	var disabled int64
	err := s.db.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT hash, totp, totp_step, locked, failures, disabled FROM identity_users WHERE name = $1`, name).
			Scan(&a.hash, &a.totp, &a.step, &a.locked, &a.fail, &disabled)
	})
	a.disabled = disabled != 0
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	if err == nil {
		a.totp, err = s.seal.open(name, a.totp)
	}
	return a, err
}

// fail counts a failure of a name, known or not.
func (s *Users) fail(ctx context.Context, name string) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var n int64
		err := tx.QueryRowContext(ctx, `UPDATE identity_users SET failures = failures + 1 WHERE name = $1 RETURNING failures`, name).Scan(&n)
		pause := pauseAfter(n)
		if err != nil || pause == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE identity_users SET locked = $1 WHERE name = $2`, s.now().Add(pause).UnixMilli(), name)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		s.strangers.fail(name, s.now())
		return nil
	}
	return err
}

// codeStep finds the time step of a code, one step of clock skew either way,
// and refuses steps not after last (RFC 6238 section 5.2: a code works once).
func (s *Users) codeStep(totpSecret, code string, last int64) (int64, bool) {
	if totpSecret == "" || code == "" {
		return 0, false
	}
	now := s.now().Unix() / 30
	for step := now - 1; step <= now+1; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(step), totpSecret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && ok && step > last {
			return step, true
		}
	}
	return 0, false
}

// nobody is a hash that no password matches but costs as much to try.
func nobody() string {
	return "argon2id$1$47104$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64]
	}
	return s
}
