package playbook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
)

// Question is "you opened this record; why?", with everything that follows.
// Times are ms.
type Question struct {
	ID      string `json:"id"`
	Case    string `json:"case"`
	Person  string `json:"person"`
	Account string `json:"account,omitempty"`
	Manager string `json:"manager,omitempty"`
	// Accesses are what the question is about.
	Accesses []Asked `json:"accesses"`
	Status   string  `json:"status"` // open, answered, recalled
	// Stage is whom it waits for: user, manager, privacy.
	Stage   string    `json:"stage"`
	At      int64     `json:"at"`
	Steps   []Stepped `json:"steps,omitempty"`
	Answers []Answer  `json:"answers,omitempty"`
}

// Asked is one access in a question.
type Asked struct {
	Event   string `json:"event"`
	Patient string `json:"patient"`
	Time    int64  `json:"time"`
}

// Stepped is one message about a question.
type Stepped struct {
	Kind string `json:"kind"` // asked, reminded, manager, privacy
	At   int64  `json:"at"`
	// Sent is false where no mail is set up or it fails; the link waits in the
	// console.
	Sent bool `json:"sent"`
	// Tries counts the mails that failed, Tried is when the last one did.
	Tries int   `json:"tries,omitempty"`
	Tried int64 `json:"tried,omitempty"`
}

// Answer is what the person or the manager said.
type Answer struct {
	By     string `json:"by"` // user or manager
	Choice string `json:"choice"`
	Text   string `json:"text,omitempty"`
	At     int64  `json:"at"`
}

// Choice is one answer to choose from.
type Choice struct {
	ID    string
	Label ocsf.Text
	// For is user or manager.
	For string
}

// Choices lists the answers.
func Choices() []Choice {
	return []Choice{
		{"care", ocsf.Text{EN: "I was treating or caring for this patient", ZH: "我在为该患者诊疗或护理"}, "user"},
		{"consult", ocsf.Text{EN: "A colleague asked me (consult, second opinion)", ZH: "同事请我会诊或提供意见"}, "user"},
		{"duty", ocsf.Text{EN: "Billing, coding, quality, teaching or another duty", ZH: "收费、编码、质控、教学等工作任务"}, "user"},
		{"mistake", ocsf.Text{EN: "I opened it by mistake", ZH: "误打开"}, "user"},
		{"personal", ocsf.Text{EN: "A personal reason", ZH: "个人原因"}, "user"},
		{"not-me", ocsf.Text{EN: "It was not me", ZH: "不是我本人操作"}, "user"},
		{"known", ocsf.Text{EN: "I know of it and it was part of the work", ZH: "我知情，属于工作需要"}, "manager"},
		{"unknown", ocsf.Text{EN: "I do not know why", ZH: "我不清楚原因"}, "manager"},
		{"wrong", ocsf.Text{EN: "It should not have happened", ZH: "不应当发生"}, "manager"},
	}
}

func (r *Runner) putQuestion(ctx context.Context, q Question) error {
	rec, err := questionRecord(q)
	if err != nil {
		return err
	}
	return r.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := r.book.Put(tx, rec)
		return err
	})
}

// change reads the newest version of a question, changes it and writes it, in
// one transaction, so that no answer or message given meanwhile is lost.
func (r *Runner) change(ctx context.Context, id string, change func(q *Question) error) (q Question, err error) {
	err = r.db.Update(ctx, func(tx *sql.Tx) error {
		rec, err := r.book.Latest(tx, kindQuestion, id)
		if err != nil {
			return err
		}
		if q, err = read[Question](rec); err != nil {
			return err
		}
		if err := change(&q); err != nil {
			return err
		}
		rec, err = questionRecord(q)
		if err == nil {
			_, err = r.book.Put(tx, rec)
		}
		return err
	})
	return q, err
}

func questionRecord(q Question) (evidence.Record, error) {
	body, err := json.Marshal(q)
	return evidence.Record{Kind: kindQuestion, ID: q.ID, Time: q.At, Person: q.Person, Status: q.Status, Ref: q.Case, Body: body}, err
}

// Questions lists the questions of a case.
func (r *Runner) Questions(ctx context.Context, caseID string) ([]Question, error) {
	return list[Question](ctx, r, evidence.Filter{Kind: kindQuestion, Ref: caseID})
}

// Warned says when a person was last asked, in ms; 0 is never. It is the
// notice from which a repeat counts.
func (r *Runner) Warned(ctx context.Context, person string) (int64, error) {
	qs, err := list[Question](ctx, r, evidence.Filter{Kind: kindQuestion, Person: person, Limit: 1})
	if err != nil || len(qs) == 0 {
		return 0, err
	}
	return qs[0].At, nil
}

