package console

import "github.com/cordon-health/cordon/ocsf"

// deidWords are the texts about de-identification and its way back.
var deidWords = map[string]ocsf.Text{
	"nav.deid":               {EN: "Pseudonyms", ZH: "去标识化"},
	"deid.text":              {EN: "Who is behind a pseudonym is told only when one person asks and another approves. Every step is kept as evidence; answers are not.", ZH: "仅当一人申请、另一人批准时，才会告知假名对应的人。每一步均存证，答复内容不保存。"},
	"deid.profiles":          {EN: "Profiles of de-identification", ZH: "去标识化规则集"},
	"deid.profile":           {EN: "Profile", ZH: "规则集"},
	"deid.takes":             {EN: "What it does", ZH: "说明"},
	"deid.key":               {EN: "Key of this site: %s", ZH: "本站密钥：%s"},
	"reidentify.mine":        {EN: "Approved for you", ZH: "已批准，待查看"},
	"reidentify.once":        {EN: "An answer is shown once, within a day of its approval.", ZH: "答复仅显示一次，须在批准后一天内查看。"},
	"reidentify.show":        {EN: "Show the answer once", ZH: "查看答复（仅一次）"},
	"reidentify.items":       {EN: "%d pseudonyms", ZH: "%d 个假名"},
	"reidentify.waiting":     {EN: "Requests that wait", ZH: "待审批的申请"},
	"reidentify.none":        {EN: "Nobody waits for an answer", ZH: "没有待审批的申请"},
	"reidentify.none.text":   {EN: "A request appears here for another user to decide.", ZH: "申请会出现在此，由他人审批。"},
	"reidentify.ask":         {EN: "Ask who is behind pseudonyms", ZH: "申请还原假名"},
	"reidentify.purpose":     {EN: "Purpose", ZH: "用途"},
	"reidentify.basis":       {EN: "Who decided it (ethics committee, court, the patient)", ZH: "批准依据（伦理委员会、法院、患者本人等）"},
	"reidentify.pseudonyms":  {EN: "Pseudonyms, one a line", ZH: "假名，每行一个"},
	"reidentify.send":        {EN: "Ask", ZH: "提交申请"},
	"reidentify.kept":        {EN: "Recorded: who asked, when, why, which pseudonyms, who decided and why, when the answer was shown. Not recorded: the answer.", ZH: "存证内容：申请人、时间、用途、假名、审批人及理由、答复查看时间；答复本身不保存。"},
	"reidentify.past":        {EN: "Earlier (%d)", ZH: "更早（%d）"},
	"reidentify.who":         {EN: "Asked by", ZH: "申请人"},
	"reidentify.own":         {EN: "Your own request: another user has to approve it.", ZH: "您本人的申请须由他人批准。"},
	"reidentify.answer":      {EN: "Who is behind the pseudonyms", ZH: "假名对应的原值"},
	"reidentify.gone":        {EN: "This page is the only copy. Once it is left, the answer has to be asked for again.", ZH: "仅此一页，离开后如需再看须重新申请。"},
	"reidentify.pseudonym":   {EN: "Pseudonym", ZH: "假名"},
	"reidentify.behind":      {EN: "Stands for", ZH: "原值"},
	"reidentify.unknown":     {EN: "not known: made with another key, or not kept", ZH: "未知：由其他密钥生成，或未留存"},
	"reidentify.state.asked": {EN: "Waits", ZH: "待审批"}, "reidentify.state.granted": {EN: "Approved", ZH: "已批准"}, "reidentify.state.declined": {EN: "Refused", ZH: "已拒绝"},
	"reidentify.state.answered": {EN: "Answered", ZH: "已答复"}, "reidentify.state.lapsed": {EN: "Lapsed", ZH: "已过期"},
	"done.reidentify.asked":   {EN: "Asked. Another user has to approve it.", ZH: "已提交，须由他人批准。"},
	"done.reidentify.decided": {EN: "Decided and kept with its reason.", ZH: "已审批，理由已存证。"},
}
