package simulate

import (
	"fmt"
	"slices"
	"strings"
)

// Habit is one way in which a hospital differs from the textbook.
type Habit struct {
	Name  string
	About string
	// share is how many hospitals in a hundred have it.
	share int
	// rules are habits that exclude each other: at most one of a group.
	rules string
}

// The habits, by name.
const (
	county        = "county"
	specialist    = "specialist"
	western       = "western"
	dormitory     = "dormitory"
	chineseHR     = "chinese-hr"
	wardCodes     = "ward-codes"
	adtOnly       = "adt-only"
	noDoctors     = "no-doctors"
	noOperators   = "no-operators"
	batches       = "batches"
	noVisits      = "no-visit-numbers"
	oldVisits     = "reused-visit-numbers"
	noDiagnoses   = "no-diagnoses"
	noRoster      = "no-roster"
	partRoster    = "part-roster"
	noHomes       = "no-homes"
	phonesOnly    = "phones-only"
	wardAccounts  = "ward-accounts"
	domainLogins  = "domain-logins"
	mailLogins    = "mail-logins"
	paddedLogins  = "padded-logins"
	floatMany     = "float-nurses"
	interns       = "rotating-interns"
	nightCover    = "night-cover"
	coordinators  = "coordinators"
	walkIns       = "walk-ins"
	telemedicine  = "telemedicine"
	staffPatients = "staff-patients"
	casualties    = "mass-casualty"
	downtime      = "downtime"
	doubleLogs    = "double-logs"
	clockSkew     = "clock-skew"
	fhirR5        = "fhir-r5"
	twoNumbers    = "two-numbers"
	unknowns      = "unknown-patients"
)

// AllHabits lists what Config.Habits may name.
func AllHabits() []Habit {
	return []Habit{
		{county, "a county hospital: few wards, and staff who live among their patients", 15, "size"},
		{specialist, "three specialties only", 12, "size"},
		{western, "names, streets, phones and job titles of another country", 15, ""},
		{dormitory, "a third of the staff live in two dormitories and give their address", 20, ""},
		{chineseHR, "personnel writes departments and jobs in Chinese, HL7 in English", 15, "names"},
		{wardCodes, "HL7 knows wards by a code, personnel by a name", 15, "names"},
		{adtOnly, "no orders, results, appointments or documents by HL7, only ADT", 8, "interface"},
		{noDoctors, "no doctors in PV1", 10, "interface"},
		{noOperators, "nobody in EVN-5 and other fields of who typed it", 25, ""},
		{batches, "HL7 arrives every four hours", 15, ""},
		{noVisits, "no visit numbers", 8, "visits"},
		{oldVisits, "the visit number is the patient's number, for all visits", 8, "visits"},
		{noDiagnoses, "no diagnoses by HL7", 12, ""},
		{noRoster, "no roster at all", 10, "roster"},
		{partRoster, "a roster for nurses only", 15, "roster"},
		{noHomes, "personnel gives neither addresses nor phones", 8, "homes"},
		{phonesOnly, "personnel gives phones and no addresses", 15, "homes"},
		{wardAccounts, "a third of the wards share one account among their nurses", 15, ""},
		{domainLogins, `logins with their domain (YCH\li.na)`, 15, "logins"},
		{mailLogins, "logins as mail addresses", 15, "logins"},
		{paddedLogins, "logins in capitals, padded to twenty characters", 15, "logins"},
		{floatMany, "a third of all nurses work where they are needed", 15, ""},
		{interns, "interns who change wards every week and belong to none", 25, ""},
		{nightCover, "one resident covers three wards at night, the roster says one", 20, ""},
		{coordinators, "bed managers, dieticians and social workers who see every ward", 30, ""},
		{walkIns, "a third of the outpatients are never registered by HL7", 20, ""},
		{telemedicine, "consults by video, written down a day later", 20, ""},
		{staffPatients, "staff and their families are mostly treated here", 20, ""},
		{casualties, "one day with five times the emergencies", 15, ""},
		{downtime, "a day without electronic records, typed in afterwards", 15, ""},
		{doubleLogs, "most accesses recorded twice", 15, ""},
		{clockSkew, "clocks of the sources are some minutes apart", 20, ""},
		{fhirR5, "AuditEvents as FHIR R5 has them", 25, ""},
		{twoNumbers, "the HIS knows patients by another number than the record", 20, ""},
		{unknowns, "one emergency patient in six comes without a name and is merged later", 15, ""},
	}
}

// DrawHabits gives the habits of the hospital with that seed.
func DrawHabits(seed uint64) []string {
	d := newRand(seed, 77)
	taken := map[string]bool{}
	var out []string
	all := AllHabits()
	for _, i := range d.Perm(len(all)) {
		x := all[i]
		if !d.chance(float64(x.share)/100) || x.rules != "" && taken[x.rules] {
			continue
		}
		taken[x.rules] = true
		out = append(out, x.Name)
	}
	slices.Sort(out)
	return out
}

func checkHabits(names []string) error {
	groups := map[string]string{}
	for _, name := range names {
		i := slices.IndexFunc(AllHabits(), func(x Habit) bool { return x.Name == name })
		if i < 0 {
			return fmt.Errorf("simulate: there is no habit %q; choose from %s", name, strings.Join(habitNames(), ", "))
		}
		group := AllHabits()[i].rules
		if other := groups[group]; group != "" && other != "" && other != name {
			return fmt.Errorf("simulate: the habits %s and %s exclude each other", other, name)
		}
		groups[group] = name
	}
	return nil
}

