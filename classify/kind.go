package classify

import "github.com/cordon-health/cordon/ocsf"

// Kind is what a span of text is: one kind of identifier, or a marker of a
// sensitive condition. Kinds from [FirstCustom] on are the hospital's own
// rules, named by the [Engine] that carries them.
type Kind uint8

// The kinds, in the order of the table below. None is no kind.
const (
	None Kind = iota

	ResidentID      // GB 11643, 18 characters
	ResidentID15    // the 15-digit form before 1999
	ResidencePermit // Hong Kong, Macao and Taiwan residents: 81, 82, 83
	HKMacaoPermit   // travel permit, H or M
	TaiwanPermit    // travel permit, 8 digits
	HKID            // Hong Kong identity card
	Passport
	Mobile // mainland China
	BankCard
	SocialSecurity // 社保, 医保 numbers and tokens
	USCC           // GB 32100: an organisation, not a person

	MRN       // medical record number
	Admission // admission or inpatient number
	Visit     // visit, outpatient number
	Accession // accession, examination, specimen, barcode

	Name
	Address
	Date // a date of a person's life or care
	BirthDate
	Age // over 89
	Organization

	SSN
	NPI
	MBI
	DEA
	NHS
	Phone // any telephone that is no mainland mobile
	Fax
	ZIP
	HealthPlan
	Account
	Licence // certificate or licence
	Plate   // vehicle plate
	VIN
	UDI
	Serial // device serial number

	Email
	URL
	IP
	MAC

	Biometric
	FaceImage
	BurnedIn // text drawn into an image
	Unique   // any other unique code: a column whose values hardly repeat
	Ours     // an exact match with the hospital's own patient index, of no other kind

	Condition // marker of a sensitive condition: raises the level, identifies nobody
	Unread    // content that could not be read, with the reason

	kinds // how many there are
)

// FirstCustom is the first of the hospital's own kinds.
const FirstCustom Kind = 128

// KindInfo describes a kind.
type KindInfo struct {
	// Name is stable and written to files: kebab-case.
	Name  string
	Title ocsf.Text
	// HIPAA is the identifier's number in 45 CFR 164.514(b)(2)(i), (A) = 1 to
	// (R) = 18; 0 where it is none.
	HIPAA int
}

// Info gives the description of a built-in kind; of another the zero value.
func (k Kind) Info() KindInfo {
	if k >= kinds {
		return KindInfo{}
	}
	return kindTable()[k]
}

// String is the kind's stable name.
func (k Kind) String() string { return k.Info().Name }

// Kinds lists the built-in kinds.
func Kinds() []Kind {
	var all []Kind
	for k := None + 1; k < kinds; k++ {
		all = append(all, k)
	}
	return all
}

// KindOf finds a built-in kind by its stable name.
func KindOf(name string) (Kind, bool) {
	for k, info := range kindTable() {
		if k > 0 && info.Name == name {
			return Kind(k), true
		}
	}
	return None, false
}

