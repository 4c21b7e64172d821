package simulate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// department is a unit of the hospital; a ward when it has beds.
type department struct {
	bit     uint // its place in the sets of departments a patient knows
	name    string
	service string // the trade, shared by several wards
	hr      string // its name in the directory and on the roster
	wire    string // and in HL7
	trade   string // the service as PV1-10 has it
	account string // shared by its nurses, or empty
	beds    int
	clinic  bool // sees outpatients
	people  []*person
	duty    [][]shift // by day since the warm-up's eve, in order of start
	known   []*patient
}

// Roles of the directory.
const (
	attending   = "attending"
	resident    = "resident"
	intern      = "intern"
	nurse       = "nurse"
	floatNurse  = "float nurse"
	technician  = "technician"
	pharmacist  = "pharmacist"
	registrar   = "registrar"
	biller      = "billing clerk"
	coder       = "coder"
	quality     = "quality officer"
	infection   = "infection control"
	researcher  = "researcher"
	manager     = "manager"
	itStaff     = "it"
	vendorStaff = "vendor"

	bedManager   = "bed manager"
	dietician    = "dietician"
	socialWorker = "social worker"
)

// Departments without beds.
const (
	deptEmergency = "Emergency"
	deptLab       = "Laboratory"
	deptImaging   = "Imaging"
	deptPharmacy  = "Pharmacy"
	deptRegister  = "Registration"
	deptBilling   = "Billing"
	deptRecords   = "Medical Records"
	deptQuality   = "Quality"
	deptInfection = "Infection Control"
	deptResearch  = "Research"
	deptFloat     = "Nursing Pool"
	deptIT        = "IT"
	deptBoard     = "Administration"
	deptVendor    = "Vendor"
	deptEducation = "Medical Education"
	deptBeds      = "Bed Management"
	deptNutrition = "Nutrition"
	deptSocial    = "Social Work"
)

// person is a member of staff.
type person struct {
	id, account, his, pacs string // his and pacs are empty without such an account
	family, given          string
	role                   string
	dept                   *department
	boss                   *person
	phone, address         string
	nationalID, birth, sex string
	hired, ended           tick // ended is never while employed
	home                   *household
	self                   *patient // their own chart, if they are a patient here
	station                string   // IP address of the workstation
	shifts                 []shift  // in order of start
	leave                  bool     // away for months: no roster, no work
	returns                int      // day of return from leave, 0 for none
}

func (p *person) name() string { return fullName(p.family, p.given) }

func (p *person) employed(at tick) bool { return at < p.ended && at >= p.hired }

func (p *person) accounts() string {
	all := p.account
	for _, a := range []string{p.his, p.pacs} {
		if a != "" {
			all += ";" + a
		}
	}
	return all
}

// patient is a line of the patient index.
type patient struct {
	n                      int // its place in the index
	id                     string
	family, given          string
	sex, birth, nationalID string
	phone, address         string
	kin, payer             *contact
	self                   *person // when a member of staff
	home                   *household
	specialty              *department
	dx                     diagnosis
	vip, canary, insured   bool
	moved                  bool   // the address on file is that of years ago
	sensitive              string // v3-ActCode of level-5 data, or empty
	sealed                 tick   // when the record was sealed, or never
}

// contact is a relative as the registration desk wrote it down.
type contact struct{ family, given, relation, phone, address string }

// household is people behind one door.
type household struct {
	building, address, phone string
	staff                    []*person
	patients                 []*patient
}

