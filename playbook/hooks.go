package playbook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cordon-health/cordon/ocsf"
)

// message is what a group or webhook is told.
type message struct {
	Key      string  `json:"key"`
	Case     string  `json:"case"`
	Risk     float64 `json:"risk"`
	Headline string  `json:"headline"`
	Link     string  `json:"link"`
}

// hookBody turns a message into a service's request: its address (some carry
// a signature) and body.
type hookBody func(h Hook, m message, now time.Time) (address string, body any)

func hookReady(h Hook, setting string) func() (bool, ocsf.Text) {
	return func() (bool, ocsf.Text) {
		return h.URL != "", ocsf.Text{EN: "not set up: give " + setting, ZH: "未配置：请设置 " + setting}
	}
}

func (r *Runner) hookAction(name string, h Hook, title ocsf.Text, body hookBody) Action {
	return Action{
		Name: name, Class: Inform, Hourly: 60, Repeatable: true, Title: title, Ready: hookReady(h, "playbook."+name[len("notify-"):]+".url"),
		Why: ocsf.Text{EN: "Sends the case's number, risk and link, never a patient's data.", ZH: "发送事件编号、风险值和链接，不含患者数据。"},
		Do: func(ctx context.Context, c Call) (string, error) {
			m := message{Key: c.Key, Case: c.Case.ID, Risk: c.Case.Risk, Headline: r.headline(c.Case), Link: r.link(c.Case)}
			address, b := body(h, m, c.Now)
			return r.post(ctx, address, h.Secret, c.Key, b)
		},
	}
}

func genericBody(h Hook, m message, _ time.Time) (string, any) { return h.URL, m }

// weComBody is the group robot message of WeCom.
func weComBody(h Hook, m message, _ time.Time) (string, any) {
	return h.URL, map[string]any{"msgtype": "text", "text": map[string]string{"content": m.Headline + "\n" + m.Link}}
}

// dingTalkBody is the group robot message of DingTalk; its signature is over
// the time in ms and the secret, and travels in the address.
func dingTalkBody(h Hook, m message, now time.Time) (string, any) {
	address := h.URL
	if h.Secret != "" {
		ts := strconv.FormatInt(now.UnixMilli(), 10)
		mac := hmac.New(sha256.New, []byte(h.Secret))
		mac.Write([]byte(ts + "\n" + h.Secret))
		sep := "?"
		if u, err := url.Parse(h.URL); err == nil && u.RawQuery != "" {
			sep = "&"
		}
		address += sep + "timestamp=" + ts + "&sign=" + url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return address, map[string]any{"msgtype": "text", "text": map[string]string{"content": m.Headline + "\n" + m.Link}}
}

// feishuBody is the group robot message of Feishu (Lark); its signature is the
// HMAC of nothing under the time in seconds and the secret.
func feishuBody(h Hook, m message, now time.Time) (string, any) {
	body := map[string]any{"msg_type": "text", "content": map[string]string{"text": m.Headline + "\n" + m.Link}}
	if h.Secret != "" {
		ts := strconv.FormatInt(now.Unix(), 10)
		mac := hmac.New(sha256.New, []byte(ts+"\n"+h.Secret))
		body["timestamp"], body["sign"] = ts, base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return h.URL, body
}

// post sends JSON. Any answer below 300 is success; for the chat services,
// which answer 200 to everything, also their own error code must be 0.
func (r *Runner) post(ctx context.Context, address, secret, key string, v any) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("webhook address: %w", hideURL(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	if secret != "" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		req.Header.Set("X-Cordon-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("call webhook: %w", hideURL(err))
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	var code struct {
		ErrCode int `json:"errcode"` // WeCom, DingTalk
		Code    int `json:"code"`    // Feishu
	}
	_ = json.Unmarshal(answer, &code) // an answer without a code has none
	if res.StatusCode >= 300 || code.ErrCode != 0 || code.Code != 0 && code.Code != res.StatusCode {
		return "", fmt.Errorf("webhook answered %d, code %d", res.StatusCode, code.ErrCode+code.Code)
	}
	return res.Status, nil
}

// hideURL keeps addresses, which may carry a robot's key, out of errors.
func hideURL(err error) error {
	if ue, ok := err.(*url.Error); ok {
		return ue.Err
	}
	return err
}

// suspend asks the hospital's own service to suspend or restore the account.
func (r *Runner) suspend(verb string) func(context.Context, Call) (string, error) {
	return func(ctx context.Context, c Call) (string, error) {
		account, err := r.account(c)
		if err != nil {
			return "", err
		}
		body := map[string]string{"action": verb, "account": account, "key": c.Key, "case": c.Case.ID}
		return r.post(ctx, r.cfg.Suspend.URL, r.cfg.Suspend.Secret, c.Key+"/"+verb, body)
	}
}

func (r *Runner) restore(ctx context.Context, c Call) error {
	_, err := r.suspend("restore")(ctx, c)
	return err
}
