package identity

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
)

type bench struct {
	t     *testing.T
	s     *Users
	db    *store.DB
	clock time.Time
	told  []*ocsf.Event
	totp  string
}

const goodPassword = "correct horse 9"

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, clock: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	var err error
	if b.db, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.db.Close() })
	audit := func(_ context.Context, ev *ocsf.Event) error { b.told = append(b.told, ev); return nil }
	if b.s, err = New(t.Context(), Default(), b.db, func() time.Time { return b.clock }, audit); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) code() string {
	b.t.Helper()
	code, err := totp.GenerateCode(b.totp, b.clock)
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

// link invites somebody.
func (b *bench) link(inv Invitation) string {
	b.t.Helper()
	link, err := b.s.Invite(b.t.Context(), inv, "setup")
	if err != nil {
		b.t.Fatal(err)
	}
	return link
}

// accept uses a link with a new authenticator.
func (b *bench) accept(link, name string) (ses Session, err error) {
	b.t.Helper()
	if b.totp, _, err = b.s.NewTOTP(name); err != nil {
		b.t.Fatal(err)
	}
	return b.s.Accept(b.t.Context(), link, goodPassword, b.totp, b.code())
}

// invite lets somebody in by a one-time link.
func (b *bench) invite(inv Invitation) (Session, string) {
	b.t.Helper()
	link := b.link(inv)
	ses, err := b.accept(link, inv.Name)
	if err != nil {
		b.t.Fatal(err)
	}
	return ses, link
}

// admin is the first to come.
func (b *bench) admin() Session {
	b.t.Helper()
	ses, link := b.invite(Invitation{Name: "anna", Role: Administrator})
	if _, err := b.s.Accept(b.t.Context(), link, goodPassword, b.totp, b.code()); !errors.Is(err, ErrExpired) {
		b.t.Fatalf("a link worked twice: %v", err)
	}
	return ses
}

func TestFirstAdministrator(t *testing.T) {
	b := newBench(t)
	if empty, err := b.s.Empty(t.Context()); err != nil || !empty {
		t.Fatal(empty, err)
	}
	ses := b.admin()
	got, err := b.s.Session(t.Context(), ses.Secret)
	if err != nil || got.User.Name != "anna" || !got.User.May(ManageUsers) || !got.SameCSRF(ses.CSRF) || got.SameCSRF("") {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestSignIn(t *testing.T) {
	b := newBench(t)
	b.admin()
	b.clock = b.clock.Add(time.Minute)
	if _, err := b.s.SignIn(t.Context(), "anna", goodPassword, "000000"); !errors.Is(err, ErrDenied) {
		t.Fatal("wrong code:", err)
	}
	if _, err := b.s.SignIn(t.Context(), "nobody", goodPassword, b.code()); !errors.Is(err, ErrDenied) {
		t.Fatal("unknown name:", err)
	}
	code := b.code()
	if _, err := b.s.SignIn(t.Context(), "anna", goodPassword, code); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.SignIn(t.Context(), "anna", goodPassword, code); !errors.Is(err, ErrDenied) {
		t.Fatal("a code worked twice:", err)
	}
	last := b.told[len(b.told)-1]
	if last.ClassUID != ocsf.Authentication || last.StatusID != ocsf.StatusFailure {
		t.Fatalf("the failure was not told: %+v", last)
	}
}

func TestFailuresSlowDown(t *testing.T) {
	b := newBench(t)
	b.admin()
	b.clock = b.clock.Add(time.Minute)
	for range 5 {
		_, _ = b.s.SignIn(t.Context(), "anna", "wrong password", b.code())
	}
	if _, err := b.s.SignIn(t.Context(), "anna", goodPassword, b.code()); !errors.Is(err, ErrSlow) {
		t.Fatal(err)
	}
	b.clock = b.clock.Add(time.Minute)
	if _, err := b.s.SignIn(t.Context(), "anna", goodPassword, b.code()); err != nil {
		t.Fatal(err)
	}
}

func TestUnknownNamesPauseLikeKnownOnes(t *testing.T) {
	b := newBench(t)
	b.admin()
	b.clock = b.clock.Add(time.Minute)
	answers := map[string][]error{}
	for _, name := range []string{"anna", "nobody"} {
		for range 6 {
			_, err := b.s.SignIn(t.Context(), name, "wrong password", b.code())
			answers[name] = append(answers[name], err)
		}
	}
	for i, err := range answers["anna"] {
		if other := answers["nobody"][i]; err.Error() != other.Error() {
			t.Errorf("attempt %d: %v, but %v for an unknown name", i, err, other)
		}
	}
	if last := answers["nobody"][5]; !errors.Is(last, ErrSlow) {
		t.Error(last)
	}
}

func TestStrangersAreBounded(t *testing.T) {
	s := strangers{known: map[[sha256.Size]byte]failing{}}
	now := time.Unix(1, 0)
	for i := range mostStrangers + 3 {
		s.fail(strconv.Itoa(i), now.Add(time.Duration(i)*time.Second))
	}
	if _, ok := s.known[sha256.Sum256([]byte("0"))]; ok || len(s.known) != mostStrangers {
		t.Fatal(len(s.known), ok)
	}
}

func TestPasswordsWaitTheirTurn(t *testing.T) {
	b := newBench(t)
	for range atOnce {
		b.s.turns <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := b.s.SignIn(ctx, "anna", goodPassword, "123456"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	<-b.s.turns
	if _, err := b.s.SignIn(t.Context(), "anna", goodPassword, "123456"); !errors.Is(err, ErrDenied) {
		t.Fatal(err)
	}
}

func TestInvitedAgain(t *testing.T) {
	b := newBench(t)
	b.admin()
	if _, err := b.accept(b.link(Invitation{Name: "anna", Role: Auditor}), "anna"); err == nil {
		t.Fatal("the last administrator became an auditor")
	}
	b.invite(Invitation{Name: "ben", Role: DepartmentHead, Department: "Surgery"})
	want := Invitation{Name: "ben", FullName: "Ben B", Role: DepartmentHead, Department: "Cardiology", PersonID: "d7"}
	b.invite(want)
	if u, err := b.s.Get(t.Context(), "ben"); err != nil || u.FullName != want.FullName || u.Department != want.Department || u.PersonID != want.PersonID {
		t.Fatalf("%+v %v", u, err)
	}
}

func TestOldLinksDoNotReopenAnAccount(t *testing.T) {
	b := newBench(t)
	b.admin()
	first := b.link(Invitation{Name: "ben", Role: Auditor})
	second := b.link(Invitation{Name: "ben", Role: Auditor})
	if _, err := b.accept(first, "ben"); !errors.Is(err, ErrExpired) {
		t.Fatal("a replaced link:", err)
	}
	if _, err := b.accept(second, "ben"); err != nil {
		t.Fatal(err)
	}
	third := b.link(Invitation{Name: "ben", Role: Auditor})
	if err := b.s.Disable(t.Context(), "ben", "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.accept(third, "ben"); !errors.Is(err, ErrExpired) {
		t.Fatal("a link from before the account was disabled:", err)
	}
}

func TestSecretsAreSealed(t *testing.T) {
	b := newBench(t)
	b.admin()
	s := b.s.seal
	text := s.seal("anna", "JBSW")
	if got, err := s.open("anna", text); err != nil || got != "JBSW" {
		t.Fatal(got, err)
	}
	if _, err := s.open("ben", text); err == nil {
		t.Fatal("opened for another name")
	}
	if got, err := s.open("anna", "JBSW"); err != nil || got != "JBSW" {
		t.Fatal("from before secrets were sealed:", got, err)
	}
}

func TestSessionsEnd(t *testing.T) {
	for name, end := range map[string]func(*bench, Session){
		"idle":     func(b *bench, _ Session) { b.clock = b.clock.Add(31 * time.Minute) },
		"sign out": func(b *bench, ses Session) { _ = b.s.SignOut(b.t.Context(), ses) },
		"old": func(b *bench, ses Session) {
			for range 40 {
				b.clock = b.clock.Add(20 * time.Minute)
				_, _ = b.s.Session(b.t.Context(), ses.Secret)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			ses := b.admin()
			end(b, ses)
			if _, err := b.s.Session(t.Context(), ses.Secret); !errors.Is(err, ErrDenied) {
				t.Fatal(err)
			}
			if err := b.s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestLastAdministratorStays(t *testing.T) {
	b := newBench(t)
	b.admin()
	if err := b.s.Disable(t.Context(), "anna", "anna"); err == nil {
		t.Fatal("the last administrator was disabled")
	}
}

func TestTokens(t *testing.T) {
	b := newBench(t)
	text, err := b.s.CreateToken(t.Context(), "his", Sender, time.Hour, "anna")
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.s.Token(t.Context(), text)
	if err != nil || !u.May(SendEvents) || u.May(SeeCases) {
		t.Fatalf("%+v %v", u, err)
	}
	list, err := b.s.Tokens(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := b.s.RevokeToken(t.Context(), list[0].ID, "anna"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s.Token(t.Context(), text); !errors.Is(err, ErrDenied) {
		t.Fatal(err)
	}
}

func TestTokenActsForWhoMadeItAndApprovesNothing(t *testing.T) {
	b := newBench(t)
	b.invite(Invitation{Name: "anna", Role: Administrator, PersonID: "d1"})
	text, err := b.s.CreateToken(t.Context(), "helper", Administrator, 0, "anna")
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.s.Token(t.Context(), text)
	if err != nil || u.Human() != "anna" || u.PersonID != "d1" || !u.May(HandleCases) {
		t.Fatalf("%+v %v", u, err)
	}
	if u.May(ApproveActions) || !(User{Name: "anna", Role: Administrator}).May(ApproveActions) {
		t.Fatal("a person approves, a program never")
	}
}

func TestNothingUsableIsStored(t *testing.T) {
	b := newBench(t)
	ses := b.admin()
	token, _ := b.s.CreateToken(t.Context(), "x", Auditor, 0, "anna")
	err := b.db.View(t.Context(), func(tx *sql.Tx) error {
		for _, table := range []string{"identity_users", "identity_sessions", "identity_tokens", "identity_invitations"} {
			rows, err := tx.Query("SELECT * FROM " + table)
			if err != nil {
				return err
			}
			defer rows.Close()
			names, _ := rows.Columns()
			values, targets := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				targets[i] = &values[i]
			}
			for rows.Next() {
				if err := rows.Scan(targets...); err != nil {
					return err
				}
				for _, v := range values {
					if s, ok := v.(string); ok && (strings.Contains(s, ses.Secret) || strings.Contains(s, token) || strings.Contains(s, goodPassword) || strings.Contains(s, b.totp)) {
						t.Errorf("%s holds a usable secret", table)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPasswords(t *testing.T) {
	for _, bad := range []string{"short", "aaaaaaaaaaaaaa", "anna-anna-annika", strings.Repeat("abcdef", 100)} {
		if CheckPassword("anna", bad) == nil {
			t.Errorf("%.20s was taken", bad)
		}
	}
	h := hashPassword(goodPassword)
	if !samePassword(h, goodPassword) || samePassword(h, goodPassword+"x") || samePassword("junk", goodPassword) {
		t.Fatal("comparison")
	}
}

func TestRoles(t *testing.T) {
	if Auditor.May(HandleCases) || Sender.May(SeeOverview) || Role("x").May(SeeOverview) || !PrivacyOfficer.May(SeePatients) {
		t.Fatal("grants")
	}
	for _, r := range Roles() {
		if r.Title.EN == "" || r.Title.ZH == "" {
			t.Error(r.Role)
		}
	}
}

// A link signs in by itself only where guests are wanted, and only once.
func TestGuests(t *testing.T) {
	b := newBench(t)
	invite := func() string {
		link, err := b.s.Invite(t.Context(), Invitation{Name: "admin", Role: Administrator}, "setup")
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	if _, err := b.s.Enter(t.Context(), invite()); !errors.Is(err, ErrDenied) {
		t.Fatal("a link signed in without password:", err)
	}
	b.s.cfg.Guests = true
	link := invite()
	ses, err := b.s.Enter(t.Context(), link)
	if err != nil || ses.User.Name != "admin" {
		t.Fatal(ses, err)
	}
	if _, err := b.s.Enter(t.Context(), link); !errors.Is(err, ErrExpired) {
		t.Fatal("a link worked twice:", err)
	}
	for _, password := range []string{"", goodPassword} {
		if _, err := b.s.SignIn(t.Context(), "admin", password, ""); !errors.Is(err, ErrDenied) {
			t.Fatal("a guest's account has a password:", err)
		}
	}
}
