package console

import "github.com/cordon-health/cordon/ocsf"

// disputeWords are the texts about patients' disputes.
var disputeWords = map[string]ocsf.Text{
	"dispute.open": {EN: "The patient disputes this", ZH: "患者对此提出异议"},
	"dispute.note": {EN: "What the patient says", ZH: "患者陈述"},
	"dispute.text": {EN: "A case with priority opens. What the patient says is kept with the evidence and nowhere else.", ZH: "将立即生成优先事件。患者陈述只保存在证据中。"},
	"dispute.do":   {EN: "Take the dispute down", ZH: "受理异议"},
	"done.dispute": {EN: "The dispute is taken down; the case opens within seconds.", ZH: "异议已受理，事件将在数秒内生成。"},
}