func habitNames() []string {
	var out []string
	for _, x := range AllHabits() {
		out = append(out, x.Name)
	}
	return out
}

// Habits are those of this hospital.
func (h *Hospital) Habits() []string { return slices.Clone(h.cfg.Habits) }

// is says whether the hospital has a habit.
func (h *Hospital) is(habit string) bool { return h.habits[habit] }

// nameDepartments gives every department the names by which personnel and the
// interfaces know it.
func (h *Hospital) nameDepartments() {
	for _, x := range h.depts {
		x.hr, x.wire, x.trade = x.name, x.name, x.service
		switch {
		case h.is(chineseHR):
			x.hr = chineseName(x)
		case h.is(wardCodes):
			x.wire, x.trade = fmt.Sprintf("W%03d", 101+7*int(x.bit)), ""
		}
	}
}

// chineseName is a department as a Chinese personnel office writes it.
func chineseName(x *department) string {
	names := map[string]string{"General Medicine": "普通内科", "General Surgery": "普外科", "Obstetrics": "产科", "Cardiology": "心血管内科",
		"Psychiatry": "精神科", "Oncology": "肿瘤科", "Orthopedics": "骨科", "Infectious Diseases": "感染科", "Pediatrics": "儿科",
		"Neurology": "神经内科", "Respiratory": "呼吸内科", "Gastroenterology": "消化内科", "Intensive Care": "重症医学科", "Urology": "泌尿外科",
		deptEmergency: "急诊科", deptLab: "检验科", deptImaging: "医学影像科", deptPharmacy: "药剂科", deptRegister: "挂号住院处",
		deptBilling: "收费结算科", deptRecords: "病案科", deptQuality: "质控科", deptInfection: "感染管理科", deptResearch: "科研处",
		deptFloat: "护理部机动组", deptIT: "信息科", deptBoard: "院办", deptVendor: "驻场厂商", deptEducation: "教学办", deptBeds: "床位管理中心",
		deptNutrition: "营养科", deptSocial: "社工部"}
	name := names[x.service]
	if _, ward, ok := strings.Cut(x.name, "-"); ok {
		name += map[string]string{"2": "二病区", "3": "三病区", "4": "四病区"}[ward]
	}
	return name
}

// job is a role as personnel writes it.
func (h *Hospital) job(p *person) string {
	table := map[string]string{}
	switch {
	case h.is(chineseHR):
		table = map[string]string{attending: "主治医师", resident: "住院医师", intern: "实习医师", nurse: "护士", floatNurse: "机动护士", technician: "技师",
			pharmacist: "药师", registrar: "挂号员", biller: "收费员", coder: "病案编码员", quality: "质控员", infection: "院感专职人员",
			researcher: "科研人员", manager: "行政管理", itStaff: "信息工程师", vendorStaff: "厂商工程师", bedManager: "床位协调员",
			dietician: "营养师", socialWorker: "社工"}
	case h.is(western):
		table = map[string]string{attending: "Consultant", resident: "Senior House Officer", intern: "Foundation Doctor", nurse: "Registered Nurse",
			floatNurse: "Bank Nurse (RN)", technician: "Allied Health Technician", pharmacist: "Clinical Pharmacist", registrar: "Patient Access Clerk",
			biller: "Revenue Cycle Specialist", coder: "Clinical Coder", quality: "Quality Improvement Lead", infection: "Infection Preventionist",
			researcher: "Research Fellow", manager: "Service Manager", itStaff: "Systems Analyst", vendorStaff: "Contractor",
			bedManager: "Patient Flow Coordinator", dietician: "Dietitian", socialWorker: "Social Worker"}
	}
	if job := table[p.role]; job != "" {
		return job
	}
	return p.role
}

// loginForm writes an account as the hospital's applications log it.
func (h *Hospital) loginForm(account string) string {
	switch {
	case h.is(domainLogins):
		return `YCH\` + account
	case h.is(mailLogins):
		return account + "@ych.example"
	case h.is(paddedLogins):
		return fmt.Sprintf("%-20s", strings.ToUpper(account))
	}
	return account
}

// skew is how far the clock of a channel is off.
func (h *Hospital) skew(channel string) tick {
	if !h.is(clockSkew) {
		return 0
	}
	return map[string]tick{"atna": 7 * minute, "sql": -4 * minute, "fhir": 20 * second}[channel]
}

// sends says whether the interface sends a message of that kind.
func (h *Hospital) sends(kind string) bool {
	return !h.is(adtOnly) || strings.HasPrefix(kind, "ADT")
}

// onRoster says whether personnel keeps a roster for the person.
func (h *Hospital) onRoster(p *person) bool {
	switch {
	case h.is(noRoster):
		return false
	case h.is(partRoster):
		return p.role == nurse || p.role == floatNurse
	}
	return true
}

// doctor and typist are staff as the interface writes them, or nobody.
func (h *Hospital) doctor(p *person) string {
	if h.is(noDoctors) {
		return ""
	}
	return xcn(p)
}

func (h *Hospital) typist(p *person) string {
	if h.is(noOperators) {
		return ""
	}
	return xcn(p)
}

// habitText lists the habits for the README.
func (h *Hospital) habitText() string {
	if len(h.cfg.Habits) == 0 {
		return "none, a hospital of the textbook"
	}
	return strings.Join(h.cfg.Habits, ", ")
}
