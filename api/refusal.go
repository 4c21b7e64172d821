package api

import (
	"errors"
	"io/fs"
	"net/http"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/tuning"
)

// Refusal is an error meant for the person who asked: what was refused and
// what to do. Everything else stays inside and is shown as a failure.
type Refusal struct {
	// Status is the HTTP status.
	Status int
	Text   ocsf.Text
}

// Error is the English text.
func (r Refusal) Error() string { return r.Text.EN }

func refuse(status int, en, zh string) error {
	return Refusal{Status: status, Text: ocsf.Text{EN: en, ZH: zh}}
}

func bad(en, zh string) error { return refuse(http.StatusBadRequest, en, zh) }

func conflict(en, zh string) error { return refuse(http.StatusConflict, en, zh) }

func missing() error {
	return refuse(http.StatusNotFound, "there is no such thing, or not for you; look for it in its list", "不存在，或您无权查看；请从列表中查找")
}

// RefusalOf says what a person may know of an error. ok is false for an error
// that must be logged and shown as a failure only.
func RefusalOf(err error) (r Refusal, ok bool) {
	if errors.As(err, &r) {
		return r, true
	}
	for _, known := range []struct {
		err    error
		status int
		zh     string
	}{
		{tuning.ErrOwn, http.StatusConflict, "涉及本人的例外须由他人批准"},
		{playbook.ErrOwn, http.StatusConflict, "须由申请人以外的人决定"},
		{gateway.ErrPass, http.StatusNotFound, "此链接已失效；请重新发送以获取新链接"},
		{gateway.ErrReason, http.StatusBadRequest, "请简要说明原因，原因将与决定一并保存"},
		{playbook.ErrLink, http.StatusNotFound, "链接无效或已过期"},
		{identity.ErrDenied, http.StatusForbidden, "用户名、密码或验证码不正确"},
		{identity.ErrSlow, http.StatusTooManyRequests, "失败次数过多，请稍候再试"},
		{identity.ErrExpired, http.StatusGone, "该链接已使用或已过期，请联系管理员重新生成"},
		{lake.ErrNotFound, http.StatusNotFound, "没有此事件，请核对编号"},
		{lake.ErrNoEngine, http.StatusNotImplemented, "此版本不含 SQL 引擎，请使用 CGO_ENABLED=1 构建的版本"},
	} {
		if errors.Is(err, known.err) {
			return Refusal{known.status, ocsf.Text{EN: known.err.Error(), ZH: known.zh}}, true
		}
	}
	if r, ok := releaseRefusal(err); ok {
		return r, true
	}
	if m := (tuning.Mistake{}); errors.As(err, &m) {
		return Refusal{http.StatusBadRequest, ocsf.Text{EN: m.EN, ZH: m.ZH}}, true
	}
	if m := (asset.Mistake{}); errors.As(err, &m) {
		return Refusal{http.StatusBadRequest, ocsf.Text{EN: m.EN, ZH: m.ZH}}, true
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		errors.As(missing(), &r)
		return r, true
	case store.Full(err):
		return Refusal{http.StatusInsufficientStorage, ocsf.Text{
			EN: "the disk is full and nothing was changed; free space, then try again", ZH: "磁盘已满，未做任何更改；请释放空间后重试"}}, true
	}
	return Refusal{}, false
}
