package release

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/mail"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/cordon-health/cordon/blob"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// The states of a release, in their order.
const (
	Requested = "requested" // kept, not made yet
	Making    = "making"
	Blocked   = "blocked"  // the trial found something; it does not leave
	Measured  = "measured" // made and tried; waits for approval
	Approved  = "approved" // may be taken by its recipient
	Refused   = "refused"
	Ended     = "ended" // expired or withdrawn; the data are deleted
)

// Wish is a request for a data set to leave.
type Wish struct {
	Title   string `json:"title"`
	Purpose string `json:"purpose"`
	// Basis is the legal basis, such as an ethics committee's decision.
	Basis string `json:"basis"`
	// Recipient is a person or body, Contact their mail address.
	Recipient string `json:"recipient"`
	Contact   string `json:"contact"`
	// Until is the last day on which it may be taken and used, 2006-01-02.
	Until string `json:"until"`
	// Recipe is YAML, see [Recipe].
	Recipe string `json:"recipe"`
	// File is the name of the data set's file.
	File string `json:"file"`
	// AgeKey is the recipient's public key (age1...); empty hands out in clear.
	AgeKey string `json:"age_key,omitempty"`
}

// Release is a data set on its way out. Times are ms.
type Release struct {
	ID string `json:"id"`
	Wish
	State     string `json:"state"`
	Requester string `json:"requester"`
	Requested int64  `json:"requested"`
	Approver  string `json:"approver,omitempty"`
	Decided   int64  `json:"decided,omitempty"`
	Reason    string `json:"reason,omitempty"`
	// TakenBy is who handed it out last, Ended why it ended.
	TakenBy string     `json:"taken_by,omitempty"`
	Ended   *ocsf.Text `json:"ended,omitempty"`
	Changed int64      `json:"changed"`
	// RecipeHash, Source and Output are SHA-256 in hex.
	RecipeHash string `json:"recipe_sha256"`
	SourceHash string `json:"source_sha256"`
	OutputHash string `json:"output_sha256,omitempty"`
	OutputSize int64  `json:"output_size,omitempty"`
	// Measured is what was measured of a table, Trial the attack on the output,
	// Deidentified what the profile did.
	Measured     *Report      `json:"measured,omitempty"`
	Deidentified *deid.Report `json:"deidentified,omitempty"`
	Trial        *Trial       `json:"trial,omitempty"`
	// Counted is what counts with noise cost.
	Counted *counted `json:"counted,omitempty"`
	// Level is that of GB/T 42460; 0 where it was not measured.
	Level int `json:"gbt42460_level"`
	// Marks are the copy's fingerprint, as far as it may be shown.
	Marked []Change `json:"marked,omitempty"`
	Honey  int      `json:"honey_rows,omitempty"`
	// Proven is from how many rows of a random piece the fingerprint names the
	// copy; 0 where it could not prove anything, see Marks.Proven.
	Proven int `json:"proven_rows"`
	// MarksHash is the SHA-256 of the fingerprint as the registry keeps it.
	MarksHash string `json:"marks_sha256,omitempty"`
	// Failure says why it could not be made.
	Failure *ocsf.Text `json:"failure,omitempty"`
	// Taken counts how often it was handed out.
	Taken int `json:"taken"`
}

// Broker lets data sets out, one step after the other, each on record.
type Broker struct {
	DB    *store.DB
	Log   *evidence.Log
	Files blob.Store
	// Identity seals what waits here; Secret makes fingerprints.
	Identity *age.X25519Identity
	Secret   Secret
	// Inspector searches, as it is configured now.
	Inspector func() *classify.Inspector
	// Exists says whether a row is about a real patient, by the hospital's index.
	Exists func(header, row []string) bool
	// Key is the key of pseudonyms, Setup what profiles are opened with.
	Key   func() (*deid.Key, error)
	Setup deid.Setup
	// Temp is the folder for work in progress.
	Temp string
	Now  func() time.Time
	Slog *slog.Logger
	// Ledger keeps what counts have cost, Budget is what they may.
	Ledger *Ledger
	Budget Budget
}

// Open prepares the tables.
func (b *Broker) Open(ctx context.Context) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if err := b.DB.Migrate(ctx, "release", sub); err != nil {
		return err
	}
	b.Ledger, err = OpenLedger(ctx, b.DB, b.Now)
	return err
}

// Mistake is a wish or an answer that cannot be taken, for the person who made
// it.
type Mistake struct{ ocsf.Text }

// Error is the English text.
func (m Mistake) Error() string { return m.EN }

func mistake(en, zh string) error { return Mistake{ocsf.Text{EN: en, ZH: zh}} }

// ErrOwn means that somebody wanted to approve their own request.
var ErrOwn = errors.New("a release is approved by somebody other than who asked for it")

// ErrState means that a step does not fit the state of the release.
var ErrState = errors.New("the release is past this step, or not there yet; look at its state")