// askUser is the action ask-user. The question's id is the action's key, so
// asking twice is asking once.
func (r *Runner) askUser(ctx context.Context, c Call) (string, error) {
	if c.Case.Person == "" {
		return "", errors.New("the case names no member of staff; import the directory, or find out who uses the account")
	}
	q, found, err := get[Question](ctx, r, kindQuestion, c.Key)
	if err != nil {
		return "", err
	}
	if !found {
		q = r.question(c)
		if len(q.Accesses) == 0 {
			return "", errors.New("the case has no access to ask about")
		}
	}
	if found && len(q.Steps) > 0 {
		return "asked", nil
	}
	if !found {
		if err := r.putQuestion(ctx, q); err != nil {
			return "", err
		}
	}
	return "asked", r.write(ctx, q, "asked", "user")
}

const mostAsked = 10

func (r *Runner) question(c Call) Question {
	account, manager, _ := r.site.Person(c.Case.Person)
	q := Question{ID: c.Key, Case: c.Case.ID, Person: c.Case.Person, Account: account, Manager: manager,
		Status: "open", Stage: "user", At: c.Now.UnixMilli()}
	for _, f := range slices.Backward(c.Findings) {
		for _, ev := range f.Events {
			known := slices.ContainsFunc(q.Accesses, func(a Asked) bool { return a.Event == ev })
			if f.Withdrawn == "" && f.Patient != "" && !known && len(q.Accesses) < mostAsked {
				q.Accesses = append(q.Accesses, Asked{Event: ev, Patient: f.Patient, Time: f.Time})
			}
		}
	}
	return q
}

// write sends one message of a question and notes it. A mail that fails is
// noted as not sent, and [Runner.chase] sends it again.
func (r *Runner) write(ctx context.Context, q Question, kind, to string) error {
	step := r.attempt(ctx, q, Stepped{Kind: kind, At: r.now().UnixMilli()}, to)
	_, err := r.change(ctx, q.ID, func(q *Question) error {
		q.Steps = append(q.Steps, step)
		if kind == "manager" || kind == "privacy" {
			q.Stage = kind
		}
		return nil
	})
	return err
}

// attempt tries to mail a step's message and says how it went.
func (r *Runner) attempt(ctx context.Context, q Question, step Stepped, to string) Stepped {
	sent, err := r.deliver(ctx, q, step.Kind, to)
	step.Sent = sent
	if err != nil {
		step.Tries, step.Tried = step.Tries+1, r.now().UnixMilli()
		r.log.Warn("mail of a question not sent; trying again later", "question", q.ID, "step", step.Kind, "tries", step.Tries, "error", err)
	}
	return step
}

// mostTries bounds the attempts to mail one message; the pauses between them
// double from a minute, so that the last comes after some eight hours.
const mostTries = 10

// again sends the newest message of a question once more if its mail failed
// and the pause is over.
func (r *Runner) again(ctx context.Context, q Question) error {
	i := len(q.Steps) - 1
	if i < 0 {
		return nil
	}
	step := q.Steps[i]
	if step.Sent || step.Tries == 0 || step.Tries >= mostTries {
		return nil
	}
	if r.now().Sub(time.UnixMilli(step.Tried)) < time.Minute<<(step.Tries-1) {
		return nil
	}
	to := "user"
	if step.Kind == "manager" || step.Kind == "privacy" {
		to = step.Kind
	}
	step = r.attempt(ctx, q, step, to)
	_, err := r.change(ctx, q.ID, func(q *Question) error {
		q.Steps[i] = step // steps are only ever added, and by one at a time
		return nil
	})
	return err
}

// recipients are the addresses of a message.
func (r *Runner) recipients(q Question, to string) []string {
	switch to {
	case "privacy":
		return r.cfg.Mail.Privacy
	case "manager":
		account, _, _ := r.site.Person(q.Manager)
		return r.staff(account, q.Manager)
	}
	return r.staff(q.Account, q.Person)
}

// deliver mails the link, where mail is set up.
func (r *Runner) deliver(ctx context.Context, q Question, kind, to string) (bool, error) {
	recipients := r.recipients(q, to)
	if r.cfg.Mail.Host == "" || len(recipients) == 0 {
		return false, nil
	}
	subject, text := questionText(r.site, to, r.Link(q, to))
	err := r.send(ctx, q.ID+"/"+kind, recipients, subject, text)
	return err == nil, err
}

func (r *Runner) staff(account, person string) []string {
	if r.cfg.Mail.Staff == "" || account == "" {
		return nil
	}
	return []string{strings.NewReplacer("{account}", account, "{person_id}", person).Replace(r.cfg.Mail.Staff)}
}

// questionText is in both languages: the reader is not known to prefer one.
func questionText(s Site, to, link string) (subject, text string) {
	switch to {
	case "manager":
		return s.Name + "：请确认下属的病历查阅 / Please confirm a record access in your team",
			"您的一名下属未答复关于病历查阅的询问，请点击链接确认。\nA member of your team has not answered a question about opening a record. Please answer here:\n\n" + link + "\n"
	case "privacy":
		return s.Name + "：病历查阅询问未获答复 / A question about a record access stays unanswered",
			"当事人和上级均未答复，请处理。\nNeither the person nor the manager has answered. Please look at it:\n\n" + link + "\n"
	}
	return s.Name + "：请说明查阅病历的原因 / Why did you open this record?",
		"系统没有找到您查阅某份病历的工作原因，请用一分钟说明。\nWe did not find the reason why you opened a record. Please tell us; it takes a minute:\n\n" + link + "\n"
}

