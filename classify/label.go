package classify

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// Labels are words directly before a number that say what it is: 住院号：,
// MRN#, "patientPhone": ". They are asked for only where a number stands.

// labelReach is how far before a number its label may begin.
const labelReach = 64

// labelBefore is the kind that a label before s.text[i] names; None if there
// is no label, or one of something that is no identifier.
func (s *scan) labelBefore(i int) Kind {
	return s.engine.labels.before(s.text[max(0, i-labelReach):i])
}

// before is the kind that a label at the end of text names.
func (t *labelTable) before(text []byte) Kind {
	j := beforeSeparators(text, len(text))
	if j == 0 {
		return None
	}
	if text[j-1] >= 0x80 {
		return t.chineseAt(text[:j])
	}
	if !letter(text[j-1]) {
		return None
	}
	if j >= 3 && text[j-3]|text[j-2] >= 0x80 {
		if k := t.chineseAt(text[:j]); k != None {
			return k
		}
	}
	return t.latinAt(text, j)
}

// chineseAt is the kind of the longest label in Chinese that text ends with.
func (t *labelTable) chineseAt(text []byte) Kind {
	if len(text) < 3 {
		return None
	}
	for _, c := range t.chinese[endHash(text)] {
		if n := len(text) - len(c.text); n >= 0 && string(text[n:]) == c.text {
			return c.kind
		}
	}
	return None
}

// endHash hashes the last three bytes of a text.
func endHash(text []byte) uint64 {
	n := len(text)
	return (uint64(text[n-3]) | uint64(text[n-2])<<8 | uint64(text[n-1])<<16) * hashFactor >> 54
}

// latinAt is the kind of the longest label in Latin letters that text[:j] ends
// with, however its words are joined; behind j stand separators.
func (t *labelTable) latinAt(text []byte, j int) Kind {
	var room [48]byte
	phrase := backwards(&room, text, j)
	numbered := bytes.IndexByte(text[j:], '#') >= 0
	for {
		last := phrase[bytes.LastIndexByte(phrase, ' ')+1:]
		if !filler(last) {
			if !t.lasts[lastHash(last)] {
				return None
			}
			break
		}
		phrase, numbered = bytes.TrimRight(phrase[:len(phrase)-len(last)], " "), true
	}
	for k := 0; ; {
		if e, ok := t.latin[string(phrase[k:])]; ok && (numbered || !e.needs) {
			return e.kind
		}
		n := bytes.IndexByte(phrase[k:], ' ')
		if n < 0 {
			return None
		}
		k += n + 1
	}
}

// backwards copies up to five words before text[j] in lower case, each apart
// from the next by one blank however they were joined.
func backwards(room *[48]byte, text []byte, j int) []byte {
	at, words := len(room), 1
	for k := j - 1; k >= 0 && at > 1; k-- {
		c := text[k]
		switch {
		case letter(c):
			if k+1 < j && upper(text[k+1]) && !upper(c) {
				at--
				room[at] = ' '
				words++
			}
			at--
			room[at] = folded(c)
		case c == ' ' || c == '_' || c == '-' || c == '/' || c == '.' || c == '\'':
			if room[at] != ' ' {
				at--
				room[at] = ' '
				words++
			}
		default:
			return bytes.TrimLeft(room[at:], " ")
		}
		if words > 5 {
			break
		}
	}
	return bytes.TrimLeft(room[at:], " ")
}

// filler says whether w may stand between a label and its number.
func filler(w []byte) bool {
	switch string(w) {
	case "number", "no", "num", "nbr", "nr", "id", "ids", "code", "numbers", "is", "was", "are", "the", "of", "value", "at", "as", "my":
		return true
	}
	return false
}

func lastHash(w []byte) uint64 {
	return (loadTail(w, 0) + uint64(len(w))) * hashFactor >> 52
}

// beforeSeparators steps back over what may stand between a label and its
// value.
func beforeSeparators(text []byte, i int) int {
	j, lo := i, max(0, i-16)
	for j > lo {
		switch text[j-1] {
		case ' ', '\t', ':', '=', '"', '\'', '(', '[', '#', '.', '>', '-', '_', '+':
			j--
			continue
		case 0x9A, 0x88, 0x91, 0xBA, 0xAF, 0x80, 0x90:
			if j >= 3 && wideSeparator(text[j-3:j]) {
				j -= 3
				continue
			}
		case ')', 0x89:
			if k := beforeBracket(text, j); k < j {
				j, lo = k, max(0, k-4)
				continue
			}
		}
		break
	}
	return j
}

