package classify

import "testing"

type vector struct{ text, want string }

// vectors are texts and what is in them; all people and numbers are invented.
func vectors() []vector {
	return []vector{
		{"身份证号11010519491231002X。", "cn-resident-id 11010519491231002X"},
		{"身份证11010519491231002x，", "cn-resident-id 11010519491231002x"},
		{"110105 19491231 002X", "cn-resident-id 110105 19491231 002X"},
		{"1101 0519 4912 3100 2X", "cn-resident-id 1101 0519 4912 3100 2X"},
		{"110105-19491231-002X", "cn-resident-id 110105-19491231-002X"},
		{"1 1 0 1 0 5 1 9 4 9 1 2 3 1 0 0 2 X", "cn-resident-id 1 1 0 1 0 5 1 9 4 9 1 2 3 1 0 0 2 X"},
		{"证件：１１０１０５１９４９１２３１００２Ｘ，", "cn-resident-id １１０１０５１９４９１２３１００２Ｘ"},
		{"id_11010519491231002X.pdf", "cn-resident-id 11010519491231002X"},
		{"ID11010519491231002X", "cn-resident-id 11010519491231002X"},
		{"110105194912310021", ""}, // wrong check
		{"身份证号：110105194912310021", "cn-resident-id 110105194912310021"}, // but labelled
		{"110105194902310028", ""}, // no such day
		{"身份证号码 110105491231002", "cn-resident-id-15 110105491231002"},
		{"110105491231002", ""},
		{"830000199201300022", "hmt-residence-permit 830000199201300022"},
		{"港澳居民来往内地通行证号H12345678", "hk-macao-travel-permit H12345678"},
		{"回乡证：H1234567801", "hk-macao-travel-permit H1234567801"},
		{"台胞证号 12345678", "taiwan-travel-permit 12345678"},
		{"HKID A123456(3)", "hkid A123456(3)"},
		{"香港身份证A123456（3）", "hkid A123456（3）"},
		{"A123456(4)", ""},
		{"护照号E12345678", "passport E12345678"},
		{"passport no. EA1234567", "passport EA1234567"},
		{"Passport number 561234567", "passport 561234567"},
		{"联系电话13812345678。", "cn-mobile 13812345678"},
		{"+86 138 1234 5678", "cn-mobile +86 138 1234 5678"},
		{"+8613812345678", "cn-mobile +8613812345678"},
		{"008613812345678", "cn-mobile 008613812345678"},
		{"138-1234-5678", "cn-mobile 138-1234-5678"},
		{"手机１３８１２３４５６７８", "cn-mobile １３８１２３４５６７８"},
		{"12012345678 15412345678 19412345678", ""}, // unassigned
		{"0.13812345678", ""},
		{"传真：010-65520000", "fax 010-65520000"},
		{"电话（010）65520000转8", "phone （010）65520000"},
		{"0755-26001234", "phone 0755-26001234"},
		{"卡号 6222021234567890128", "bank-card 6222021234567890128"},
		{"6222 0212 3456 7890 128", "bank-card 6222 0212 3456 7890 128"},
		{"622202199001010019", ""}, // a resident's form, no card: neither checks
		{"4111 1111 1111 1111", "bank-card 4111 1111 1111 1111"},
		{"card 378282246310005", "bank-card 378282246310005"},
		{"医保卡号：A00123456", "cn-social-security A00123456"},
		{"统一社会信用代码91110108551385082Q", "cn-uscc 91110108551385082Q"},
		{"病案号：00123456 住院号 2026003412", "mrn 00123456; admission-number 2026003412"},
		{"门诊号:MZ20260317 检验条码 725385663543", "visit-number MZ20260317; accession-number 725385663543"},
		{"患者ID：P0012345", "mrn P0012345"},
		{"MRN: 12345678, Accession # A-2026-00123", "mrn 12345678; accession-number A-2026-00123"},
		{`{"patientId": "12345678"}`, "mrn 12345678"},
		{"medical record number is 0012-345", "mrn 0012-345"},
		{"My SSN is 219-09-9999", "us-ssn 219-09-9999"},
		{"000-12-3456 666-12-3456 123-00-4567", ""},
		{"NPI 1234567893", "us-npi 1234567893"},
		{"NPI 1234567890", ""},
		{"1EG4-TE5-MK73 1EG4TE5MK73", "us-mbi 1EG4-TE5-MK73; us-mbi 1EG4TE5MK73"},
		{"DEA# AB1234563", "us-dea AB1234563"},
		{"NHS number 943 476 5919", "uk-nhs 943 476 5919"},
		{"(555) 234-5678 or 555-234-5678 or 555.234.5678", "phone (555) 234-5678; phone 555-234-5678; phone 555.234.5678"},
		{"+44 20 7946 0018", "phone +44 20 7946 0018"},
		{"Fax: 555-234-5679", "fax 555-234-5679"},
		{"Boston, MA 02139", "zip 02139"},
		{"邮编100080", "zip 100080"},
		{"VIN 1HGCM82633A004352", "vin 1HGCM82633A004352"},
		{"1HGCM82634A004352", ""},
		{"(01)09506000134352(17)260101(21)A123", "udi (01)09506000134352(17)260101(21)A123"},
		{"serial number: SN12345-A", "device-serial SN12345-A"},
		{"wang.li@example.com, 13812345678@163.com", "email wang.li@example.com; email 13812345678@163.com"},
		{"see https://people.example.net/wang?id=1 and www.blog-wang.cn.", "url https://people.example.net/wang?id=1; url www.blog-wang.cn"},
		{"http://hl7.org/fhir/us/core", ""},
		{"10.1.22.3, 2.16.840.1.113883.6.238, version 10.2.3.4, 1.2.3.4", "ip-address 10.1.22.3"},
		{"2001:db8::ff00:42:8329 at 10:20:30", "ip-address 2001:db8::ff00:42:8329"},
		{"00:1A:2b:3c:4d:5e 00-1A-2B-3C-4D-5E 001a.2b3c.4d5e", "mac-address 00:1A:2b:3c:4d:5e; mac-address 00-1A-2B-3C-4D-5E; mac-address 001a.2b3c.4d5e"},
		{"车牌京A12345和粤B·12345", "vehicle-plate 京A12345; vehicle-plate 粤B·12345"},
		{"诊断：F32.9 B20", "sensitive-condition F32.9; sensitive-condition B20"},
		{"HIV-positive, syphilis", "sensitive-condition HIV-positive; sensitive-condition syphilis"},
		{"member ID: W123456789", "health-plan-number W123456789"},
		{"执业证书编号：110110000012345", "licence-number 110110000012345"},
		{"b85d7e00-3690-4e2a-87a0-f3d2dfc908b3", ""},
	}
}

func TestVectors(t *testing.T) {
	e := newEngine(t, Config{})
	for _, c := range vectors() {
		if got := spelled(e, e.Scan(nil, []byte(c.text), Discover), c.text); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}
