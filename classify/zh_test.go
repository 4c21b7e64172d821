package classify

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// zhMarked is a text with marks around what is to be found: 〔…〕 for names,
// addresses, dates, ages, organisations, conditions.
func zhMarked(z *chinese, text string, mode Mode) string {
	var out strings.Builder
	last := 0
	for _, f := range zhScan(z, []byte(text), mode) {
		out.WriteString(text[last:f.Start] + "〔" + text[f.Start:f.End] + "〕")
		last = f.End
	}
	return out.String() + text[last:]
}

func zhPlain(marked string) string {
	return strings.NewReplacer("〔", "", "〕", "").Replace(marked)
}

func TestChineseFinds(t *testing.T) {
	z := newChinese()
	for _, want := range []string{
		// labels, with and without separators, lists
		"姓名：〔张三〕 性别：男", "姓名〔张三〕性别男年龄45岁", "姓　名：〔徐　峰〕　科室：外科", "【主管医生】〔陈志远〕",
		"手术者：〔李四〕、〔王建国〕/〔赵敏〕", "医师：〔司马青〕/〔欧阳明月〕", "患者签名（盖章）：____", "审核者：〔时光〕 ",
		"监护人：〔王建军〕(父亲)", "患者姓名：〔尼玛次仁〕，藏族", "姓名：〔Zhang Wei〕 性别：男",
		"姓名：〔买买提·艾力〕 性别", "其妻〔阿依古丽·吐尔逊〕在场",
		// roles, relatives, titles
		"患者〔王小明〕于今日入院", "由妻子〔李娜〕陪同", "其子〔张伟〕诉", "〔赵振华〕主任医师查房", "请心内科〔陈立新〕教授会诊",
		// a line of a table, a patient's line
		"〔张三〕 男 45岁 住院号", "床号\t姓名\t性别\n1\t〔刘洋〕\t男\n2\t〔孙丽〕\t女\n",
		// what looks like one
		"护士站：2床更换引流袋。主任：同意。", "现病史：患者高热，家属同意手术", "患者女，45岁", "患者张某某，李*，张**", "常规、高血压、黄疸、周围、于是、安全",
		// birth, age
		"出生日期：〔1980-03-05〕", "〔1956年2月11日〕出生", "生于〔一九七五年八月初三〕", "发生于1987年1月1日",
		"年龄：〔95〕 ", "患者〔92岁〕", "90岁以上老人", "年龄89岁",
		// addresses
		"现住址：〔湖北省武汉市汉阳区段店镇186号39栋2593室〕 退费", "住〔朝阳区建国路88号3栋502室〕。", "家住本市〔和平里小区6号楼2单元401〕，",
		"籍贯：〔湖南省衡阳市〕", "籍贯：〔湖南〕", "住址：不详", "户籍：农村", "心内科病区12号床", "国务院令第588号",
		// conditions
		"诊断：〔抑郁症〕", "否认艾滋病、梅毒病史", "HIV抗体阴性", "梅毒螺旋体抗体（-）", "炎性病变",
	} {
		if got := zhMarked(z, zhPlain(want), Discover); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestChineseRedacts(t *testing.T) {
	z := newChinese()
	for _, want := range []string{
		"今日〔邹海波〕、〔马艳〕两位医师行床旁超声", "姓名：〔周福海〕。〔周福海〕今晨突发室颤", "请〔王〕主任会诊",
		"于〔2024年3月5日〕入院，〔3月8日〕手术，2021年确诊", "〔2024-03-05〕 08:00", "〔03-05〕 10:30 测体温", "病史10年3月余",
		"转诊至〔上海市第六人民医院〕，曾在当地医院治疗", "工作单位：〔上海振华港机有限公司〕", "在〔湖南省衡阳市〕打工",
		"神志清楚，精神可，平车推入病房，双肺呼吸音清", "予甘油果糖、万古霉素、左氧氟沙星、熊去氧胆酸", "经主任医师同意，和主任沟通",
	} {
		if got := zhMarked(z, zhPlain(want), Redact); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// zhCorpus reads a part of the scan corpus.
func zhCorpus(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("../../shared/data/scan/" + name)
	if err != nil {
		t.Skip("the scan corpus is not here: ", err)
	}
	defer f.Close()
	d, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Law texts hold no patient.
func TestChineseLaw(t *testing.T) {
	z := newChinese()
	text := zhCorpus(t, "02_zh_law_negative.txt.zst")
	spans := zhScan(z, text, Discover)
	t.Logf("%d findings in %d bytes of law", len(spans), len(text))
	if len(spans) > len(text)>>20 {
		for _, f := range spans {
			t.Log(f.Kind, zhAround(string(text), f.Start, f.End))
		}
		t.Errorf("%d findings in %d MB of law text", len(spans), len(text)>>20)
	}
}

// The trie's nodes must fit the slots' fields.
func TestChineseLexicon(t *testing.T) {
	x := theZhLexicon()
	if len(x.cost) >= 1<<18 {
		t.Errorf("%d nodes, and 18 bits to number them", len(x.cost))
	}
	used := 0
	for _, s := range x.slots {
		if s != 0 {
			used++
		}
	}
	if used*4 > len(x.slots)*3 {
		t.Errorf("%d of %d slots are used: look-ups get long", used, len(x.slots))
	}
	for _, cue := range newChinese().cues() {
		if cue == "" || !utf8.ValidString(cue) || cue[0] >= 0x80 && cue[0]>>4 != 0xE {
			t.Errorf("the engine cannot wait for the cue %q", cue)
		}
	}
}

func FuzzChinese(f *testing.F) {
	z := newChinese()
	for _, seed := range []string{
		"姓名：张三 性别：男 年龄：92岁 现住址：北京市朝阳区建国路88号3栋502室", "姓名\t性别\t年龄\n张三\t男\t3\n", "买买提·艾力·", "患者\xe5\xbc", "1980年3月5日生 出生：二〇二一年腊月廿三",
		"诊断：HIV（-） 否认梅毒", "——影像科 方圆/李四、王五和", "号栋室岁男女", "\xef\xbc\x91\xef\xbc\x99年", "十百廿元月",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, mode := range []Mode{Discover, Redact} {
			last := 0
			for _, s := range zhScan(z, text, mode) {
				if s.Start < last || s.End <= s.Start || s.End > len(text) {
					t.Fatalf("span %+v of a text of %d bytes, behind %d", s, len(text), last)
				}
				if utf8.Valid(text) && !utf8.Valid(text[s.Start:s.End]) {
					t.Fatalf("span %+v cuts a character: %q", s, text[s.Start:s.End])
				}
				last = s.End
			}
		}
		for i := range text { // cues at places no engine would call at
			z.near(nil, text, i, min(len(text), i+3), i%len(z.words))
		}
	})
}

func BenchmarkChinese(b *testing.B) {
	e, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	for _, part := range []string{"02_zh_law_negative", "03_zh_notes"} {
		text := zhCorpus(b, part+".txt.zst")
		for mode, name := range []string{"discover", "redact"} {
			b.Run(part+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				var dst []Span
				for range b.N {
					dst = e.Scan(dst[:0], text, Mode(mode))
				}
			})
		}
	}
}