// wideSeparator: the colon, the brackets, "is", and the ideographic space.
func wideSeparator(w []byte) bool {
	switch string(w) {
	case "：", "（", "】", "为", "是", "\u3000", "【":
		return true
	}
	return false
}

// beforeBracket steps back over a short remark in brackets that ends at j.
func beforeBracket(text []byte, j int) int {
	for k := j - 1; k > max(0, j-32); k-- {
		if text[k-1] == '(' {
			return k - 1
		}
		if k >= 3 && string(text[k-3:k]) == "（" {
			return k - 3
		}
	}
	return j
}

// labelled is asked about a word with digits that is nothing by itself: a
// label before it says what it is.
func (s *scan) labelled(i, end int) int {
	if s.engine.index != nil {
		s.ours(i, end)
	}
	if !mayFollow(byteAt(s.text, i-1)) || end-i > longest {
		return end
	}
	start := withPrefix(s.text, i)
	k := s.labelBefore(start)
	if k == None {
		return end
	}
	stop := withParts(s.text, end)
	if kind, confidence := fits(k, s.text[start:stop]); kind != None {
		s.add(start, stop, kind, confidence, ByLabel)
		return stop
	}
	if kind, confidence := fits(k, s.text[i:end]); kind != None {
		s.add(i, end, kind, confidence, ByLabel)
	}
	return end
}

// ours is asked about a word with digits as a number of one of the hospital's
// own patients.
func (s *scan) ours(i, end int) {
	value := s.text[i:end]
	if len(value) == 8 && count(value, digit) == 8 && bornOn(value) {
		return // a date
	}
	if s.engine.index.matchAlone(value) {
		s.add(i, end, Ours, 90, ByIndex)
	}
}

// mayFollow says whether a byte may stand between a label and a number.
func mayFollow(c byte) bool {
	switch c {
	case ' ', '\t', ':', '=', '"', '\'', '(', '[', '#', '.', '>', '-', '_', '+':
		return true
	}
	return c >= 0x80
}

// withPrefix takes the letters of "MR-123456" with its digits.
func withPrefix(text []byte, i int) int {
	if c := byteAt(text, i-1); c != '-' && c != '/' {
		return i
	}
	j := i - 1
	for j > 0 && i-j < 8 && wordByte(text[j-1]) {
		j--
	}
	if j == i-1 || i-j >= 8 {
		return i
	}
	return j
}

// withParts takes the further parts of "12-34-567".
func withParts(text []byte, end int) int {
	for k := end; k-end < 24; {
		c := byteAt(text, k)
		if c != '-' && c != '/' && c != '.' || !wordByte(byteAt(text, k+1)) {
			return k
		}
		for k++; wordByte(byteAt(text, k)); k++ {
			if k-end >= 24 {
				return end
			}
		}
	}
	return end
}

// fits says what a value behind the label of a kind is, None if it cannot be
// that, and how sure it is.
func fits(k Kind, value []byte) (Kind, uint8) {
	digits, letters := 0, 0
	for _, c := range value {
		if digit(c) {
			digits++
		} else if letter(c) {
			letters++
		}
	}
	n := digits + letters
	pure := letters == 0
	switch k {
	case MRN, Admission, Visit, Accession, HealthPlan, Account, Serial, Licence, SocialSecurity:
		return ok(k, n >= 4 && n <= 28 && digits >= 3 && letters <= 10, 88)
	case ResidentID:
		return fitsIdentity(value, n, digits)
	case Phone, Fax, Mobile:
		return ok(k, pure && digits >= 7 && digits <= 15, 88)
	case BankCard:
		return ok(k, pure && digits >= 12 && digits <= 19, 80)
	case Passport:
		return ok(k, n >= 6 && n <= 10 && digits >= 5, 88)
	case HKMacaoPermit, TaiwanPermit:
		return ok(k, n >= 8 && n <= 12 && letters <= 2, 88)
	case SSN:
		return ok(k, pure && digits == 9, 88)
	case NPI:
		return ok(k, pure && digits == 10 && npiCheck(value), 96)
	case NHS:
		return ok(k, pure && len(value) == 10 && nhsCheck(value), 96)
	case MBI:
		if len(value) == 11 && mbi(value) {
			return MBI, 97
		}
		return ok(HealthPlan, n >= 6 && n <= 14 && digits >= 4, 75)
	case VIN:
		return ok(k, n == 17, 85)
	case Plate:
		return ok(k, n >= 5 && n <= 8, 70)
	case ZIP:
		return ok(k, pure && (digits == 5 || digits == 6 || digits == 9), 90)
	case HKID, DEA, UDI, USCC:
		return ok(k, n >= 7 && n <= 60 && digits >= 5, 60)
	}
	return None, 0
}

