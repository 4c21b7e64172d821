package playbook

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/cordon-health/cordon/ocsf"
)

func (r *Runner) mailReady() (bool, ocsf.Text) {
	return r.cfg.Mail.Host != "" && len(r.cfg.Mail.Officers) > 0, ocsf.Text{
		EN: "not set up: give playbook.mail.host and playbook.mail.officers",
		ZH: "未配置：请设置 playbook.mail.host 与 playbook.mail.officers",
	}
}

func (r *Runner) notifyMail(ctx context.Context, c Call) (string, error) {
	text := r.headline(c.Case) + "\n\n" + r.link(c.Case) + "\n"
	return fmt.Sprintf("%d recipients", len(r.cfg.Mail.Officers)), r.send(ctx, c.Key, r.cfg.Mail.Officers, r.headline(c.Case), text)
}

// send sends one message. key makes its Message-ID, so that a message sent
// twice after a crash is one message to its readers' programs.
func (r *Runner) send(ctx context.Context, key string, to []string, subject, text string) error {
	m := gomail.NewMsg()
	if err := m.From(r.cfg.Mail.From); err != nil {
		return fmt.Errorf("mail sender: %w", err)
	}
	if err := m.To(to...); err != nil {
		return fmt.Errorf("mail recipient: %w", err)
	}
	m.SetMessageIDWithValue(r.sign("mail", key)[:24] + "@cordon")
	m.SetDateWithValue(r.now())
	m.Subject(subject)
	m.SetBodyString(gomail.TypeTextPlain, text)
	client, err := r.mailClient()
	if err != nil {
		return err
	}
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return nil
}

func (r *Runner) mailClient() (*gomail.Client, error) {
	c := r.cfg.Mail
	host, port, err := net.SplitHostPort(c.Host)
	if err != nil {
		return nil, fmt.Errorf("playbook.mail.host: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("playbook.mail.host: %w", err)
	}
	opts := []gomail.Option{gomail.WithPort(n), gomail.WithTimeout(15 * time.Second)}
	switch c.TLS {
	case "tls":
		opts = append(opts, gomail.WithSSL())
	case "none":
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.User != "" {
		password := c.Password
		if name, ok := strings.CutPrefix(password, "$"); ok {
			password = os.Getenv(name)
		}
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthPlain), gomail.WithUsername(c.User), gomail.WithPassword(password))
	}
	return gomail.NewClient(host, opts...)
}
