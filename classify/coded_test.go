package classify

import (
	"strings"
	"testing"
)

// A field of codes is the word for diagnosis: no decimals are needed.
func TestCodedConditions(t *testing.T) {
	e := newEngine(t, Config{})
	for _, c := range []struct {
		hint               Kind
		field, value, want string
	}{
		{None, "diagnosis_code", "B20", "sensitive-condition:B20"},
		{None, "icd10", "b24", "sensitive-condition:b24"},
		{None, "ICD-10", "A53", "sensitive-condition:A53"},
		{None, "诊断编码", "Z21", "sensitive-condition:Z21"},
		{None, "疾病编码", "Ｂ２０", "sensitive-condition:Ｂ２０"},
		{None, "ICD10编码", "O04.901", "sensitive-condition:O04.901"},
		{Condition, "", "F20", "sensitive-condition:F20"},
		{None, "diagnosis_code", "I10;F20, E11.9", "sensitive-condition:F20"},
		{None, "diagnosis_code", "F20.0", "sensitive-condition:F20.0"},
		{None, "诊断编码", "I10", ""},
		{None, "诊断编码", "B20XABCDEF", ""},
		{None, "bed", "B20", ""},
		{None, "", "B20", ""},
		{None, "icd10", "\xef\xbc", ""},
	} {
		got := strings.Join(spansOf(c.value, e.Value(nil, c.hint, c.field, []byte(c.value), Discover)), " ")
		if got != c.want {
			t.Errorf("%v %q %q: got %q, want %q", c.hint, c.field, c.value, got, c.want)
		}
	}
}

func TestReviewFinds(t *testing.T) {
	e := newEngine(t, Config{})
	for _, c := range []struct {
		mode       Mode
		text, want string
	}{
		{Discover, "住临园路东段72号3栋2单元501室。", "address:临园路东段72号3栋2单元501室"},
		{Discover, "现住科技路西段18号枫林小区5号楼1203室", "address:科技路西段18号枫林小区5号楼1203室"},
		{Discover, "家住好吃街旁12号楼4-2，", "address:好吃街旁12号楼4-2"},
		{Discover, "出院小结：林黛玉，女，29岁", "person-name:林黛玉"},
		{Discover, "入院记录 王小明 男 45岁", "person-name:王小明"},
		{Redact, "微信号hanmama_2019，", "unique-code:hanmama_2019"},
		{Discover, "QQ 384756192", "account-number:384756192"},
		{Discover, "QQ：38475619", "account-number:38475619"},
		{Discover, "民警警号012887到场", "account-number:012887"},
		{Discover, "病案首页编号0098123", "mrn:0098123"},
		{Discover, "医保编码：510000199901011234", "cn-social-security:510000199901011234"},
		{Redact, "Policy No. BCBS-XJ88 1209 33", "health-plan-number:BCBS-XJ88 1209 33"},
		{Redact, "MyChart ID jo.hansen88", "unique-code:jo.hansen88"},
		{Redact, "SSN last four 6604", "us-ssn:6604"},
		{Redact, "aneurysm of the Circle of Willis, seen on CT", ""},
		{Redact, "works at Hormel Foods", "organization:Hormel Foods"},
		{Discover, "Creator: Chromium 130.0.0.0", ""},
		{Discover, "Chrome/130.1.2.30 Safari", ""},
		{Discover, "from 10.20.30.40", "ip-address:10.20.30.40"},
	} {
		got := strings.Join(spansOf(c.text, e.Scan(nil, []byte(c.text), c.mode)), " ")
		if got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.text, got, c.want)
		}
	}
	got := spansOf("科技路西段18号枫林小区5号楼1203室", e.Value(nil, None, "住址", []byte("科技路西段18号枫林小区5号楼1203室"), Discover))
	if len(got) != 1 || got[0] != "address:科技路西段18号枫林小区5号楼1203室" {
		t.Errorf("the cell: %q", got)
	}
}