func ok(k Kind, fits bool, confidence uint8) (Kind, uint8) {
	if !fits {
		return None, 0
	}
	return k, confidence
}

// fitsIdentity: what stands behind 身份证号 and is no number that checks: a
// mistyped one, one of the old form, another document's.
func fitsIdentity(value []byte, n, digits int) (Kind, uint8) {
	switch {
	case len(value) == 18 && digits >= 17 && bornOn(value[6:14]):
		return ResidentID, 75
	case len(value) == 15 && digits == 15 && calendar(1900+number(value[6:8]), number(value[8:10]), number(value[10:12])):
		return ResidentID15, 85
	case n == 9 && digits >= 7 && letter(value[0]):
		return Passport, 70
	case n >= 17 && n <= 19 && digits >= 15:
		return ResidentID, 50
	}
	return None, 0
}

// chineseLabels are labels in Chinese, by kind.
func chineseLabels() map[Kind]string {
	return map[Kind]string{
		ResidentID:     "身份证号码 身份证号 身份证 公民身份号码 身份号码 证件号码 证件号 身份证件号 身份证件号码 身份证编号 身份证明号",
		MRN:            "病案号 病案编号 病案号码 病案首页编号 病案首页号 病历号 病历号码 病历编号 病历本号 档案号 健康档案号 档案编号 患者编号 病人编号 患者号 病人号 患者ID 病人ID 患者ID号 病人ID号 登记号 患者标识 患者主索引",
		Admission:      "住院号 住院号码 入院号 住院编号 住院流水号 住院登记号 住院病历号 住院ID 住院次号",
		Visit:          "门诊号 门诊号码 门诊病历号 门诊编号 急诊号 就诊号 就诊号码 就诊卡号 就诊卡 诊疗卡号 就医卡号 就诊流水号 就诊ID 挂号号 挂号单号 挂号流水号 体检号 体检编号 流水号",
		Accession:      "检查号 检查编号 检查单号 检查流水号 检验号 检验编号 检验单号 检验条码 条码 条码号 条形码 条形码号 标本号 标本编号 样本号 样本编号 样本条码 申请单号 申请号 影像号 影像编号 放射号 放射编号 超声号 超声编号 病理号 病理编号 内镜号 内镜编号 片号 报告单号 报告编号 报告号 处方号 处方编号 医嘱号 CT号 MR号 MRI号 X线号 DR号 心电号",
		SocialSecurity: "社保号 社保号码 社保卡号 社保编号 社会保障号 社会保障号码 社会保障卡号 社会保险号 医保号 医保卡号 医保编号 医保编码 医保个人编码 个人医保编码 医保卡 医保证号 医疗保险号 医疗证号 医保个人编号 个人编号 参保号 参保编号 农合号 新农合号 合作医疗证号 医保电子凭证 医保电脑号",
		BankCard:       "银行卡号 银行卡 借记卡 借记卡号 信用卡号 信用卡 储蓄卡号 储蓄卡 卡号",
		Account:        "账号 帐号 银行账号 银行帐号 账户 帐户 户号 QQ号 QQ号码 微信号 微信 工号 职工号 警号",
		Phone:          "电话 电话号码 联系电话 联系方式 联系号码 手机 手机号 手机号码 固话 座机 来电 移动电话 家庭电话 住宅电话 联系人电话 致电 电联 拨打 本人电话 家属电话",
		Fax:            "传真 传真号 传真号码",
		ZIP:            "邮编 邮政编码",
		Passport:       "护照 护照号 护照号码 护照编号",
		HKMacaoPermit:  "港澳居民来往内地通行证 港澳居民来往内地通行证号 港澳居民来往内地通行证号码 回乡证 回乡证号 往来港澳通行证 往来港澳通行证号 通行证号 通行证号码 港澳通行证 港澳通行证号",
		TaiwanPermit:   "台胞证 台胞证号 台胞证号码 台湾居民来往大陆通行证 台湾居民来往大陆通行证号 台湾居民来往大陆通行证号码",
		HKID:           "香港身份证 香港身份证号 香港身份证号码 香港永久性居民身份证",
		USCC:           "统一社会信用代码 社会信用代码 信用代码",
		Licence:        "执业证号 执业证书号 执业证书编号 执业证编号 执业编号 医师资格证号 资格证书编号 资格证号 资格证编号 证书编号 证书号 驾驶证号 驾驶证 驾照号 军官证号 军官证 士兵证号 残疾证号 残疾人证号 出生证号 出生证编号 出生医学证明编号 出生医学证明 结婚证号 准考证号",
		Plate:          "车牌 车牌号 车牌号码 号牌号码",
		VIN:            "车架号 车辆识别代号 车辆识别代码",
		Serial:         "序列号 设备序列号 出厂编号 设备编号 机身号 植入物编号",
		UDI:            "医疗器械唯一标识 器械唯一标识",
	}
}

