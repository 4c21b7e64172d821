package normalize

import (
	"slices"
	"strings"
	"unicode"

	"github.com/cordon-health/cordon/internal/hl7"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// patientOf reads the numbers of PID: PID-3, or in old messages PID-2 or
// PID-4. Identity numbers of the state are no patient numbers unless there is
// no other; they become tokens.
func (r *hl7Reader) patientOf(pid hl7.Segment) ocsf.Patient {
	var p ocsf.Patient
	var identity string
	for _, field := range []int{3, 2, 4} {
		for v := range pid.Field(field).Repeats() {
			id := v.Component(1).Sub(1).String()
			switch {
			case id == "":
			case isIdentity(v):
				identity = id
			case p.UID == "":
				p.UID = id
			case id != p.UID && len(p.AltUIDs) < manyNumbers && !slices.Contains(p.AltUIDs, id):
				p.AltUIDs = append(p.AltUIDs, id)
			}
		}
		if p.UID != "" {
			return p
		}
	}
	p.UID = identity
	return p
}

// isIdentity says whether a CX is a number given by the state: by its type
// (table 0203), its authority, or the shape of a Chinese identity number.
func isIdentity(cx hl7.Value) bool {
	kind := strings.ToUpper(cx.Component(5).String())
	switch {
	case kind == "SS", kind == "NI", kind == "PPN", kind == "DL", kind == "TAX", kind == "SSN",
		len(kind) == 5 && strings.HasPrefix(kind, "NN"), strings.Contains(kind, "身份证"):
		return true
	}
	for _, c := range []int{4, 6} {
		if strings.Contains(cx.Component(c).Sub(1).String(), "SSA") {
			return true
		}
	}
	return isResidentID(cx.Component(1).Sub(1).String())
}

// isResidentID recognises the 18 characters of a Chinese resident identity
// number by its check character (GB 11643-1999).
func isResidentID(s string) bool {
	if len(s) != 18 {
		return false
	}
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		sum += w * int(s[i]-'0')
	}
	return "10X98765432"[sum%11] == s[17]&^0x20 || "10X98765432"[sum%11] == s[17]
}

// pid reads aliases and demographics.
func (r *hl7Reader) pid(s hl7.Segment) {
	r.enterAliases(s)
	r.begin(s)
	var keys []ocsf.Key
	for v := range s.Field(5).Repeats() {
		keys = r.nameKeys(keys, v)
	}
	r.names = keys
	keys = r.addressKeys(keys, s, 11)
	keys = r.phoneKeys(keys, s, 13, 14, 40)
	keys = r.key(keys, keyed.NationalID, s.Text(19))
	for v := range s.Field(3).Repeats() {
		if isIdentity(v) {
			keys = r.key(keys, keyed.NationalID, v.Component(1).Sub(1).String())
		}
	}
	if len(keys) > 0 {
		r.add(ocsf.Fact{Kind: ocsf.FactDemographics, Keys: keys, From: r.happened, Retract: r.is("A29")})
	}
	r.tell()
}

// enterAliases adds the patient's other numbers, and links or unlinks two
// patients (A24, A37).
func (r *hl7Reader) enterAliases(pid hl7.Segment) {
	for _, alias := range r.patientOf(pid).AltUIDs {
		r.add(ocsf.Fact{Kind: ocsf.FactAlias, Other: alias, From: r.happened, Retract: r.is("A29")})
	}
	if r.is("A24", "A37") && len(r.patients) > 1 && r.patients[0].UID != r.patient {
		r.add(ocsf.Fact{Kind: ocsf.FactAlias, Patient: r.patients[0].UID, Other: r.patient, From: r.happened, Retract: r.is("A37")})
	}
}

// kin reads next of kin, guarantor and insured. Where that is the patient,
// the keys are the patient's own.
func (r *hl7Reader) kin(s hl7.Segment) {
	var keys []ocsf.Key
	var relation string
	switch s.Name() {
	case "NK1":
		relation = s.Text(3)
		keys = r.nameKeys(r.nameKeys(keys, s.Field(2).First()), s.Field(30).First())
		keys = r.addressKeys(keys, s, 4, 32)
		keys = r.phoneKeys(keys, s, 5, 6, 31, 40, 41)
		keys = r.key(keys, keyed.NationalID, s.Text(37))
	case "GT1":
		relation = s.Text(11)
		keys = r.nameKeys(r.nameKeys(keys, s.Field(3).First()), s.Field(4).First())
		keys = r.addressKeys(keys, s, 5)
		keys = r.phoneKeys(keys, s, 6, 7)
		keys = r.key(keys, keyed.NationalID, s.Text(12))
	case "IN1":
		relation = s.Text(17)
		keys = r.nameKeys(keys, s.Field(16).First())
		keys = r.addressKeys(keys, s, 19)
	case "IN2":
		keys = r.phoneKeys(keys, s, 63)
		keys = r.key(keys, keyed.NationalID, s.Text(2))
	}
	if len(keys) == 0 {
		return
	}
	f := ocsf.Fact{Kind: ocsf.FactKin, Code: s.Name(), ID: s.Text(1), Keys: keys, From: r.happened}
	if s.Is("IN2") {
		f.Code, f.ID = "IN1", ""
	}
	if isSelf(relation) && r.namesPatient(keys) {
		f.Kind, f.Code, f.ID = ocsf.FactDemographics, "", ""
	}
	r.add(f)
}

