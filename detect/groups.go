package detect

import "github.com/cordon-health/cordon/ocsf"

// The groups of detectors, by what they ask.
const (
	GroupWho     = "who"     // whose record it is: relatives, colleagues, protected patients
	GroupWhy     = "why"     // why nothing explains the access
	GroupHow     = "how"     // how it was done: amounts, hours, channels, credentials
	GroupMissing = "missing" // what should be there and is not: sources, audit records
	GroupData    = "data"    // statements on databases, programs and bulk interfaces
	GroupNetwork = "network" // what sensors found wrong on the network and in the air
	GroupRules   = "rules"   // Sigma rules
)

// Groups lists the groups in the order of their showing, with their names.
func Groups() []struct {
	ID    string
	Title ocsf.Text
} {
	return []struct {
		ID    string
		Title ocsf.Text
	}{
		{GroupWho, ocsf.Text{EN: "Whose record it is", ZH: "被查看者是谁"}},
		{GroupWhy, ocsf.Text{EN: "Why nothing explains it", ZH: "为何无法解释"}},
		{GroupHow, ocsf.Text{EN: "How it was done", ZH: "如何操作"}},
		{GroupData, ocsf.Text{EN: "Databases and interfaces", ZH: "数据库与接口"}},
		{GroupNetwork, ocsf.Text{EN: "On the network", ZH: "网络与设备"}},
		{GroupMissing, ocsf.Text{EN: "What is missing", ZH: "缺失与中断"}},
		{GroupRules, ocsf.Text{EN: "Rules", ZH: "规则"}},
	}
}
