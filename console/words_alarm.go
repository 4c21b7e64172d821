package console

import "github.com/cordon-health/cordon/ocsf"

// alarmWords are the texts about the alarm path.
var alarmWords = map[string]ocsf.Text{
	"alarm.title":          {EN: "Alarm path", ZH: "告警链路"},
	"alarm.proven":         {EN: "Proven", ZH: "已验证"},
	"alarm.starting":       {EN: "Not all proven yet", ZH: "尚未全部验证"},
	"alarm.broken":         {EN: "Broken", ZH: "异常"},
	"alarm.off":            {EN: "Not proven: canaries are off", ZH: "未验证：探针已关闭"},
	"alarm.p50":            {EN: "Event to warning, median", ZH: "事件到告警（中位数）"},
	"alarm.p99":            {EN: "99 of 100 within", ZH: "99% 不超过"},
	"alarm.lost":           {EN: "Canaries lost, 24 h", ZH: "探针丢失（24 小时）"},
	"alarm.lost.of":        {EN: "%s of %s", ZH: "%s，共 %s"},
	"alarm.silent":         {EN: "Silent sources", ZH: "中断的来源"},
	"alarm.stopped":        {EN: "Stopped detectors", ZH: "停止的检测器"},
	"alarm.stopped.of":     {EN: "%s of %s", ZH: "%s，共 %s"},
	"alarm.doors":          {EN: "Every way in, and every check", ZH: "各入口与自检"},
	"alarm.state.proven":   {EN: "99% within", ZH: "99% 不超过"},
	"alarm.state.late":     {EN: "behind a queue; 99% within", ZH: "排队中；99% 不超过"},
	"alarm.state.starting": {EN: "first canary under way", ZH: "首个探针发送中"},
	"alarm.state.broken":   {EN: "broken; 99% within", ZH: "异常；99% 不超过"},
	"alarm.state.closed":   {EN: "cannot be tried", ZH: "无法验证"},
	"alarm.ms":             {EN: "%.0f ms", ZH: "%.0f 毫秒"},
	"alarm.s":              {EN: "%.1f s", ZH: "%.1f 秒"},
	"alarm.checked":        {EN: "Self-check: %s detectors and %s rules found their own examples", ZH: "自检：%s 个检测器、%s 条规则均能识别自带样例"},
	"alarm.failed":         {EN: "Self-check of %s:", ZH: "%s 自检："},
	"alarm.unproven":       {EN: "(%s rules bring no example)", ZH: "（%s 条规则未附样例）"},
	"alarm.refused":        {EN: "%s rules are not loaded.", ZH: "%s 条规则未能加载。"},
	"alarm.refused.one":    {EN: "%s rule is not loaded.", ZH: "%s 条规则未能加载。"},
	"alarm.switched":       {EN: "%s detectors are switched off.", ZH: "%s 个检测器已关闭。"},
	"alarm.switched.one":   {EN: "%s detector is switched off.", ZH: "%s 个检测器已关闭。"},
	"alarm.silent.name":    {EN: "Silent: %s", ZH: "已中断：%s"},
	"alarm.test":           {EN: "Test mail and webhooks now", ZH: "立即测试邮件与 Webhook"},
	"alarm.test.ok":        {EN: "%s: the test message got out", ZH: "%s：测试消息已送达"},
	"alarm.test.failed":    {EN: "%s: the test message did not get out", ZH: "%s：测试消息发送失败"},
	"alarm.test.none":      {EN: "No mail and no webhook is set up: warnings appear in the console only.", ZH: "未配置邮件或 Webhook，告警仅在控制台显示。"},
}
