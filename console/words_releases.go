package console

import "github.com/cordon-health/cordon/ocsf"

// releaseWords are the texts about data sets that leave.
var releaseWords = map[string]ocsf.Text{
	"nav.group.watch": {EN: "Watch", ZH: "监测"}, "nav.group.data": {EN: "Data", ZH: "数据"}, "nav.group.proof": {EN: "Proof", ZH: "证明"}, "nav.group.setup": {EN: "Set up", ZH: "设置"},
	"nav.releases":  {EN: "Releases", ZH: "数据发布"},
	"releases.text": {EN: "Data sets that leave for research or for partners: de-identified, measured, attacked by Cordon itself, approved by a second person, with a fingerprint for each recipient.", ZH: "提供给科研或合作方的数据集：去标识化、度量风险、由系统自行攻击检验、经第二人审批，并为每个接收方嵌入指纹。"},
	"releases.none": {EN: "No data set has left yet", ZH: "尚无数据发布记录"}, "releases.none.text": {EN: "Ask for one below, or with: cordon release request visits.csv --recipe recipe.yaml … (docs/release.md).", ZH: "可在下方申请，或使用命令：cordon release request visits.csv --recipe recipe.yaml …（见 docs/release.md）。"},
	"releases.new": {EN: "Ask for a release", ZH: "申请发布"},
	"release.what": {EN: "Data set", ZH: "数据集"}, "release.state": {EN: "State", ZH: "状态"}, "release.recipient": {EN: "Recipient", ZH: "接收方"}, "release.level": {EN: "GB/T 42460", ZH: "GB/T 42460 级别"}, "release.until": {EN: "Until", ZH: "有效期至"},
	"release.title": {EN: "What it is", ZH: "名称"}, "release.purpose": {EN: "Purpose", ZH: "用途"}, "release.basis.short": {EN: "Basis", ZH: "法律依据"}, "release.basis": {EN: "Legal basis", ZH: "法律依据（如伦理批件号）"}, "release.contact": {EN: "Recipient's mail address", ZH: "接收方邮箱"},
	"release.key": {EN: "Recipient's age key", ZH: "接收方 age 公钥"}, "release.key.text": {EN: "age1…; the copy is encrypted to it. Empty hands it out in clear.", ZH: "age1…，数据将加密给该公钥；留空则以明文交付。"},
	"release.recipe": {EN: "Recipe", ZH: "配方"}, "release.recipe.text": {EN: "What each column is and what is asked of the table; docs/release.md explains every line.", ZH: "说明每列的类型及对表格的要求；每一行的含义见 docs/release.md。"},
	"release.file": {EN: "File", ZH: "文件"}, "release.file.text": {EN: "A CSV table, or a ZIP archive of files. It is kept encrypted and deleted when the release ends.", ZH: "CSV 表格或 ZIP 压缩包。文件加密保存，发布结束后删除。"},
	"release.nofile": {EN: "Choose a file first.", ZH: "请先选择文件。"},
	"release.send":   {EN: "Make and measure it", ZH: "生成并度量"}, "release.proof": {EN: "Release proof", ZH: "发布证明"},
	"release.blocked":  {EN: "It does not leave, because", ZH: "不得外发，原因"},
	"release.measured": {EN: "What was measured", ZH: "度量结果"}, "release.k.text": {EN: "smallest class; %d were asked", ZH: "最小等价类；要求 %d"},
	"release.prosecutor": {EN: "Highest risk", ZH: "最高风险（检察官）"}, "release.before": {EN: "before: %s", ZH: "处理前：%s"}, "release.journalist": {EN: "Journalist", ZH: "记者模型"}, "release.marketer": {EN: "marketer: %s", ZH: "营销者模型：%s"},
	"release.rows": {EN: "Rows", ZH: "行数"}, "release.suppressed": {EN: "%d left out", ZH: "删除 %d 行"}, "release.loss": {EN: "Information loss", ZH: "信息损失"}, "release.loss.text": {EN: "0 % is the table itself", ZH: "0% 为原表"},
	"release.columns": {EN: "Columns that could single people out", ZH: "准标识列"}, "release.column": {EN: "Column", ZH: "列"}, "release.generalised": {EN: "Raised to level", ZH: "泛化层级"}, "release.lost": {EN: "Lost", ZH: "损失"},
	"release.marked": {EN: "Fingerprint", ZH: "指纹"}, "release.marked.text": {EN: "The copy is marked for this recipient; %d rows of nobody are in it.", ZH: "此副本已为该接收方加注标记；其中含 %d 行诱饵数据。"},
	"release.proven":   {EN: "Tried: %d of its rows name the recipient, even when three in ten are lost.", ZH: "经验证：其中 %d 行（即使丢失三成）即可追溯到接收方。"},
	"release.unproven": {EN: "Tried, and the marks prove nothing: the table says too little. Whose a leaked copy is cannot be shown from its cells.", ZH: "经验证，标记不足以追溯：该表可承载的信息过少，无法由泄露片段的单元格判定接收方。"},
	"release.mark":     {EN: "%s: %d cells, %.2f %%", ZH: "%s：%d 格，%.2f%%"},
	"release.tried":    {EN: "Attacked before it leaves", ZH: "外发前攻击检验"}, "release.found": {EN: "Direct identifiers found by a new search", ZH: "复扫发现的直接标识"}, "release.same": {EN: "Values as in the source", ZH: "与原始数据相同的标识值"},
	"release.ours": {EN: "Our own patients in it", ZH: "精确匹配到的本院患者"}, "release.noindex": {EN: "no index of patients; import one: cordon patients import", ZH: "尚无患者索引，请导入：cordon patients import"},
	"release.linked": {EN: "Rows that stand alone by what is kept", ZH: "凭保留列可唯一区分的行"}, "release.names": {EN: "Invented names that somebody has", ZH: "与真实姓名巧合的化名"},
	"release.request": {EN: "The request", ZH: "申请"}, "release.requester": {EN: "Asked by", ZH: "申请人"}, "release.approver": {EN: "Decided by", ZH: "审批人"}, "release.taken": {EN: "Handed out", ZH: "交付次数"},
	"release.steps": {EN: "Next step", ZH: "下一步"}, "release.eyes": {EN: "Somebody other than who asked decides now.", ZH: "须由申请人以外的人审批。"}, "release.take": {EN: "Hand out the copy", ZH: "交付数据"}, "release.make": {EN: "Make it again", ZH: "重新生成"}, "release.withdraw": {EN: "End it and delete its data", ZH: "结束并删除数据"},
	"trace.title": {EN: "Trace a leak", ZH: "泄露溯源"}, "trace.text": {EN: "Give a piece of a leaked table; Cordon names the recipient whose copy it comes from, or says that it cannot be proven.", ZH: "提供泄露表格的片段，系统指出其来自哪个接收方的副本，或说明无法证明。"},
	"trace.file": {EN: "The piece", ZH: "片段"}, "trace.file.text": {EN: "CSV; some 200 rows are enough, in any order, with columns missing or numbers rounded.", ZH: "CSV；约 200 行即可，行序打乱、缺列、数值取整均可。"}, "trace.do": {EN: "Trace", ZH: "溯源"},
	"trace.named": {EN: "It comes from the copy of", ZH: "来自以下接收方的副本"}, "trace.none": {EN: "Not provable", ZH: "无法证明"}, "trace.none.text": {EN: "None of %d copies explains these %d rows beyond chance.", ZH: "共 %d 份副本，均无法解释这 %d 行数据。"},
	"trace.odds": {EN: "A false accusation has a probability below 10^%.0f (%d of %d answers, %d rows of nobody).", ZH: "误判概率低于 10^%.0f（%d / %d 个应答，诱饵 %d 行）。"},
}