// check completes a wish.
func (w *Wish) check(now time.Time) (Recipe, error) {
	for _, p := range []*string{&w.Title, &w.Purpose, &w.Basis, &w.Recipient, &w.Contact, &w.Until, &w.File, &w.AgeKey} {
		*p = strings.TrimSpace(*p)
	}
	if w.Title == "" || w.Purpose == "" || w.Recipient == "" || w.Basis == "" {
		return Recipe{}, mistake("title, purpose, legal basis and recipient are needed", "请填写名称、用途、法律依据和接收方")
	}
	until, err := time.ParseInLocation(time.DateOnly, w.Until, now.Location())
	if err != nil || !until.After(now) || until.After(now.AddDate(5, 0, 0)) {
		return Recipe{}, mistake("until is a day in the future, at most five years ahead, such as 2027-06-30", "有效期须为未来五年内的日期，如 2027-06-30")
	}
	if w.Contact != "" {
		if _, err := mail.ParseAddress(w.Contact); err != nil {
			return Recipe{}, mistake("the contact is no mail address", "联系方式不是有效的邮箱地址")
		}
	}
	if w.AgeKey != "" {
		if _, err := age.ParseX25519Recipient(w.AgeKey); err != nil {
			return Recipe{}, mistake("the recipient's key is not an age key (age1...)", "接收方公钥不是有效的 age 公钥（age1…）")
		}
	}
	r, err := ReadRecipe([]byte(w.Recipe))
	if err != nil {
		return r, mistake(err.Error(), "配方有误："+err.Error())
	}
	return r, nil
}

// Request takes a data set in, sealed, with what is wanted for it.
func (b *Broker) Request(ctx context.Context, w Wish, by string, data io.Reader) (Release, error) {
	now := b.Now()
	if _, err := w.check(now); err != nil {
		return Release{}, err
	}
	r := Release{ID: newID(now), Wish: w, State: Requested, Requester: by, Requested: now.UnixMilli(), Changed: now.UnixMilli(), RecipeHash: hashOf([]byte(w.Recipe))}
	var err error
	if r.SourceHash, _, err = b.seal(ctx, sourceName(r.ID), data); err != nil {
		return Release{}, err
	}
	return r, b.put(ctx, r)
}

// newID is short enough to be read out, and not to be guessed.
func newID(now time.Time) string {
	var b [5]byte
	rand.Read(b[:])
	return "R" + now.Format("0601") + "-" + base32.StdEncoding.EncodeToString(b[:])
}

func sourceName(id string) string { return "release/" + id + "/source" }
func outputName(id string) string { return "release/" + id + "/output" }

// Kind is the kind of a release's records in evidence.
const Kind = "release"

// put writes the release's next version: its row and its record, together.
func (b *Broker) put(ctx context.Context, r Release) error {
	return b.DB.Update(ctx, func(tx *sql.Tx) error { return b.putIn(ctx, tx, r) })
}