// latinLabels are labels in English, by kind; those behind "+" need a word
// like number, no or id behind them.
func latinLabels() map[Kind]string {
	return map[Kind]string{
		MRN:        "mrn,mrnumber,medical record,med rec,medrec,emr,emrn,patientid,+mr,+chart,+patient,+hospital,+unit,+record",
		Admission:  "admission id,+admission,+admit,+inpatient",
		Visit:      "csn,+fin,+visit,+encounter,+episode,+outpatient,+appointment",
		Accession:  "accession,+acc,+specimen,+sample,+order,+exam,+study,+requisition,+barcode,+lab,barcode,+report",
		SSN:        "ssn,social security,soc sec",
		NPI:        "npi,national provider",
		DEA:        "dea",
		NHS:        "nhs",
		MBI:        "mbi,medicare,hic,hicn,medicare beneficiary",
		Phone:      "phone,tel,telephone,mobile,cell,cellphone,ph,pager,beeper,call,contact,whatsapp,phone home,phone work,dial,+direct line,mobilephone,homephone,workphone,phonenumber,telecom,landline",
		Fax:        "fax,facsimile",
		ZIP:        "zip,zipcode,postal,postcode,postalcode",
		HealthPlan: "medicaid,health plan,+policy,+member,+subscriber,+group,+insurance,+beneficiary,+plan,+claim,policy,insurance id",
		Account:    "account,acct,qq,bank account,iban,a c,routing,+invoice,+customer",
		BankCard:   "credit card,debit card,card,cc,card number,visa,mastercard,amex",
		Licence:    "license,licence,driver license,drivers license,driver s license,dl,lic,+certificate,+certification,+registration",
		Passport:   "passport",
		VIN:        "vin,vehicle identification",
		Plate:      "plate,license plate,licence plate,tag,number plate",
		Serial:     "serial,s n,sn,implant,+device,+pacemaker,serialnumber",
		ResidentID: "hkid no,resident id,id card,national id,identity card,idcard,citizen id,idno,identity",
		HKID:       "hkid",
		UDI:        "udi",
	}
}

// labelTable answers for labels by their last character or word.
type labelTable struct {
	chinese  [1 << 10][]chineseEntry // by a hash of the last three bytes
	latin    map[string]latinEntry
	headings map[string]Kind
	lasts    [1 << 12]bool // by a hash of the last word of Latin ones
}

type chineseEntry struct {
	text string
	kind Kind
}

type latinEntry struct {
	kind  Kind
	needs bool // a word for number behind it
}

func newLabelTable() *labelTable {
	t := &labelTable{latin: map[string]latinEntry{}, headings: map[string]Kind{}}
	for k, all := range chineseLabels() {
		for _, text := range strings.Fields(all) {
			last := endHash([]byte(text))
			t.chinese[last] = append(t.chinese[last], chineseEntry{text, k})
		}
	}
	for _, list := range t.chinese {
		slices.SortFunc(list, func(a, b chineseEntry) int { return cmp.Compare(len(b.text), len(a.text)) })
	}
	for k, all := range headings() {
		for _, text := range strings.Split(all, ",") {
			t.headings[text] = k
		}
	}
	for k, all := range latinLabels() {
		for _, text := range strings.Split(all, ",") {
			base, needs := strings.CutPrefix(text, "+")
			t.latin[base] = latinEntry{k, needs}
			t.lasts[lastHash([]byte(base[strings.LastIndexByte(base, ' ')+1:]))] = true
		}
	}
	return t
}