func fullName(family, given string) string {
	if isASCII(family) {
		return given + " " + family
	}
	return family + given
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// clinicalServices in the order in which a growing hospital opens them.
func clinicalServices() []string {
	return []string{"General Medicine", "General Surgery", "Obstetrics", "Cardiology", "Psychiatry",
		"Oncology", "Orthopedics", "Infectious Diseases", "Pediatrics", "Neurology", "Respiratory",
		"Gastroenterology", "Intensive Care", "Urology"}
}

// services of this hospital.
func (h *Hospital) services() []string {
	all := clinicalServices()
	if h.is(specialist) {
		i := int(h.cfg.Seed % 4)
		return []string{all[2+i], all[5+i], all[10+i]}
	}
	return all
}

// share of the staff that each role gets, in thousandths, and where they work.
type share struct {
	role, dept string
	permille   int
	least      int
}

func (h *Hospital) officeShares() []share {
	list := []share{
		{technician, deptLab, 50, 4}, {technician, deptImaging, 40, 4}, {attending, deptImaging, 20, 2},
		{pharmacist, deptPharmacy, 45, 4}, {registrar, deptRegister, 50, 5}, {biller, deptBilling, 40, 2},
		{coder, deptRecords, 20, 2}, {quality, deptQuality, 15, 2}, {infection, deptInfection, 8, 1},
		{researcher, deptResearch, 10, 1}, {floatNurse, deptFloat, 30, 2}, {itStaff, deptIT, 20, 2},
		{manager, deptBoard, 15, 2}, {vendorStaff, deptVendor, 10, 1},
	}
	if h.is(floatMany) {
		list = append(list, share{floatNurse, deptFloat, 100, 4})
	}
	if h.is(interns) {
		list = append(list, share{intern, deptEducation, 40, 4})
	}
	if h.is(coordinators) {
		list = append(list, share{bedManager, deptBeds, 10, 2}, share{dietician, deptNutrition, 10, 2}, share{socialWorker, deptSocial, 10, 2})
	}
	return list
}

func (h *Hospital) makeStaff(d dice) {
	left := h.cfg.Staff
	for _, s := range h.officeShares() {
		n := max(s.least, h.cfg.Staff*s.permille/1000)
		h.hire(d, h.found(s.dept), s.role, n)
		left -= n
	}
	h.makeWards(d, left)
	h.makeBosses()
	h.makeLeavers(d)
}

// makeWards divides the clinical staff: a department has nurses, a third as
// many attendings and a third as many residents.
func (h *Hospital) makeWards(d dice, left int) {
	nurses := left * 6 / 10
	count := min(max(nurses/9, 2), 44)
	if h.is(county) {
		count = min(count, 6)
	}
	units := []*department{h.found(deptEmergency)}
	services := h.services()
	for i := range count - 1 {
		name := services[i%len(services)]
		if n := i/len(services) + 1; n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		w := h.found(name)
		w.service, w.clinic = services[i%len(services)], services[i%len(services)] != "Intensive Care"
		units = append(units, w)
	}
	for i, w := range units {
		n := left / (len(units) - i)
		left -= n
		h.staffWard(d, w, n)
	}
}

func (h *Hospital) staffWard(d dice, w *department, n int) {
	doctors := max(2, n/5)
	h.hire(d, w, attending, doctors)
	h.hire(d, w, resident, doctors)
	h.hire(d, w, nurse, n-2*doctors)
	if w.name != deptEmergency {
		w.beds = max(4, (n-2*doctors)*13/10)
	}
}

// found opens a department, unless it is there.
func (h *Hospital) found(name string) *department {
	if x := h.department(name); x != nil {
		return x
	}
	x := &department{bit: uint(len(h.depts)), name: name, service: name}
	h.depts = append(h.depts, x)
	return x
}

// department by its name, or nil.
func (h *Hospital) department(name string) *department {
	for _, x := range h.depts {
		if x.name == name {
			return x
		}
	}
	return nil
}

func (h *Hospital) hire(d dice, dept *department, role string, n int) {
	for range n {
		p := h.newPerson(d, dept, role)
		dept.people = append(dept.people, p)
		h.staff = append(h.staff, p)
	}
}

func (h *Hospital) newPerson(d dice, dept *department, role string) *person {
	n := len(h.staff)
	sex := "F"
	if d.chance(0.35) {
		sex = "M"
	}
	family, given, latin := h.town.name(d, sex, 0.03)
	latin = strings.ReplaceAll(latin, "'", "")
	birth := h.start.AddDate(-d.between(23, 58), 0, -d.IntN(365))
	p := &person{id: fmt.Sprintf("E%05d", 10001+n), family: family, given: given, role: role, dept: dept,
		sex: sex, birth: birth.Format("20060102"), phone: h.town.phone(d), ended: never,
		hired:   -tick(d.between(200, 6000)) * oneDay,
		station: fmt.Sprintf("10.%d.%d.%d", 20+dept.bit, d.IntN(3), 10+n%240)}
	p.nationalID = nationalID(d, birth, sex)
	p.account = fmt.Sprintf("%s%d", latin, 100+n)
	if needsHIS(role) || d.chance(0.2) {
		p.his = fmt.Sprintf("H%05d", 10001+n)
	}
	if dept.name == deptImaging || role == attending {
		p.pacs = "pacs_" + latin + strconv.Itoa(100+n)
	}
	p.home = h.homeFor(d)
	p.home.staff = append(p.home.staff, p)
	p.address = p.home.address
	return p
}

// homeFor gives a new home, or in a few cases that of a colleague.
func (h *Hospital) homeFor(d dice) *household {
	if h.is(dormitory) && d.chance(0.33) {
		return h.town.dormitory(d)
	}
	if len(h.staff) > 0 && d.chance(0.03) {
		return pick(d, h.staff).home
	}
	return h.town.household(d)
}

func needsHIS(role string) bool {
	switch role {
	case pharmacist, registrar, biller, coder, itStaff, vendorStaff:
		return true
	}
	return false
}

// makeBosses: everyone answers to the head of the department's trade, heads to a manager.
func (h *Hospital) makeBosses() {
	board := h.department(deptBoard).people
	for i, x := range h.depts {
		var heads = map[string]*person{}
		for _, p := range x.people {
			line := "office"
			if p.role == nurse {
				line = nurse
			}
			if heads[line] == nil {
				heads[line] = p
				p.boss = board[i%len(board)]
				continue
			}
			p.boss = heads[line]
		}
	}
	for i, p := range board {
		p.boss = board[0]
		if i == 0 {
			p.boss = nil
		}
	}
}

// makeLeavers ends some contracts (visiting doctors, students, resignations)
// and sends some people on long leave, one of whom comes back to work.
func (h *Hospital) makeLeavers(d dice) {
	n := max(3, len(h.staff)/60)
	for i := range n {
		if p := h.spare(d, resident, nurse); p != nil {
			p.ended = tick(d.between(-20, max(0, h.cfg.Days/2)))*oneDay + 17*hour
			if i < 3 {
				p.ended = tick(d.between(-20, -1))*oneDay + 17*hour
			}
		}
	}
	for i := range max(4, len(h.staff)/80) {
		if p := h.spare(d, nurse, resident); p != nil {
			p.leave = true
			p.hired = -2000 * oneDay
			if i%4 == 3 {
				p.returns = max(1, h.cfg.Days/2)
			}
		}
	}
}

// spare finds someone of a larger team who can be done without. The heads stay.
func (h *Hospital) spare(d dice, roles ...string) *person {
	for range 200 {
		p := pick(d, h.staff)
		for _, role := range roles {
			if p.role == role && !p.leave && p.ended == never && h.team(p) > 3 && p.boss != nil && p.boss.dept == p.dept {
				return p
			}
		}
	}
	return nil
}

// team counts the colleagues of the same role who are there.
func (h *Hospital) team(p *person) int {
	n := 0
	for _, q := range p.dept.people {
		if q.role == p.role && !q.leave && q.ended == never {
			n++
		}
	}
	return n
}

func (h *Hospital) makePatients(d dice) {
	h.patients = make([]*patient, 0, h.cfg.Patients)
	h.makeStaffPatients(d)
	for len(h.patients) < h.cfg.Patients {
		home := h.town.household(d)
		for range min(pick(d, []int{1, 1, 1, 2, 2, 2, 3, 3, 4, 2}), h.cfg.Patients-len(h.patients)) {
			h.newPatient(d, home, nil)
		}
	}
	for _, p := range h.patients {
		h.makeContacts(d, p)
	}
	h.muddle(d)
}

// makeStaffPatients: some of the staff are patients here, and some relatives are.
func (h *Hospital) makeStaffPatients(d dice) {
	budget := h.cfg.Patients / 4
	for _, s := range h.staff {
		if s.dept.name == deptVendor || len(h.patients) > budget {
			continue
		}
		own, kin := 0.10, 0.16
		if h.is(staffPatients) || h.is(county) {
			own, kin = 0.25, 0.4
		}
		if d.chance(own) {
			s.self = h.newPatient(d, s.home, s)
		}
		if d.chance(kin) {
			for range d.between(1, 2) {
				h.newPatient(d, s.home, nil)
			}
		}
	}
}

// newPatient adds a line to the index: a stranger, or a member of staff.
func (h *Hospital) newPatient(d dice, home *household, self *person) *patient {
	sex := pick(d, []string{"F", "M"})
	age := d.between(0, 92)
	birth := h.start.AddDate(-age, 0, -d.IntN(365))
	family, given, _ := h.town.name(d, sex, 0.06)
	if rel := home.surname(); rel != "" && d.chance(0.55) {
		family, given = rel, h.town.given(d, sex, rel)
	}
	p := &patient{n: len(h.patients), id: fmt.Sprintf("P%07d", 1000+len(h.patients)), family: family, given: given, sex: sex,
		birth: birth.Format("20060102"), phone: h.town.phone(d), address: home.address, home: home,
		insured: d.chance(0.9), sealed: never}
	p.nationalID = nationalID(d, birth, sex)
	if self != nil {
		p.self, p.family, p.given, p.sex, p.birth = self, self.family, self.given, self.sex, self.birth
		p.nationalID, p.phone, age = self.nationalID, self.phone, 40
	}
	if age < 16 && len(home.patients) > 0 {
		p.phone = home.patients[0].phone
	}
	home.patients = append(home.patients, p)
	h.patients = append(h.patients, p)
	h.settle(d, p)
	return p
}

// settle gives a patient the complaint that brings them here.
func (h *Hospital) settle(d dice, p *patient) {
	wards := h.clinics()
	for range 20 {
		w := pick(d, wards)
		if fits(p, h.start, w.service) {
			p.specialty = w
			break
		}
	}
	if p.specialty == nil {
		p.specialty = wards[0]
	}
	p.specialty.known = append(p.specialty.known, p)
	p.dx = pick(d, diagnosesOf(p.specialty.service))
}

// fits keeps men out of obstetrics and grown-ups out of paediatrics.
func fits(p *patient, now time.Time, service string) bool {
	year, _ := strconv.Atoi(p.birth[:4])
	age := now.Year() - year
	switch service {
	case "Obstetrics":
		return p.sex == "F" && age >= 19 && age <= 44
	case "Pediatrics":
		return age < 15
	default:
		return age >= 15
	}
}

func (h *Hospital) clinics() []*department {
	var out []*department
	for _, x := range h.depts {
		if x.clinic {
			out = append(out, x)
		}
	}
	return out
}

func (x *household) surname() string {
	if len(x.patients) > 0 {
		return x.patients[0].family
	}
	if len(x.staff) > 0 {
		return x.staff[0].family
	}
	return ""
}

// makeContacts writes next of kin and guarantor, mostly from the same door.
func (h *Hospital) makeContacts(d dice, p *patient) {
	if d.chance(0.62) || (len(p.home.staff) > 0 && p.self == nil && d.chance(0.7)) {
		p.kin = h.contactOf(d, p)
	}
	if d.chance(0.26) {
		p.payer = h.contactOf(d, p)
	}
}

func (h *Hospital) contactOf(d dice, p *patient) *contact {
	relation := pick(d, []string{"SPO", "CHD", "PAR", "SIB"})
	for _, s := range p.home.staff {
		if s != p.self {
			return &contact{s.family, s.given, relation, s.phone, s.address}
		}
	}
	for _, q := range p.home.patients {
		if q != p {
			return &contact{q.family, q.given, relation, q.phone, q.home.address}
		}
	}
	family, given, _ := h.town.name(d, "F", 0.03)
	return &contact{family, given, relation, h.town.phone(d), h.town.household(d).address}
}

// muddle writes some addresses and phones the way people do: with full-width
// digits and spaces, with a country code, or the one of years ago.
func (h *Hospital) muddle(d dice) {
	for _, p := range h.patients {
		switch r := d.Float64(); {
		case r < 0.05:
			p.address = wideDigits(p.address)
		case r < 0.10:
			p.address = strings.Replace(p.address, "区", "区 ", 1)
		case r < 0.15:
			p.address, p.moved = h.town.household(d).address, true
		}
		switch r := d.Float64(); {
		case r < 0.08:
			p.phone = "+86 " + p.phone
		case r < 0.16:
			p.phone = p.phone[:3] + "-" + p.phone[3:7] + "-" + p.phone[7:]
		}
	}
}

func wideDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + '０'
		}
		return r
	}, s)
}

// nationalID makes a number of the form of GB 11643 with a right check digit
// and the region 990101, which was never issued.
func nationalID(d dice, birth time.Time, sex string) string {
	seq := d.IntN(499)*2 + 1
	if sex == "F" {
		seq++
	}
	s := fmt.Sprintf("990101%s%03d", birth.Format("20060102"), seq)
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += w * int(s[i]-'0')
	}
	return s + string("10X98765432"[sum%11])
}
