package classify

import (
	"bytes"
	"strings"
)

// Value appends the spans of one cell or field: what the format says it is
// (hint), what its heading says, and what its text says. A heading counts as a
// label in front of the value; headings of tables as hospitals' systems name
// them are known, in both languages and in the initials of pinyin.
func (e *Engine) Value(dst []Span, hint Kind, field string, value []byte, mode Mode) []Span {
	begun := len(dst)
	k := hint
	if k == None {
		k = e.labels.heading(field)
	}
	if sp, ok := e.plainly(k, value); ok {
		return append(dst, sp)
	}
	s := scan{engine: e, text: value, mode: mode, found: dst}
	s.whole()
	if k != None {
		s.field(k, begun)
	}
	return s.apart(begun)
}

// plainly answers for most values of a kind that words are found by, where the
// format says the kind: the whole value is that. Whatever else is found within
// it would have to be surer than the format, and only numbers with check digits
// and the hospital's own are; values with room for one are scanned.
func (e *Engine) plainly(k Kind, value []byte) (Span, bool) {
	switch k {
	case Name, Address, Organization, Date, BirthDate:
	default:
		return Span{}, false
	}
	if from, to := trimmed(value); from > 0 || to < len(value) || to == 0 || to > 512 || e.off[k] {
		return Span{}, false
	}
	if roomForNumber(value) || placeholder(value) {
		return Span{}, false
	}
	kind, confidence := fieldFits(k, value)
	if kind != k {
		return Span{}, false
	}
	return Span{End: len(value), Kind: k, Confidence: confidence, Reason: ByField}, true
}

// roomForNumber says whether a number with check digits, or one of the index,
// may stand in a value: those have nine digits, or six and letters, or a word
// of seven characters with a digit. Other scripts part numbers, but full-width
// signs (which begin with 0xEF) do not.
func roomForNumber(value []byte) bool {
	digits, letters, word, wordDigits := 0, 0, 0, 0
	for _, c := range value {
		switch {
		case c == 0xEF:
			return true
		case c >= 0x80:
			digits, letters, word, wordDigits = 0, 0, 0, 0
		case digit(c):
			digits++
			word++
			wordDigits++
		case letter(c):
			letters++
			word++
		default:
			word, wordDigits = 0, 0
		}
		if digits >= 9 || digits >= 6 && letters > 0 || word >= 7 && wordDigits > 0 {
			return true
		}
	}
	return false
}

// field adds the whole value as what its field says it is, unless the value
// cannot be that, or proves to be something else.
func (s *scan) field(k Kind, begun int) {
	from, to := trimmed(s.text)
	if from == to || to-from > 512 || placeholder(s.text[from:to]) {
		return
	}
	if k == Condition {
		s.coded()
		return
	}
	value := s.text[from:to]
	kind, confidence := fieldFits(k, value)
	if kind == None {
		return
	}
	for i := begun; i < len(s.found); i++ {
		f := &s.found[i]
		if f.Start == from && f.End == to && f.Kind == kind {
			if f.Reason != ByCheck {
				f.Reason = ByField
			}
			f.Confidence = max(f.Confidence, confidence)
			return
		}
	}
	s.add(from, to, kind, confidence, ByField)
}