func (b *Broker) putIn(ctx context.Context, tx *sql.Tx, r Release) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO release_request (id, state, requested, until, body) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET state = $2, body = $5`, r.ID, r.State, r.Requested, r.Until, string(body)); err != nil {
		return fmt.Errorf("keep release: %w", err)
	}
	_, err = b.Log.Put(tx, evidence.Record{Kind: Kind, ID: r.ID, Time: r.Changed, Status: r.State, Body: body})
	return err
}

// Get reads a release; fs.ErrNotExist where there is none.
func (b *Broker) Get(ctx context.Context, id string) (r Release, err error) {
	err = b.DB.View(ctx, func(tx *sql.Tx) error {
		r, err = getIn(ctx, tx, id)
		return err
	})
	return r, err
}

func getIn(ctx context.Context, tx *sql.Tx, id string) (r Release, err error) {
	var body string
	err = tx.QueryRowContext(ctx, `SELECT body FROM release_request WHERE id = $1`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return r, fs.ErrNotExist
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(body), &r)
}

// List gives the releases, newest first.
func (b *Broker) List(ctx context.Context, limit, offset int) ([]Release, error) {
	all := []Release{}
	err := b.DB.View(ctx, func(tx *sql.Tx) error {
		all = all[:0]
		rows, err := tx.QueryContext(ctx, `SELECT body FROM release_request ORDER BY requested DESC, id LIMIT $1 OFFSET $2`, limit, offset)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var body string
			var r Release
			if err := errors.Join(rows.Scan(&body)); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				return err
			}
			all = append(all, r)
		}
		return rows.Err()
	})
	return all, err
}

// change moves a release from one of some states on, in one transaction.
func (b *Broker) change(ctx context.Context, id string, from []string, do func(*Release) error) (r Release, err error) {
	err = b.DB.Update(ctx, func(tx *sql.Tx) error {
		if r, err = getIn(ctx, tx, id); err != nil {
			return err
		}
		fits := false
		for _, s := range from {
			fits = fits || s == r.State
		}
		if !fits {
			return ErrState
		}
		if err := do(&r); err != nil {
			return err
		}
		r.Changed = b.Now().UnixMilli()
		return b.putIn(ctx, tx, r)
	})
	return r, err
}

// Decide approves or refuses what was measured. Whoever asked for it does not.
func (b *Broker) Decide(ctx context.Context, id string, approve bool, by, reason string) (Release, error) {
	if strings.TrimSpace(reason) == "" {
		return Release{}, mistake("a decision needs its reason", "请填写审批意见")
	}
	return b.change(ctx, id, []string{Measured}, func(r *Release) error {
		if strings.EqualFold(r.Requester, by) {
			return ErrOwn
		}
		r.State = Refused
		if approve {
			if b.over(*r) {
				return ErrState
			}
			r.State = Approved
		}
		r.Approver, r.Reason, r.Decided = by, strings.TrimSpace(reason), b.Now().UnixMilli()
		return nil
	})
}

// over says whether the last day is past.
func (b *Broker) over(r Release) bool { return b.Now().Format(time.DateOnly) > r.Until }

// Take hands the data set out, encrypted where the recipient has a key. That
// it was taken is on record before the first byte.
func (b *Broker) Take(ctx context.Context, id, by string, w io.Writer) (Release, error) {
	r, err := b.change(ctx, id, []string{Approved}, func(r *Release) error {
		if b.over(*r) {
			return ErrState
		}
		r.Taken++
		r.TakenBy = by
		return nil
	})
	if err != nil {
		return r, err
	}
	in, err := b.unseal(ctx, outputName(id))
	if err != nil {
		return r, err
	}
	defer in.Close()
	if r.AgeKey == "" {
		_, err = io.Copy(w, in)
		return r, err
	}
	to, err := age.ParseX25519Recipient(r.AgeKey)
	if err != nil {
		return r, err
	}
	out, err := age.Encrypt(w, to)
	if err != nil {
		return r, err
	}
	if _, err := io.Copy(out, in); err != nil {
		return r, err
	}
	return r, out.Close()
}

// Withdraw ends a release and deletes its data. The fingerprint stays, so that
// a leaked copy still names its recipient.
func (b *Broker) Withdraw(ctx context.Context, id, by, reason string) (Release, error) {
	if strings.TrimSpace(reason) == "" {
		return Release{}, mistake("withdrawing needs its reason", "请填写撤回原因")
	}
	reason = strings.TrimSpace(reason)
	return b.end(ctx, id, ocsf.Text{EN: "withdrawn by " + by + ": " + reason, ZH: by + " 撤回：" + reason})
}

func (b *Broker) end(ctx context.Context, id string, why ocsf.Text) (Release, error) {
	r, err := b.change(ctx, id, []string{Requested, Blocked, Measured, Approved, Refused}, func(r *Release) error {
		r.State, r.Ended = Ended, &why
		return nil
	})
	if err != nil {
		return r, err
	}
	return r, b.forget(ctx, id)
}

func (b *Broker) forget(ctx context.Context, id string) error {
	return errors.Join(b.Files.Delete(ctx, sourceName(id)), b.Files.Delete(ctx, outputName(id)))
}

// Tend ends what is past its last day, and deletes the data of what was
// refused or blocked a month ago. What was being made when the process stopped
// may be made again.
func (b *Broker) Tend(ctx context.Context) error {
	all, err := b.List(ctx, 1<<30, 0)
	if err != nil {
		return err
	}
	var errs []error
	month := b.Now().AddDate(0, -1, 0).UnixMilli()
	for _, r := range all {
		old := (r.State == Refused || r.State == Blocked) && r.Changed < month
		if r.State != Ended && r.State != Making && (b.over(r) || old) {
			_, err := b.end(ctx, r.ID, ocsf.Text{EN: "its time is over", ZH: "已过有效期"})
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// StateTitle is a state's name for people.
func StateTitle(state string) ocsf.Text {
	switch state {
	case Requested:
		return ocsf.Text{EN: "requested", ZH: "已申请"}
	case Making:
		return ocsf.Text{EN: "being made", ZH: "生成中"}
	case Blocked:
		return ocsf.Text{EN: "blocked: it does not leave", ZH: "已阻止外发"}
	case Measured:
		return ocsf.Text{EN: "waits for approval", ZH: "待审批"}
	case Approved:
		return ocsf.Text{EN: "approved", ZH: "已批准"}
	case Refused:
		return ocsf.Text{EN: "refused", ZH: "已拒绝"}
	}
	return ocsf.Text{EN: "ended", ZH: "已结束"}
}

// OutputName is a name for the copy as it is handed out, without anything that
// tells of its content.
func (r Release) OutputName() string {
	name := "release-" + r.ID + ".csv"
	if recipe, err := ReadRecipe([]byte(r.Recipe)); err == nil && recipe.Kind == FileSet {
		name = "release-" + r.ID + ".zip"
	}
	if r.AgeKey != "" {
		name += ".age"
	}
	return name
}