func kindTable() [kinds]KindInfo {
	return [kinds]KindInfo{
		ResidentID:      {"cn-resident-id", ocsf.Text{EN: "Chinese resident identity number", ZH: "居民身份证号"}, 7},
		ResidentID15:    {"cn-resident-id-15", ocsf.Text{EN: "Chinese resident identity number, old form", ZH: "15位身份证号"}, 7},
		ResidencePermit: {"hmt-residence-permit", ocsf.Text{EN: "Residence permit of Hong Kong, Macao and Taiwan residents", ZH: "港澳台居民居住证号"}, 7},
		HKMacaoPermit:   {"hk-macao-travel-permit", ocsf.Text{EN: "Hong Kong and Macao travel permit", ZH: "港澳居民来往内地通行证号"}, 11},
		TaiwanPermit:    {"taiwan-travel-permit", ocsf.Text{EN: "Taiwan travel permit", ZH: "台湾居民来往大陆通行证号"}, 11},
		HKID:            {"hkid", ocsf.Text{EN: "Hong Kong identity card", ZH: "香港身份证号"}, 7},
		Passport:        {"passport", ocsf.Text{EN: "Passport number", ZH: "护照号"}, 11},
		Mobile:          {"cn-mobile", ocsf.Text{EN: "Chinese mobile number", ZH: "手机号"}, 4},
		BankCard:        {"bank-card", ocsf.Text{EN: "Bank card number", ZH: "银行卡号"}, 10},
		SocialSecurity:  {"cn-social-security", ocsf.Text{EN: "Chinese social or medical insurance number", ZH: "社保/医保号"}, 9},
		USCC:            {"cn-uscc", ocsf.Text{EN: "Unified social credit code of an organisation", ZH: "统一社会信用代码"}, 0},
		MRN:             {"mrn", ocsf.Text{EN: "Medical record number", ZH: "病案号"}, 8},
		Admission:       {"admission-number", ocsf.Text{EN: "Admission number", ZH: "住院号"}, 8},
		Visit:           {"visit-number", ocsf.Text{EN: "Visit number", ZH: "门诊号/就诊号"}, 8},
		Accession:       {"accession-number", ocsf.Text{EN: "Accession, examination or specimen number", ZH: "检查号/条码号"}, 8},
		Name:            {"person-name", ocsf.Text{EN: "Person's name", ZH: "姓名"}, 1},
		Address:         {"address", ocsf.Text{EN: "Address", ZH: "地址"}, 2},
		Date:            {"date", ocsf.Text{EN: "Date", ZH: "日期"}, 3},
		BirthDate:       {"birth-date", ocsf.Text{EN: "Date of birth", ZH: "出生日期"}, 3},
		Age:             {"age-over-89", ocsf.Text{EN: "Age over 89", ZH: "89岁以上年龄"}, 3},
		Organization:    {"organization", ocsf.Text{EN: "Organisation", ZH: "机构名称"}, 0},
		SSN:             {"us-ssn", ocsf.Text{EN: "US social security number", ZH: "美国社会安全号"}, 7},
		NPI:             {"us-npi", ocsf.Text{EN: "US provider identifier", ZH: "美国医疗服务者编号"}, 11},
		MBI:             {"us-mbi", ocsf.Text{EN: "US Medicare beneficiary identifier", ZH: "美国联邦医保号"}, 9},
		DEA:             {"us-dea", ocsf.Text{EN: "US DEA registration", ZH: "美国管制药品登记号"}, 11},
		NHS:             {"uk-nhs", ocsf.Text{EN: "UK NHS number", ZH: "英国国民医疗号"}, 8},
		Phone:           {"phone", ocsf.Text{EN: "Telephone number", ZH: "电话号码"}, 4},
		Fax:             {"fax", ocsf.Text{EN: "Fax number", ZH: "传真号码"}, 5},
		ZIP:             {"zip", ocsf.Text{EN: "Postal code", ZH: "邮政编码"}, 2},
		HealthPlan:      {"health-plan-number", ocsf.Text{EN: "Health plan number", ZH: "保险计划号"}, 9},
		Account:         {"account-number", ocsf.Text{EN: "Account number", ZH: "账号"}, 10},
		Licence:         {"licence-number", ocsf.Text{EN: "Certificate or licence number", ZH: "证件/执业证号"}, 11},
		Plate:           {"vehicle-plate", ocsf.Text{EN: "Vehicle plate", ZH: "车牌号"}, 12},
		VIN:             {"vin", ocsf.Text{EN: "Vehicle identification number", ZH: "车架号"}, 12},
		UDI:             {"udi", ocsf.Text{EN: "Device identifier (UDI)", ZH: "医疗器械唯一标识"}, 13},
		Serial:          {"device-serial", ocsf.Text{EN: "Device serial number", ZH: "设备序列号"}, 13},
		Email:           {"email", ocsf.Text{EN: "E-mail address", ZH: "电子邮箱"}, 6},
		URL:             {"url", ocsf.Text{EN: "Web address", ZH: "网址"}, 14},
		IP:              {"ip-address", ocsf.Text{EN: "IP address", ZH: "IP地址"}, 15},
		MAC:             {"mac-address", ocsf.Text{EN: "MAC address", ZH: "MAC地址"}, 13},
		Biometric:       {"biometric", ocsf.Text{EN: "Biometric identifier", ZH: "生物特征"}, 16},
		FaceImage:       {"face-image", ocsf.Text{EN: "Image that may show a face", ZH: "可能含面部的影像"}, 17},
		BurnedIn:        {"burned-in-text", ocsf.Text{EN: "Text drawn into an image", ZH: "图像内文字"}, 18},
		Unique:          {"unique-code", ocsf.Text{EN: "Column of unique codes", ZH: "唯一代码列"}, 18},
		Ours:            {"patient", ocsf.Text{EN: "One of our patients", ZH: "本院患者"}, 18},
		Condition:       {"sensitive-condition", ocsf.Text{EN: "Sensitive condition", ZH: "敏感病情"}, 0},
		Unread:          {"unread", ocsf.Text{EN: "Could not be read", ZH: "无法读取"}, 0},
	}
}
