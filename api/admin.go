package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
)

// head is the signed state of the evidence log.
type head struct {
	Origin     string    `json:"origin"`
	Size       uint64    `json:"size"`
	Root       string    `json:"root"`
	Time       int64     `json:"time"`
	Checkpoint string    `json:"checkpoint"`
	PublicKey  string    `json:"public_key"`
	Problems   []trouble `json:"problems"`
}

type trouble struct {
	Code  string    `json:"code"`
	Text  ocsf.Text `json:"text"`
	Since int64     `json:"since"`
	Stops bool      `json:"stops"`
}

func (c *call) head() error {
	h := c.Book.Head()
	out := head{Origin: c.Book.Origin(), Size: h.Size, Root: hex.EncodeToString(h.Root[:]), Time: h.Time, Checkpoint: h.Note,
		PublicKey: c.Book.PublicKey(), Problems: []trouble{}}
	for _, p := range c.Book.Problems() {
		out.Problems = append(out.Problems, trouble{p.Code, p.Text, p.Since, p.Stops})
	}
	return c.answer(http.StatusOK, out)
}

// verifyLine is the progress, or in the last line the report.
type verifyLine struct {
	Step   string           `json:"step,omitempty"`
	Done   int64            `json:"done,omitempty"`
	Total  int64            `json:"total,omitempty"`
	Report *evidence.Report `json:"report,omitempty"`
}

func (c *call) verify() error {
	if !c.verifying.TryLock() {
		return conflict("a verification is running already; wait for it", "正在核验中，请稍候")
	}
	defer c.verifying.Unlock()
	out := c.lines()
	var last time.Time
	report, err := c.Verify(c.r.Context(), func(p evidence.Progress) {
		if now := c.Now(); now.Sub(last) >= 200*time.Millisecond {
			last = now
			_ = out.value(verifyLine{Step: p.Step, Done: p.Done, Total: p.Total}) // the report's line meets the same error
			_ = out.now()
		}
	})
	if err != nil {
		return err
	}
	if err := out.value(verifyLine{Report: &report}); err != nil {
		return err
	}
	return out.end()
}

type (
	tokenInfo struct {
		ID      string        `json:"id"`
		Label   string        `json:"label"`
		Role    identity.Role `json:"role"`
		Created int64         `json:"created"`
		Expires int64         `json:"expires"`
		By      string        `json:"by"`
		Seen    int64         `json:"seen"`
	}
	tokenWish struct {
		Label string        `json:"label"`
		Role  identity.Role `json:"role"`
		// Days until it ends; a year otherwise.
		Days int `json:"days,omitempty"`
	}
	newToken struct {
		Token string `json:"token"`
	}
	userInfo struct {
		Name       string        `json:"name"`
		FullName   string        `json:"full_name"`
		Role       identity.Role `json:"role"`
		Department string        `json:"department,omitempty"`
		PersonID   string        `json:"person_id,omitempty"`
		Disabled   bool          `json:"disabled"`
		Created    int64         `json:"created"`
		Seen       int64         `json:"seen"`
	}
	inviteWish struct {
		Name       string        `json:"name"`
		FullName   string        `json:"full_name,omitempty"`
		Department string        `json:"department,omitempty"`
		PersonID   string        `json:"person_id,omitempty"`
		Role       identity.Role `json:"role"`
	}
	invited struct {
		// Path of the one-time link, below the console's address.
		Path string `json:"path"`
	}
)

func (c *call) tokensList() error {
	all, err := c.Users.Tokens(c.r.Context())
	if err != nil {
		return err
	}
	list := []tokenInfo{}
	for _, t := range all {
		list = append(list, tokenInfo(t))
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) tokenCreate() error {
	b, err := read[tokenWish](c)
	if err != nil {
		return err
	}
	text, err := c.MakeToken(c.r.Context(), c.user, b.Label, string(b.Role), b.Days)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, newToken{text})
}

// mostDays is the longest life of a token.
const mostDays = 3650

// MakeToken makes a bearer token for a program.
func (s *Services) MakeToken(ctx context.Context, u identity.User, label, role string, days int) (string, error) {
	if !u.May(identity.ManageUsers) {
		return "", forbidden()
	}
	r, err := identity.ParseRole(role)
	if err != nil {
		return "", bad(err.Error(), "没有此角色，请从列表中选择")
	}
	if days < 0 || days > mostDays {
		return "", bad("days is a number from 1 to 3650", "有效天数须为 1 至 3650")
	}
	if label, err = plain(label, true); err != nil {
		return "", err
	}
	return s.Users.CreateToken(ctx, label, r, time.Duration(days)*24*time.Hour, u.Human())
}

func (c *call) tokenRevoke() error {
	if err := c.Users.RevokeToken(c.r.Context(), c.id(), c.user.Name); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) usersList() error {
	all, err := c.Users.List(c.r.Context())
	if err != nil {
		return err
	}
	list := []userInfo{}
	for _, u := range all {
		list = append(list, userInfo{u.Name, u.FullName, u.Role, u.Department, u.PersonID, u.Disabled, u.Created, u.Seen})
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) userInvite() error {
	b, err := read[inviteWish](c)
	if err != nil {
		return err
	}
	link, err := c.Invite(c.r.Context(), c.user, identity.Invitation(b))
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, invited{"/welcome/" + link})
}

// Invite makes a one-time link's secret for somebody.
func (s *Services) Invite(ctx context.Context, u identity.User, inv identity.Invitation) (string, error) {
	if !u.May(identity.ManageUsers) {
		return "", forbidden()
	}
	if _, err := identity.ParseRole(string(inv.Role)); err != nil || inv.Role == identity.Sender {
		return "", bad("choose one of the console's roles", "请选择控制台角色")
	}
	if inv.Role == identity.DepartmentHead && inv.Department == "" {
		return "", bad("a department head needs a department, as the directory writes it", "科室负责人须填写科室，名称与人员目录一致")
	}
	link, err := s.Users.Invite(ctx, inv, u.Name)
	if err != nil {
		return "", bad("no invitation: "+err.Error(), "未生成邀请：用户名须为 2 至 64 个字母、数字或 . _ @ -，并以字母或数字开头")
	}
	return link, nil
}

func (c *call) userDisable() error { return c.userSwitch(c.Users.Disable) }

func (c *call) userEnable() error { return c.userSwitch(c.Users.Enable) }

func (c *call) userSwitch(f func(ctx context.Context, name, by string) error) error {
	name := c.r.PathValue("name")
	if _, err := c.Users.Get(c.r.Context(), name); err != nil {
		return err
	}
	if err := f(c.r.Context(), name, c.user.Name); err != nil {
		return conflict("not changed: "+err.Error(), "未更改：最后一名管理员不能停用")
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