// sign is a keyed signature as URL-safe text.
func (r *Runner) sign(purpose, text string) string {
	mac := hmac.New(sha256.New, r.key[:])
	mac.Write([]byte("cordon playbook " + purpose + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Link is where the person (or the manager) answers. It carries the question's
// id, for whom it is, when it ends, and a signature over the three; no name
// and no patient.
func (r *Runner) Link(q Question, to string) string {
	if to == "privacy" {
		return r.site.URL + "/incidents/" + q.Case
	}
	ends := strconv.FormatInt(time.UnixMilli(q.At).Add(r.cfg.Ask.Life).Unix(), 36)
	body := base64.RawURLEncoding.EncodeToString([]byte(q.ID)) + "." + to + "." + ends
	return r.site.URL + "/answer/" + body + "." + r.sign("answer", body)
}

// ErrLink means that a link is not ours, or too old.
var ErrLink = errors.New("this link is not valid or has expired")

// Open finds the question of a link's token, and for whom it is.
func (r *Runner) Open(ctx context.Context, token string) (Question, string, error) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 || !hmac.Equal([]byte(token[i+1:]), []byte(r.sign("answer", token[:i]))) {
		return Question{}, "", ErrLink
	}
	part := strings.Split(token[:i], ".")
	if len(part) != 3 {
		return Question{}, "", ErrLink
	}
	id, err1 := base64.RawURLEncoding.DecodeString(part[0])
	ends, err2 := strconv.ParseInt(part[2], 36, 64)
	if err1 != nil || err2 != nil || ends < r.now().Unix() {
		return Question{}, "", ErrLink
	}
	q, found, err := get[Question](ctx, r, kindQuestion, string(id))
	if err == nil && !found {
		err = ErrLink
	}
	return q, part[1], err
}

// Answer takes an answer given through a link.
func (r *Runner) Answer(ctx context.Context, token, choice, text string) (Question, error) {
	q, by, err := r.Open(ctx, token)
	if err != nil {
		return q, err
	}
	if !slices.ContainsFunc(Choices(), func(c Choice) bool { return c.ID == choice && c.For == by }) {
		return q, errors.New("choose one of the answers")
	}
	answer := Answer{By: by, Choice: choice, Text: clip(text, 2000), At: r.now().UnixMilli()}
	if q, err = r.change(ctx, q.ID, func(q *Question) error { return q.take(answer) }); err != nil {
		return q, err
	}
	_, err = r.desk.Comment(ctx, q.Case, by+":"+q.Person, "answer", choice)
	return q, err
}

// take adds an answer, one of each who is asked.
func (q *Question) take(a Answer) error {
	switch {
	case q.Status == "recalled":
		return errors.New("the question was taken back; nothing needs to be answered")
	case slices.ContainsFunc(q.Answers, func(o Answer) bool { return o.By == a.By }):
		return errors.New("this was answered already")
	}
	q.Answers, q.Status = append(q.Answers, a), "answered"
	return nil
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n])
	}
	return s
}

// recall takes an open question back.
func (r *Runner) recall(ctx context.Context, c Call) error {
	_, err := r.change(ctx, c.Key, func(q *Question) error {
		if q.Status != "open" {
			return fmt.Errorf("the question is %s already", q.Status)
		}
		q.Status = "recalled"
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was never asked
	}
	return err
}

// chase reminds, asks the manager, tells the privacy office, as time passes.
func (r *Runner) chase(ctx context.Context) error {
	open, err := list[Question](ctx, r, evidence.Filter{Kind: kindQuestion, Status: "open"})
	if err != nil {
		return err
	}
	now := r.now()
	var errs []error
	for _, q := range open {
		waited := now.Sub(time.UnixMilli(q.At))
		has := func(kind string) bool {
			return slices.ContainsFunc(q.Steps, func(s Stepped) bool { return s.Kind == kind })
		}
		switch {
		case waited >= r.cfg.Ask.Privacy && !has("privacy"):
			errs = append(errs, r.write(ctx, q, "privacy", "privacy"))
		case waited >= r.cfg.Ask.Manager && !has("manager") && !has("privacy"):
			errs = append(errs, r.write(ctx, q, "manager", "manager"))
		case waited >= r.cfg.Ask.Remind && !has("reminded") && !has("manager") && !has("privacy"):
			errs = append(errs, r.write(ctx, q, "reminded", "user"))
		default:
			errs = append(errs, r.again(ctx, q))
		}
	}
	return errors.Join(errs...)
}