// fieldFits is fits, wider: the field is the label.
func fieldFits(k Kind, value []byte) (Kind, uint8) {
	switch k {
	case Name, Organization:
		return ok(k, len(value) >= 2 && len(value) <= 128 && letters(value) >= 2 && !bytes.ContainsAny(value, "0123456789=<>{}"), 90)
	case Address:
		return ok(k, len(value) >= 4 && letters(value) >= 2, 90)
	case Date, BirthDate:
		return ok(k, len(value) >= 4 && len(value) <= 40 && count(value, digit) >= 4, 92)
	case Age:
		n := count(value, digit)
		return ok(k, n >= 2 && n <= 3 && number(value[:min(n, digitsIn(value))]) > 89, 90)
	case Email:
		return ok(k, bytes.IndexByte(value, '@') > 0, 95)
	case MRN, Admission, Visit, Accession, HealthPlan, Account, Serial, Licence, SocialSecurity, Unique, Ours:
		return ok(k, len(value) >= 2 && len(value) <= 64 && count(value, digit) > 0, 92)
	case Condition:
		return None, 0 // the text of a diagnosis says itself whether it is one
	case ZIP:
		return ok(k, len(value) >= 3 && len(value) <= 10, 90)
	case Phone, Fax, Mobile:
		n := count(value, digit)
		switch mobile := len(value) == 11 && n == 11 && assignedMobile(value); {
		case k == Phone && mobile:
			k = Mobile
		case k == Mobile && !mobile:
			k = Phone
		}
		return ok(k, n >= 5 && n <= 16 && len(value) <= 32, 94)
	case URL, IP, MAC, Biometric, FaceImage, BurnedIn:
		return ok(k, len(value) >= 2, 90)
	}
	return fits(k, value)
}

// digitsIn counts the digits value begins with.
func digitsIn(value []byte) int {
	n := 0
	for n < len(value) && digit(value[n]) {
		n++
	}
	return n
}

func count(value []byte, is func(byte) bool) (n int) {
	for _, c := range value {
		if is(c) {
			n++
		}
	}
	return n
}

// letters counts letters of ASCII and bytes above.
func letters(value []byte) int {
	return count(value, func(c byte) bool { return letter(c) || c >= 0x80 })
}

// trimmed is where the value lies within blanks and quotes.
func trimmed(text []byte) (from, to int) {
	to = len(text)
	blank := func(c byte) bool { return c <= ' ' || c == '"' || c == '\'' }
	for from < to && blank(text[from]) {
		from++
	}
	for to > from && blank(text[to-1]) {
		to--
	}
	return from, to
}

// placeholder says whether a value stands for "nothing".
func placeholder(value []byte) bool {
	var room [9]byte // the longest of them
	if len(value) > len(room) {
		return false
	}
	for i, c := range value {
		room[i] = folded(c)
	}
	switch string(room[:len(value)]) {
	case "null", "none", "nil", "n/a", "na", "unknown", "-", "--", "无", "不详", "未知", "未提供", "nan", "test", "0":
		return true
	}
	return false
}

