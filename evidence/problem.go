package evidence

import (
	"maps"
	"slices"

	"github.com/cordon-health/cordon/ocsf"
)

// Problem is something about the running log that a person must know.
type Problem struct {
	// Code is stable and kebab-case.
	Code string
	// Text says what is wrong and what to do.
	Text ocsf.Text
	// Since is when it began, in ms.
	Since int64
	// Stops means that nothing is signed until it is solved.
	Stops bool
}

const (
	problemStake   = "evidence-at-stake"
	problemWitness = "evidence-witness-away"
	problemWaiting = "evidence-not-written"
	problemAgain   = "evidence-batch-replaced"
	problemAdded   = "evidence-added-while-stopped"
)

func problemText(code string) Problem {
	switch code {
	case problemStake:
		return Problem{Code: code, Stops: true, Text: ocsf.Text{
			EN: "The evidence log does not agree with what was signed before, so nothing is signed any more. Leave the data folder as it is, copy it, and run `cordon verify` on the copy.",
			ZH: "证据日志与先前签名的内容不一致，已停止签名。请保持数据目录原样，复制一份，并对副本运行 `cordon verify`。"}}
	case problemWitness:
		return Problem{Code: code, Text: ocsf.Text{
			EN: "The witness did not cosign the newest checkpoint. Check its address and whether it runs.",
			ZH: "见证方没有对最新的检查点联署。请检查其地址以及是否在运行。"}}
	case problemWaiting:
		return Problem{Code: code, Stops: true, Text: ocsf.Text{
			EN: "Evidence cannot be written; it is tried again without end. Free space on the disk of the evidence folder.",
			ZH: "证据无法写入，正在不断重试。请释放证据目录所在磁盘的空间。"}}
	}
	if code == problemAdded {
		return Problem{Code: code, Text: ocsf.Text{
			EN: "Records were added to the store while Cordon was stopped. The log of this server names their rows; find out who can write to the data folder.",
			ZH: "系统停止期间，数据库中被添加了记录。服务器日志列出了行号；请查明谁能写入数据目录。"}}
	}
	return Problem{Code: code, Text: ocsf.Text{
		EN: "After a crash a batch of events came again with other content than was logged; the later one counts. This happens when the directory changed in between.",
		ZH: "系统崩溃后，一批事件再次到达且内容与已记录的不同，以后者为准。目录在此期间有变动时会出现这种情况。"}}
}

// Problems lists what is wrong now, by code.
func (l *Log) Problems() []Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := slices.Collect(maps.Values(l.problems))
	slices.SortFunc(list, func(a, b Problem) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return list
}

func (l *Log) raise(code string) {
	since := l.now().UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.problems[code]; ok {
		return
	}
	p := problemText(code)
	p.Since = since
	l.problems[code] = p
}

func (l *Log) settle(code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.problems, code)
}
