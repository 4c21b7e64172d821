package playbook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/ocsf"
)

// The parameters whose values are checked where people give them.
const (
	ParamTo      = "to"      // a user of the console
	ParamAccount = "account" // an account of the case's person
)

// own are the actions of this package.
func (r *Runner) own() []Action {
	return []Action{
		{
			Name: "notify-console", Class: Inform, Hourly: 10000, Repeatable: true, Ready: always,
			Title: ocsf.Text{EN: "Show in the console", ZH: "在控制台提示"},
			Why:   ocsf.Text{EN: "Marks the case for whoever looks at the console next.", ZH: "在控制台标记该事件，提醒值守人员处理。"},
			Do:    func(context.Context, Call) (string, error) { return "shown", nil },
		},
		{
			Name: "notify-mail", Class: Inform, Hourly: 60, Repeatable: true, Ready: r.mailReady,
			Title: ocsf.Text{EN: "Mail the security officers", ZH: "邮件通知安全管理员"},
			Why:   ocsf.Text{EN: "Sends the case's title, risk and link, never a patient's data.", ZH: "发送事件标题、风险值和链接，不含患者数据。"},
			Do:    r.notifyMail,
		},
		r.hookAction("notify-webhook", r.cfg.Webhook, ocsf.Text{EN: "Call the webhook", ZH: "调用通用 Webhook"}, genericBody),
		r.hookAction("notify-wecom", r.cfg.WeCom, ocsf.Text{EN: "Tell the WeCom group", ZH: "企业微信群通知"}, weComBody),
		r.hookAction("notify-dingtalk", r.cfg.DingTalk, ocsf.Text{EN: "Tell the DingTalk group", ZH: "钉钉群通知"}, dingTalkBody),
		r.hookAction("notify-feishu", r.cfg.Feishu, ocsf.Text{EN: "Tell the Feishu group", ZH: "飞书群通知"}, feishuBody),
		{
			Name: "ask-user", Class: Contact, Hourly: 60, Repeatable: true, Ready: always,
			Title: ocsf.Text{EN: "Ask the person why", ZH: "询问当事人"},
			Why: ocsf.Text{EN: "Asks the person by a signed link why the record was opened; reminds, then asks the manager, then tells the privacy office.",
				ZH: "通过签名链接询问当事人查阅病历的原因；未答复则提醒，再询问上级，最后转隐私保护部门。"},
			Do: r.askUser, Undo: r.recall,
		},
		{
			Name: "assign-case", Params: []string{ParamTo}, Class: Inform, Hourly: 1000, Repeatable: true, Ready: always,
			Title: ocsf.Text{EN: "Assign the case", ZH: "分派事件"},
			Why:   ocsf.Text{EN: "Gives the case to a user of the console (parameter to).", ZH: "将事件分派给控制台用户（参数 to）。"},
			Do:    r.assign, Undo: r.unassign,
		},
		{
			Name: "close-case", Params: []string{"verdict", "note"}, Class: Restrict, Hourly: 1000, Repeatable: true, Ready: always,
			Title: ocsf.Text{EN: "Close the case with a verdict", ZH: "以结论关闭事件"},
			Why:   ocsf.Text{EN: "Ends the case (parameter verdict: confirmed, justified or false-alarm).", ZH: "关闭事件（参数 verdict：confirmed、justified 或 false-alarm）。"},
			Do:    r.closeCase, Undo: r.reopenCase,
		},
		{
			Name: "suspend-account-webhook", Params: []string{ParamAccount}, Class: Restrict, Hourly: 5, Life: 24 * time.Hour, Repeatable: true, Ready: hookReady(r.cfg.Suspend, "playbook.suspend.url"),
			Title: ocsf.Text{EN: "Suspend the account (webhook)", ZH: "停用账号（Webhook）"},
			Why:   ocsf.Text{EN: "Asks the hospital's own service to lock the account for 24 hours; undone by itself.", ZH: "请求医院自有服务停用账号 24 小时，到期自动恢复。"},
			Do:    r.suspend("suspend"), Undo: r.restore,
		},
	}
}

func always() (bool, ocsf.Text) { return true, ocsf.Text{} }

func (r *Runner) assign(ctx context.Context, c Call) (string, error) {
	to := c.Params[ParamTo]
	if to == "" {
		return "", errors.New("parameter to is empty")
	}
	if c.Case.Assignee == to {
		return to, nil
	}
	_, err := r.desk.Assign(ctx, c.Case.ID, to, c.By)
	return to, err
}

func (r *Runner) unassign(ctx context.Context, c Call) error {
	_, err := r.desk.Assign(ctx, c.Case.ID, "", c.By)
	return err
}

func (r *Runner) closeCase(ctx context.Context, c Call) (string, error) {
	v, err := incident.ParseVerdict(c.Params["verdict"])
	if err != nil {
		return "", err
	}
	if c.Case.Status == incident.StatusClosed && c.Case.Verdict == v {
		return string(v), nil
	}
	_, err = r.desk.Close(ctx, c.Case.ID, v, c.By, c.Params["note"])
	return string(v), err
}

func (r *Runner) reopenCase(ctx context.Context, c Call) error {
	_, err := r.desk.Reopen(ctx, c.Case.ID, c.By, "undone")
	return err
}

// account is whom an action on the person means.
func (r *Runner) account(c Call) (string, error) {
	if a := c.Params[ParamAccount]; a != "" {
		return a, nil
	}
	if c.Case.Account != "" {
		return c.Case.Account, nil
	}
	if a, _, ok := r.site.Person(c.Case.Person); ok && a != "" {
		return a, nil
	}
	return "", errors.New("the case names no account; give parameter account")
}

// headline is what leaves the house about a case: no patient, no name.
func (r *Runner) headline(c incident.Case) string {
	if c.ID == testCase {
		return r.testHeadline()
	}
	kinds := make([]string, 0, len(c.Parts))
	for _, p := range c.Parts {
		kinds = append(kinds, p.Analytic)
	}
	if r.site.Language == "zh" {
		return fmt.Sprintf("【%s】事件 %s，风险 %.0f：%s", r.site.Name, c.ID, c.Risk, strings.Join(kinds, "、"))
	}
	return fmt.Sprintf("[%s] case %s, risk %.0f: %s", r.site.Name, c.ID, c.Risk, strings.Join(kinds, ", "))
}

func (r *Runner) link(c incident.Case) string {
	if c.ID == testCase {
		return r.site.URL + "/"
	}
	return r.site.URL + "/incidents/" + c.ID
}