// headings are names of columns and fields that are no label in a text.
func headings() map[Kind]string {
	return map[Kind]string{
		Name:           "姓名,患者姓名,病人姓名,患者名称,联系人,联系人姓名,家属姓名,医生姓名,医师姓名,经治医师,主治医师,主治医生,责任护士,操作员姓名,签名,曾用名,xm,hzxm,brxm,lxrxm,ysxm,name,patient name,patient,full name,first name,last name,given name,family name,surname,middle name,maiden name,mother name,father name,guardian name,contact name,doctor name,physician name,attending physician,referring physician,provider name,real name,emergency contact,next of kin,staff name,person name,cn name,patientname,realname,username cn",
		Address:        "地址,住址,现住址,家庭住址,家庭地址,户口地址,户籍地址,通讯地址,联系地址,单位地址,工作单位地址,出生地,居住地,详细地址,jtzz,xzz,lxdz,hkdz,dz,address,home address,street,street address,address line,addr,residence,mailing address,home addr,address1,address2",
		BirthDate:      "出生日期,生日,出生年月,出生年月日,csrq,csny,birth date,date of birth,dob,birthday,birthdate,born,birth",
		Date:           "入院日期,出院日期,就诊日期,就诊时间,入院时间,出院时间,手术日期,检查日期,检查时间,死亡日期,死亡时间,ryrq,cyrq,jzrq,ryrqsj,admission date,discharge date,visit date,encounter date,procedure date,death date,deceased date,date of death,date of service,service date,admit date",
		Age:            "年龄,nl,age,age years,patient age",
		Mobile:         "sjh,sjhm,yddh,mobile no,phone number,phone num",
		Phone:          "lxdh,jtdh,dhhm,dh,lxfs,contact phone,home phone,work phone,联系人电话,电话1,电话2",
		ResidentID:     "sfzh,sfzhm,zjhm,sfz,gmsfhm,identification no,identification number,id card no,id card number,id no,id number,idcard,cert no,identity no,card id no,cardno id,id cardno,idcardno",
		MRN:            "bah,bingan no,blh,dah,brid,hzid,patient id,pat id,medical record no,medical record number,mr no,empi,patient no,patient number,hospital number,case no,record no",
		Admission:      "zyh,zyhm,inpatient no,admission no,inp no,zylsh",
		Visit:          "mzh,jzh,jzkh,ghxh,jzlsh,visit no,visit id,registration no,outpatient no,clinic no,registration id,encounter id,visit number",
		Accession:      "jch,bbh,tmh,sqdh,study id,accession number,accession no,specimen id,sample id,exam no,barcode,order no",
		SocialSecurity: "ybh,ybkh,sbkh,sbh,ylzh,medical insurance no,insurance no,si card no,medicare no,social security no",
		BankCard:       "yhkh,yhzh,card,bank card,bank card no,card no,credit card",
		Email:          "邮箱,电子邮箱,电子邮件,dzyx,yx,email,e mail,mail,email address",
		Passport:       "hzh,hzhm,passport no",
		Account:        "gh,zh,account,account no,account number,employee no,staff no,employee id,staff id,wechat,openid,qq",
		HealthPlan:     "member id,policy no,subscriber id,beneficiary id,health plan id",
		Licence:        "zyzh,zyzsbh,license no,licence no,license number",
		IP:             "ip,ip address,client ip,login ip",
		MAC:            "mac,mac address",
		ZIP:            "yzbm,yb,zip,zip code,postal code,postcode",
		Organization:   "工作单位,单位名称,gzdw,employer,work unit,company",
		Plate:          "cph,cphm,plate no,car no",
		SSN:            "ssn,social security number",
		Unique:         "uuid cn",
		Condition:      "诊断编码,疾病编码,诊断代码,疾病代码,诊断码,主要诊断编码,主诊断编码,其他诊断编码,次要诊断编码,出院诊断编码,入院诊断编码,门诊诊断编码,门急诊诊断编码,出院主要诊断编码,死因编码,icd编码,icd10编码,icd码,icd10码,疾病诊断编码,zdbm,jbbm,zddm,jbdm,diagnosis code,diagnosis codes,diag code,dx code,icd,icd10,icd 10,icd code,icd10 code,icd 10 code,icd9 or icd10 code,icd 10 cm,icd10cm,primary diagnosis code,secondary diagnosis code,principal diagnosis code,admitting diagnosis code,discharge diagnosis code,dx1,dx2,dx3,dx,diagnosis",
	}
}

// heading is the kind a column's heading or a field's name says, None if it
// says none.
func (t *labelTable) heading(field string) Kind {
	if field == "" || len(field) > 128 {
		return None
	}
	if k, ok := t.headings[plainHeading(field)]; ok {
		return k
	}
	return t.before([]byte(field))
}

// plainHeading writes a heading as words in lower case: patientName,
// PATIENT_NAME and "Patient Name" are one. What qualifies it, in brackets or
// before a dot, goes.
func plainHeading(field string) string {
	if i := strings.LastIndexByte(field, '.'); i >= 0 && i < len(field)-1 {
		field = field[i+1:]
	}
	for _, open := range []string{"(", "（", "["} {
		if i := strings.Index(field, open); i > 0 {
			field = field[:i]
		}
	}
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		switch c := field[i]; {
		case c == '_' || c == '-' || c == ' ' || c == '/' || c == '"' || c == '*' || c == '\'':
			b.WriteByte(' ')
		case upper(c) && i > 0 && field[i-1]-'a' < 26:
			b.WriteByte(' ')
			b.WriteByte(folded(c))
		default:
			b.WriteByte(folded(c))
		}
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	if letters([]byte(text)) > 0 && text[0] >= 0x80 {
		text = strings.ReplaceAll(text, " ", "")
	}
	return strings.TrimRight(text, ":：")
}
