package playbook

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config of what Cordon may do outside of itself. Without any of it, warnings
// appear in the console only, and questions to staff wait there.
type Config struct {
	// URL is how staff reach the console, for links in messages; empty uses
	// console.url.
	URL string `yaml:"url"`
	// Automatic lists the approval classes that need nobody's approval.
	Automatic []Class `yaml:"automatic"`
	// Hourly caps how often each action may run in an hour, by action; others
	// have the cap they come with.
	Hourly map[string]int `yaml:"hourly"`
	// ApprovalLife is how long a wanted action waits for approval.
	ApprovalLife time.Duration `yaml:"approval_life"`
	Ask          Ask           `yaml:"ask"`
	Mail         Mail          `yaml:"mail"`
	// Webhook, WeCom, DingTalk and Feishu are addresses that get warnings.
	Webhook  Hook `yaml:"webhook"`
	WeCom    Hook `yaml:"wecom"`
	DingTalk Hook `yaml:"dingtalk"`
	Feishu   Hook `yaml:"feishu"`
	// Suspend is a webhook of the hospital's own that suspends and restores
	// accounts: POST {"action":"suspend"|"restore","account":...,"key":...}.
	Suspend Hook `yaml:"suspend"`
}

// Ask is the question to the person who opened a record.
type Ask struct {
	// Remind, Manager and Privacy are when, after the question, the person is
	// reminded, the manager asked, and the privacy office told.
	Remind  time.Duration `yaml:"remind"`
	Manager time.Duration `yaml:"manager"`
	Privacy time.Duration `yaml:"privacy"`
	// Life is how long the link works.
	Life time.Duration `yaml:"life"`
}

// Mail is an SMTP server.
type Mail struct {
	// Host is host:port; empty sends no mail.
	Host string `yaml:"host"`
	User string `yaml:"user"`
	// Password, or $NAME of an environment variable.
	Password string `yaml:"password"`
	// TLS is starttls (needed), tls, or none (loopback and tests only).
	TLS  string `yaml:"tls"`
	From string `yaml:"from"`
	// Officers get the warnings; Privacy the questions nobody answered.
	Officers []string `yaml:"officers"`
	Privacy  []string `yaml:"privacy"`
	// Staff makes a member of staff's address: {account} and {person_id} are
	// replaced, e.g. "{account}@hospital.example".
	Staff string `yaml:"staff"`
}

// Hook is an address that gets JSON.
type Hook struct {
	// URL is https://... ; empty turns it off.
	URL string `yaml:"url"`
	// Secret signs the body (HMAC-SHA256 in X-Cordon-Signature; DingTalk and
	// Feishu by their own scheme).
	Secret string `yaml:"secret"`
}

// Default asks staff by itself and lets people decide on everything stronger.
func Default() Config {
	return Config{
		Automatic:    []Class{Inform, Contact},
		ApprovalLife: 24 * time.Hour,
		Ask:          Ask{Remind: 4 * time.Hour, Manager: 24 * time.Hour, Privacy: 72 * time.Hour, Life: 14 * 24 * time.Hour},
		Mail:         Mail{TLS: "starttls"},
	}
}

// Check says what is wrong with the configuration.
func (c Config) Check() error {
	var errs []error
	for _, cl := range c.Automatic {
		if cl != Inform && cl != Contact && cl != Restrict {
			errs = append(errs, fmt.Errorf("playbook.automatic: class %q; only inform, contact and restrict can be automatic", cl))
		}
	}
	for name, h := range map[string]Hook{"webhook": c.Webhook, "wecom": c.WeCom, "dingtalk": c.DingTalk, "feishu": c.Feishu, "suspend": c.Suspend} {
		if h.URL == "" {
			continue
		}
		u, err := url.Parse(h.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u.Hostname()) {
			errs = append(errs, fmt.Errorf("playbook.%s.url: give an https address (http only on loopback)", name))
		}
	}
	if c.Mail.Host != "" && c.Mail.From == "" {
		errs = append(errs, errors.New("playbook.mail.from is empty; give the sender's address"))
	}
	if c.Mail.TLS != "starttls" && c.Mail.TLS != "tls" && c.Mail.TLS != "none" {
		errs = append(errs, errors.New("playbook.mail.tls: use starttls, tls or none"))
	}
	if a := c.Ask; a.Remind <= 0 || a.Manager < a.Remind || a.Privacy < a.Manager || a.Life < a.Privacy {
		errs = append(errs, errors.New("playbook.ask: remind, manager, privacy and life must not decrease"))
	}
	return errors.Join(errs...)
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
