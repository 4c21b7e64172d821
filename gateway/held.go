package gateway

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// Letter is a mail as it goes over SMTP.
type Letter struct {
	From string
	To   []string
	Data []byte // headers and body, lines ended by CRLF
}

// held is a letter kept until its pass is answered.
type held struct {
	id, pass string
	Letter
}

const heldFolder = "gateway/"

// Keep takes a letter over from the mail server: when it returns nil the
// letter is on disk, sealed, and the server may forget it.
func (g *Guard) Keep(ctx context.Context, pass string, l Letter) error {
	id := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random(10)))
	box, err := g.box()
	if err != nil {
		return err
	}
	nonce := random(box.NonceSize())
	sealed := box.Seal(nonce, nonce, l.Data, []byte(id))
	if err := g.Files.Put(ctx, heldFolder+id, bytes.NewReader(sealed)); err != nil {
		return fmt.Errorf("keep held mail: %w", err)
	}
	to, err := json.Marshal(l.To)
	if err != nil {
		return err
	}
	return g.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO gateway_held (id, pass, recipients, sender, created) VALUES ($1, $2, $3, $4, $5)`,
			id, pass, string(to), l.From, g.now().UnixMilli())
		return err
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// box seals held mail under a key of its own.
func (g *Guard) box() (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write([]byte("gateway held mail"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// heldOf lists the letters of a pass, without their data.
func (g *Guard) heldOf(ctx context.Context, state string) ([]held, error) {
	var all []held
	err := g.db.View(ctx, func(tx *sql.Tx) error {
		all = nil
		rows, err := tx.QueryContext(ctx, `SELECT h.id, h.pass, h.recipients, h.sender FROM gateway_held h
			JOIN gateway_passes p ON p.id = h.pass WHERE p.state = $1 ORDER BY h.created, h.id`, state)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var h held
			var to string
			if err := rows.Scan(&h.id, &h.pass, &to, &h.From); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(to), &h.To); err != nil {
				return err
			}
			all = append(all, h)
		}
		return rows.Err()
	})
	return all, err
}

func (g *Guard) unseal(ctx context.Context, id string) ([]byte, error) {
	r, err := g.Files.Get(ctx, heldFolder+id)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sealed, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	box, err := g.box()
	if err != nil {
		return nil, err
	}
	if len(sealed) < box.NonceSize() {
		return nil, errors.New("a held mail is cut short; restore the blob folder from a backup")
	}
	return box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], []byte(id))
}

func (g *Guard) drop(ctx context.Context, id string) error {
	if err := g.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM gateway_held WHERE id = $1`, id)
		return err
	}); err != nil {
		return err
	}
	return g.Files.Delete(ctx, heldFolder+id)
}

// Run sends approved mail on, tells senders of refused mail, and lets what
// nobody answered end. It returns when ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	t := time.NewTicker(15 * time.Second)
	defer t.Stop()
	for {
		if err := g.Tend(ctx); err != nil && ctx.Err() == nil {
			g.log.Warn("held mail not settled, trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Tend does once what Run does again and again. A letter is deleted after the
// mail server has taken it, so a crash in between sends it twice, never not at
// all.
func (g *Guard) Tend(ctx context.Context) error {
	if _, err := g.expire(ctx); err != nil {
		return err
	}
	sent := g.settleHeld(ctx, Passed, func(h held) error {
		data, err := g.unseal(ctx, h.id)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // sent and deleted before a crash
		}
		if err != nil {
			return err
		}
		return g.post(ctx, Letter{From: h.From, To: h.To, Data: data})
	})
	told := g.settleHeld(ctx, Refused, func(h held) error {
		return g.Notify(ctx, h.From, refusedNotice(h.pass))
	})
	return errors.Join(sent, told)
}

func (g *Guard) settleHeld(ctx context.Context, state string, do func(held) error) error {
	all, err := g.heldOf(ctx, state)
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range all {
		if err := do(h); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, g.drop(ctx, h.id))
	}
	return errors.Join(errs...)
}

// Notice is a mail to a sender, in both languages.
type Notice struct{ Subject, Text ocsf.Text }

func heldNotice(pass string) Notice {
	return Notice{
		Subject: ocsf.Text{EN: "Your message waits for approval", ZH: "您的邮件正在等待审批"},
		Text: ocsf.Text{
			EN: "A message of yours holds patient data and waits until somebody approves it. Reference: " + pass,
			ZH: "您发送的一封邮件含有患者数据，须经审批后才会发出。编号：" + pass,
		},
	}
}

func refusedNotice(pass string) Notice {
	return Notice{
		Subject: ocsf.Text{EN: "Your message was not sent", ZH: "您的邮件未发出"},
		Text: ocsf.Text{
			EN: "A message of yours that held patient data was not approved and was deleted. Reference: " + pass,
			ZH: "您发送的一封含有患者数据的邮件未获批准，已删除。编号：" + pass,
		},
	}
}

// HeldNotice tells the sender that a letter is kept.
func (g *Guard) HeldNotice(ctx context.Context, to, pass string) error {
	return g.Notify(ctx, to, heldNotice(pass))
}