// namesPatient says whether the names among keys are the patient's own: some
// senders write "self" beside another person's name.
func (r *hl7Reader) namesPatient(keys []ocsf.Key) bool {
	for _, k := range keys {
		if k.Kind == keyed.Name && !slices.Contains(r.names, k) {
			return false
		}
	}
	return true
}

// isSelf knows the codes for "the patient" in tables 0063 and 0344.
func isSelf(relation string) bool {
	switch strings.ToUpper(relation) {
	case "SEL", "SELF", "SE", "18", "01", "本人":
		return true
	}
	return false
}

// key appends the token of a value unless it is there already.
func (r *hl7Reader) key(keys []ocsf.Key, kind, value string) []ocsf.Key {
	if value == "" || len(keys) >= manyKeys {
		return keys
	}
	r.person.take(kind, value)
	token := r.n.key.Token(kind, value)
	if token == "" {
		return keys
	}
	for _, k := range keys {
		if k.Kind == kind && k.Token == token {
			return keys
		}
	}
	return append(keys, ocsf.Key{Kind: kind, Token: token})
}

// nameKeys appends the full name and the surname of an XPN. A name with only
// one part is a surname alone in an alphabet, and a full name in Chinese.
func (r *hl7Reader) nameKeys(keys []ocsf.Key, xpn hl7.Value) []ocsf.Key {
	family, given := xpn.Component(1).Sub(1).String(), xpn.Component(2).String()
	if family != "" && (given != "" || isHan(family)) {
		keys = r.key(keys, keyed.Name, personName(family, given))
	}
	return r.key(keys, keyed.Surname, surname(family, given))
}

// personName joins a name in the order of its script.
func personName(family, given string) string {
	if isHan(family) || isHan(given) {
		return family + given
	}
	return strings.TrimSpace(given + " " + family)
}

func isHan(s string) bool {
	for _, c := range s {
		return unicode.Is(unicode.Han, c)
	}
	return false
}

// surname is the family name; of a Chinese full name in one part, its first
// character, or two where those are one of the compound surnames.
func surname(family, given string) string {
	if given != "" || !isHan(family) {
		return family
	}
	runes := []rune(family)
	if len(runes) > 2 {
		switch two := string(runes[:2]); two {
		case "欧阳", "太史", "端木", "上官", "司马", "东方", "独孤", "南宫", "万俟", "闻人", "夏侯", "诸葛", "尉迟",
			"公羊", "赫连", "澹台", "皇甫", "宗政", "濮阳", "公冶", "太叔", "申屠", "公孙", "慕容", "仲孙", "钟离",
			"长孙", "宇文", "司徒", "鲜于", "司空", "闾丘", "子车", "亓官", "司寇", "令狐", "西门", "百里", "呼延", "轩辕":
			return two
		}
	}
	return string(runes[:1])
}

// addressKeys appends the tokens of XAD fields, with and without postcode.
func (r *hl7Reader) addressKeys(keys []ocsf.Key, s hl7.Segment, fields ...int) []ocsf.Key {
	for _, field := range fields {
		for v := range s.Field(field).Repeats() {
			for _, text := range addresses(v) {
				keys = r.key(r.key(keys, keyed.Address, text), keyed.Building, text)
			}
		}
	}
	return keys
}

// addresses writes an XAD as a line in the order of its script: from the
// largest part down in Chinese, from the street up elsewhere, there also
// without postcode and country. A city alone is no address.
func addresses(xad hl7.Value) []string {
	street := xad.Component(1)
	line := strings.Join([]string{street.Sub(1).String(), street.Sub(2).String(), street.Sub(3).String(),
		xad.Component(2).String()}, " ")
	line = strings.TrimSpace(line)
	if line == "" {
		return nil
	}
	city, state, zip := xad.Component(3).String(), xad.Component(4).String(), xad.Component(5).String()
	if isHan(line) {
		for _, part := range []string{city, state} {
			if part != "" && !strings.Contains(line, part) {
				line = part + line
			}
		}
		return []string{line}
	}
	short := strings.Join([]string{line, city, state}, " ")
	if zip == "" {
		return []string{short}
	}
	return []string{short + " " + zip, short}
}

// phoneKeys appends the tokens of XTN fields that are phone numbers.
func (r *hl7Reader) phoneKeys(keys []ocsf.Key, s hl7.Segment, fields ...int) []ocsf.Key {
	for _, field := range fields {
		for v := range s.Field(field).Repeats() {
			if number := phoneNumber(v); number != "" {
				keys = r.key(keys, keyed.Phone, number)
			}
		}
	}
	return keys
}

// phoneNumber is the number of an XTN: component 1, 12, or 5 to 7 together.
// What has fewer than seven digits is an extension and names nobody.
func phoneNumber(xtn hl7.Value) string {
	parts := xtn.Component(6).String() + xtn.Component(7).String()
	if country := xtn.Component(5).String(); country != "" {
		parts = "+" + country + " " + parts
	}
	for _, number := range []string{xtn.Component(1).String(), xtn.Component(12).String(), parts} {
		if digits(number) >= 7 {
			return number
		}
	}
	return ""
}

func digits(s string) int {
	n := 0
	for _, c := range s {
		if unicode.IsDigit(c) {
			n++
		}
	}
	return n
}
