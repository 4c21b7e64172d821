package identity

import (
	"context"
	"database/sql"

	"github.com/cordon-health/cordon/ocsf"
)

// Guests says whether links sign in by themselves, as in the demo.
func (s *Users) Guests() bool { return s.cfg.Guests }

// Enter uses a one-time link to sign in at once, where [Config.Guests] allows
// it. The account it makes has no password, so the link's session is all there
// is.
func (s *Users) Enter(ctx context.Context, link string) (Session, error) {
	if !s.cfg.Guests {
		return Session{}, ErrDenied
	}
	var ses Session
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		inv, err := s.invitation(ctx, tx, link)
		if err != nil {
			return err
		}
		if err := s.putUser(ctx, tx, inv, "", "", 0); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE identity_invitations SET used = $1 WHERE hash = $2`,
			s.now().UnixMilli(), hashSecret(link)); err != nil {
			return err
		}
		ses, err = s.begin(ctx, tx, inv.Name)
		return err
	})
	s.tell(ctx, ocsf.Authentication, ocsf.AuthLogon, ses.User.Name, ses.User.Name, err)
	return ses, err
}
