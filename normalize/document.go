package normalize

import (
	"strings"

	"github.com/cordon-health/cordon/internal/keyed"
)

// nameMark begins what stands for a name that is not kept.
const nameMark = "~"

// thingName is what is kept of the free text a source calls a document, a
// table or another thing. "Discharge summary" says what was read, "Discharge
// summary of Zhang Wei" says of whom. So a name stays only where it surely
// names nobody: the thing is none that is written about a person, the name is
// the display of a code, a kind of document everyone knows, or a statistic in a
// record that names no patient. Any other becomes a keyed token, by which two
// accesses to one document can still be told to be that. Type, code and id of
// the thing stay in any case.
func (n *Normalizer) thingName(kind, name string, ofPatient bool) string {
	name = strings.TrimSpace(name)
	if name == "" || knownDocument(name) {
		return name
	}
	if impersonal(kind) || !ofPatient && statistic(name) {
		return n.maskNumbers(name)
	}
	return nameMark + n.key.Token(keyed.ID, name)
}

// knownName is a name that was kept as it is, "" for a token.
func knownName(name string) string {
	if strings.HasPrefix(name, nameMark) {
		return ""
	}
	return name
}

// impersonal lists the kinds of things that are written about nobody.
func impersonal(kind string) bool {
	switch kind {
	case "Table", "Job", "Location", "Organization", "HealthcareService", "Device", "Medication", "Substance",
		"Questionnaire", "ValueSet", "CodeSystem", "Measure", "Library", "PlanDefinition", "OperationDefinition":
		return true
	}
	return false
}

// statistic says whether a name is that of a report over many people. The
// rules about drug statistics look for such names.
func statistic(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"统计", "统方", "排名", "statistics", "ranking", "usage by"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// knownDocument says whether a name is the name of a kind of document and
// nothing else: one of the documents of Chinese records, a LOINC code, or made
// of nothing but the words such names are made of.
func knownDocument(name string) bool {
	if chineseDocuments[name] || loincCode(name) {
		return true
	}
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return strings.ContainsRune(" ,&/()-", r) }) {
		if !documentWords[strings.ToLower(word)] {
			return false
		}
	}
	return true
}

// loincCode says whether a text is a number, a dash and a check digit.
func loincCode(s string) bool {
	head, check, ok := strings.Cut(s, "-")
	return ok && len(check) == 1 && len(head) >= 3 && len(head) <= 7 && digits(head+check) == len(head)+1
}

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// documentWords are the words of the names of documents and data in English.
var documentWords = setOf(`a and by for from in of on or the to with
	access act active admission advance all allergies allergy ambulatory anesthesia anaesthesia angiography antenatal appointment
	appointments assessment audit biopsy birth blood breast cancer cardiac cardiology care carrier catheterization certificate
	charge chart chest clinic clinical colonoscopy condition conditions consent consult consultation continuity count coverage
	ct culture daily data death delivery demographics dental dermatology device diagnoses diagnosis diagnostic diet directive
	discharge discussion document dose ecg echocardiography eeg ekg emergency encounter encounters endoscopy episode evaluation
	event events exam examination family findings flowsheet follow form gastroenterology general genetic genetics health history
	home hospital hospitalization hiv icu image images imaging immunization immunizations impression infection information
	informed initial inpatient instructions intake intensive invoice journal lab laboratory letter list lists mammography
	medical medication medications mental mri neurology neonatal newborn note notes nuclear nurse nursing nutrition object
	observation observations obstetrics occupational oncology operative ophthalmology order orders orthopedic outpatient
	oxygen panel pathology patient patients pediatric pet pharmacy physical physician physiotherapy plan portrait postoperative
	pregnancy preoperative prescription prescriptions problem problems procedure procedures progress psychiatric psychiatry
	psychological psychology quick radiology reason record records referral register rehabilitation report reports request
	restricted result results review risk scan schedule screening sensitive social specialist specimen speech status study
	studies subject subsequent summary surgery surgical system telephone test tests therapy transfer transfusion treatment
	triage ultrasound up urgent urology vaccination vital vitals visit visits ward worklist x xray ray`)

// chineseDocuments are the documents of Chinese records by the names the
// national standards on shared documents and records give them, and the short
// forms in daily use.
var chineseDocuments = setOf(`病历概要 门诊病历 急诊病历 门急诊病历 门(急)诊病历 门（急）诊病历 急诊留观病历 住院病历 电子病历 病历
	西医处方 中医处方 处方 处方笺 检查报告 检验报告 检查申请单 检验申请单 检查结果 检验结果 检验单 化验单 影像报告 放射报告 超声报告
	心电图 心电图报告 内镜报告 病理报告 影像 治疗记录 手术记录 一般手术记录 麻醉术前访视记录 麻醉记录 麻醉术后访视记录 输血记录 待产记录
	阴道分娩记录 剖宫产记录 分娩记录 护理记录 一般护理记录 病重护理记录 病危护理记录 病重(病危)护理记录 病重（病危）护理记录
	手术护理记录 生命体征测量记录 生命体征 体温单 出入量记录 高值耗材使用记录 入院评估 护理计划 护理评估 出院评估与指导
	手术知情同意书 麻醉知情同意书 输血治疗同意书 特殊检查及特殊治疗同意书 特殊检查同意书 特殊治疗同意书 病危通知书 病重通知书
	病危(重)通知书 病危（重）通知书 知情同意书 其他知情告知同意书 病案首页 住院病案首页 中医住院病案首页 入院记录
	24小时内入出院记录 24小时内入院死亡记录 病程记录 首次病程记录 日常病程记录 上级医师查房记录 查房记录 疑难病例讨论记录
	交接班记录 转科记录 转院记录 阶段小结 抢救记录 会诊记录 会诊申请单 术前小结 术前讨论 术前讨论记录 术后首次病程记录 出院记录
	出院小结 出院证明 死亡记录 死亡病例讨论记录 死亡证明 诊断证明 住院医嘱 医嘱 医嘱单 长期医嘱 临时医嘱 医嘱列表 用药清单 用药记录
	过敏史 诊断 患者概览 患者摘要 患者信息 患者列表 病区患者列表 病区列表 体检报告 疫苗接种记录 费用清单 预约列表 转诊单`)
