package behavior

import (
	"strconv"

	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/ocsf"
)

// dataPlace: a scan found data where data of its level may not lie.
type dataPlace struct{}

var _ detect.Detector = (*dataPlace)(nil)

// Info implements [detect.Detector].
func (*dataPlace) Info() detect.Info {
	return detect.Info{
		ID: "data-out-of-place", Group: detect.GroupData,
		Title: ocsf.Text{EN: "Patient data where it may not lie", ZH: "患者数据存放位置不当"},
		Why: ocsf.Text{
			EN: "A scan found a file, object or table whose level is above what may lie in its place. Copies on shares, desktops and test systems are protected by nobody, backed up by nobody, and are what leaks. A planted patient in it says that the copy was drawn from the hospital's own records.",
			ZH: "扫描发现某文件、对象或数据表的级别高于所在位置的允许级别。散落在共享、桌面和测试系统中的副本无人保护，最易泄露。其中若含测试患者，说明该副本取自本院数据。",
		},
		Advice: ocsf.Text{
			EN: "Ask its owner what it is for; move, de-identify or delete it, or raise the place's allowed level with a reason. Then scan again.",
			ZH: "询问所有者用途；迁移、去标识化或删除，或说明理由后调整该位置的允许级别，然后重新扫描。",
		},
		Severity: ocsf.SeverityHigh, Risk: 60, Steady: true,
		References: []string{"GB/T 39725-2020", "个人信息保护法 第五十一条", "45 CFR 164.308(a)(1)(ii)(A)"},
		Params: []detect.Param{
			{Name: "many", Default: 500, About: ocsf.Text{EN: "distinct patients from which on the risk is highest", ZH: "风险达到最高的患者人数"}},
		},
	}
}

// The words of an event about a scan, which Cordon itself makes: labels of its
// first resource.
const (
	labelTarget   = "target"
	labelAllowed  = "allowed"
	labelPatients = "patients"
	labelHoney    = "honey"
)

// Detect implements [detect.Detector].
func (*dataPlace) Detect(c *detect.Context, ev *ocsf.Event) {
	if ev.ClassUID != ocsf.DataSecurityFinding || ev.Metadata.Product.Name != "Cordon" || len(ev.Resources) == 0 || len(ev.DataClassifications) == 0 {
		return
	}
	o := &ev.Resources[0]
	target, level := o.Label(labelTarget), ev.DataClassifications[0].Level
	number := func(name string) int {
		n, err := strconv.Atoi(o.Label(name))
		if err != nil {
			return 0
		}
		return n
	}
	allowed, patients := number(labelAllowed), number(labelPatients)
	if target == "" || o.UID == "" || level <= allowed {
		return
	}
	f := ocsf.Finding{
		ClassUID: ocsf.DataSecurityFinding,
		UID:      detect.UID("data-out-of-place", target, o.UID, strconv.Itoa(level)), Events: []string{ev.Metadata.UID}, Subject: "data:" + target,
		Title: text("Level %d data in %s, where level %d is allowed (object %s)", "%[2]s 中存在 %[1]d 级数据，允许级别为 %[3]d（对象 %[4]s）", level, target, allowed, o.UID),
		Why:   text("It names %d distinct patients of the hospital's own, as far as they are known.", "涉及本院患者（已知）%d 人。", patients),
		Risk:  min(89, 40+8*float64(level)+10*min(1, float64(patients)/max(1, c.Param("many")))),
	}
	if number(labelHoney) > 0 {
		f.Risk, f.SeverityID = 95, ocsf.SeverityCritical
		f.Why = text("It holds a planted patient, so it was drawn from the hospital's own records; %d distinct patients are known in it.", "含有测试患者，说明取自本院数据；已知涉及患者 %d 人。", patients)
	}
	c.Find(f)
}
