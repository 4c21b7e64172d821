package classify

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The labelled set: notes written by hand as templates, filled with people,
// places and days drawn at random, from other lists for each part.
//
//   - dev.txt: written first and used while the recogniser was made.
//   - second.txt: written at the same time, run for the first time when the
//     recogniser was whole (leak recall 91.9 %, names 95.7/87.1 %), and read
//     then. Half of its names are hard on purpose: surnames and given names
//     that are words.
//   - held.txt: written after that; what it misses was never looked at.
var zhFigures = flag.Bool("zhfigures", false, "print the figures of the Chinese set, and of the test set too")

// zhNote is a note whose identifiers are known.
type zhNote struct {
	kind string // of the template
	text string
	gold []zhGold
}

type zhGold struct {
	from, to int
	kind     Kind
}

// zhPeople are the lists that one set draws from.
type zhPeople struct {
	surnames, given, whole []string
	regions, roads, tails  []string
	dates                  []string
	others                 int // names of other languages and compound surnames, in percent
}

func zhDev() zhPeople {
	return zhPeople{
		surnames: strings.Fields("王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 郭 何 高 林 罗 郑 梁 谢 宋 唐 许 韩 冯 邓 曹 彭 曾 肖 田 董 袁 潘 于 蒋 蔡 余 杜 叶 程 苏 魏 吕 丁 任 沈 姚 卢 姜 崔 钟 谭 陆 汪 范 金 石 廖 贾 夏 韦 付 方 白 邹 孟 熊 秦 邱 江 尹 薛 闫 段 雷 侯 龙 史 陶 黎 贺 顾 毛 郝 龚 邵 万 钱 严 覃 武 戴 莫 孔 向 汤 欧阳 司马 上官"),
		given:    strings.Fields("伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 刚 平 辉 玲 桂英 秀英 建国 志强 海燕 晓明 文博 子轩 雨涵 欣怡 浩然 国庆 红梅 玉兰 春梅 小红 佳琪 俊杰 思远 丽华 淑珍 凤英 建军 建华 志明 玉珍 秀兰 桂兰 玉梅 晓燕 婷婷 雪梅 海涛 永强 立新 文斌 国强 志伟 建平 晓东 春燕 美玲 德华 宏伟 家豪 梦洁 诗琪 一鸣 天宇 梓涵 宇航 嘉怡"),
		whole:    strings.Fields("买买提·艾力 阿依古丽·吐尔逊 扎西顿珠"),
		regions:  strings.Fields("湖南省长沙市岳麓区 广东省深圳市南山区 四川省成都市武侯区 浙江省杭州市西湖区 江苏省南京市鼓楼区 湖北省武汉市江汉区 河南省郑州市金水区 山东省济南市历下区 北京市朝阳区 上海市浦东新区 安徽省合肥市蜀山区"),
		roads:    strings.Fields("建国路 人民路 解放大道 中山路 文化路 桐梓坡路 段店镇 和平街道 望城坡街道 清水湾镇李家村"),
		tails:    strings.Fields("88号 12号3栋502室 186号39栋2593室 56号4单元301室 9号院2号楼1101 3组 27号"),
		dates:    []string{"2024-03-05", "2023年11月28日", "2024/1/16", "2022年7月3日", "2024.05.20"},
		others:   4,
	}
}

func zhTest() zhPeople {
	return zhPeople{
		surnames: strings.Fields("王 张 李 刘 陈 文 高 温 时 安 常 成 明 单 左 石 白 水 车 关 毕 柳 蓝 梅 岳 麻 康 于 方 平 包 管 全 甘 童 游 应 项 瞿 翟 缪 阚 鄢 亓 逄 隋 宓 荆 郜 晏 冼 佘 褚 郗 窦 蔺 仝 巩 贠 皮 冉 隗 邬 植 揭 占 诸葛 皇甫 尉迟 令狐 慕容 夏侯 公孙 端木 闻人 申屠 淳于"),
		given:    strings.Fields("睿 霖 琬 翀 恺 晟 煜 菁 蕊 骁 锐 弘 芷若 砚秋 慕白 知夏 令仪 清欢 奕辰 梓萱 沐宸 守义 德才 满仓 喜凤 金锁 腊梅 翠花 招娣 来福 铁柱 存孝 文静 高飞 向阳 光明 万里 长江 国安 平安 卫东 援朝 跃进 爱党 银花 水生 根宝 二妮 大勇 小满 若彤 语嫣 景行 书瑶 乐山 承恩 正道 怀远 可欣 亦凡"),
		whole:    strings.Fields("古丽娜尔·买合木提 吾买尔江·阿不都热合曼 努尔古丽·赛买提 迪丽热巴·木拉提 巴特尔·苏和 次仁卓玛 格桑多吉 热孜万古丽·艾海提"),
		regions:  strings.Fields("贵州省黔东南苗族侗族自治州凯里市 云南省大理白族自治州漾濞彝族自治县 甘肃省临夏回族自治州积石山县 陕西省榆林市神木市 内蒙古自治区赤峰市翁牛特旗 新疆维吾尔自治区喀什地区莎车县 广西壮族自治区百色市靖西市 福建省泉州市晋江市 江西省赣州市于都县 重庆市云阳县"),
		roads:    strings.Fields("磁灶镇大埔村 工农北路 凤凰西大街 罗江镇 依格孜牙乡 东门口社区 团结巷 环城东路 翠屏山居小区 老鹳冲村 锦绣家园"),
		tails:    strings.Fields("附7号 第四村民小组 甲12号楼丙单元4层 5-2-301 东区17幢 123弄45号602室 32号 七组 B座1808室"),
		dates:    []string{"二〇二四年三月十二日", "2024年03月09日", "2023-9-30", "24年6月18日", "2021.12.01", "8月17日"},
		others:   14,
	}
}

// zhHeld has surnames about as often as people have them.
func zhHeld() zhPeople {
	return zhPeople{
		surnames: strings.Fields("王 王 王 王 李 李 李 李 张 张 张 刘 刘 陈 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 林 郭 何 高 罗 郑 梁 谢 宋 唐 许 邓 冯 韩 曹 曾 彭 萧 蔡 潘 田 董 袁 于 余 叶 蒋 杜 苏 魏 程 吕 丁 沈 任 姚 卢 傅 钟 姜 崔 谭 廖 范 汪 陆 金 石 戴 贾 韦 夏 邱 方 侯 邹 熊 孟 秦 白 江 阎 薛 尹 段 雷 黎 史 龙 陶 贺 顾 毛 郝 龚 邵 万 钱 严 赖 覃 洪 武 莫 孔 滕 桂 娄 游 殷 牟 耿 臧 苟 敖 盛 欧阳 上官 司徒 夏侯 澹台"),
		given:    strings.Fields("秀英 伟 敏 静怡 宇轩 浩 建华 桂珍 淑芬 志远 子涵 一诺 欣妍 俊熙 博 思琪 小燕 国华 德明 玉梅 凤兰 爱国 金凤 立群 晓光 振宇 冠霖 佩瑶 雅婷 世杰 文斌 海波 春生 秋菊 冬梅 运来 有才 长顺 美兰 亚楠 倩 蕾 鑫 凯 鹏 斌 雯 婧 昊 楠 璐 琪 莹 瑞 峥 旭 彤 泽宇 梓晨 若曦 启航 艺馨 锦程 书豪 佳怡 明轩 雨桐 安然 可心 乐 晴 朗 福生 水根 木兰 宝珠 大伟 二虎"),
		whole:    strings.Fields("阿卜杜拉·买买提 热依扎·努尔兰 旦增罗布 白玛央金 乌兰图雅 木拉提·别克"),
		regions:  strings.Fields("山西省太原市小店区 辽宁省沈阳市铁西区 吉林省延边朝鲜族自治州延吉市 黑龙江省哈尔滨市南岗区 海南省三亚市 青海省西宁市城东区 宁夏回族自治区银川市兴庆区 四川省凉山彝族自治州西昌市 天津市滨海新区 湖南省株洲市攸县 安徽省阜阳市颍上县"),
		roads:    strings.Fields("学府街 长江路 谢桥镇张庄村 西街社区 南京北街 柳林乡 东风新村 龙潭花园 火车站路 滨河东路"),
		tails:    strings.Fields("16号 3号楼1单元902室 7栋 21号院5排3号 二组18号 66弄8号 A座2203 12-3-401"),
		dates:    []string{"2025-01-09", "2024年12月3日", "2023/08/15", "2022.11.6", "2024年5月", "9月21日"},
		others:   4,
	}
}

// zhFill draws one value by its placeholder.
func (p zhPeople) fill(r *rand.Rand, mark string) (string, Kind) {
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	digits := func(n int) string {
		s := strconv.Itoa(1 + r.IntN(9))
		for len(s) < n {
			s += strconv.Itoa(r.IntN(10))
		}
		return s
	}
	switch strings.TrimRight(mark, "0123456789") {
	case "n":
		if r.IntN(100) < p.others {
			return pick(p.whole), Name
		}
		return pick(p.surnames) + pick(p.given), Name
	case "a":
		return pick(p.regions) + pick(p.roads) + pick(p.tails), Address
	case "rg":
		return pick(p.regions), Address
	case "d":
		return pick(p.dates), Date
	case "b":
		return fmt.Sprintf("%d年%d月%d日", 1940+r.IntN(80), 1+r.IntN(12), 1+r.IntN(28)), BirthDate
	case "g":
		return strconv.Itoa(90 + r.IntN(10)), Age
	case "r":
		return digits(8), Admission
	case "m":
		return "13" + digits(9), Mobile
	case "id":
		return digits(6) + "19" + strconv.Itoa(40+r.IntN(60)) + "0" + strconv.Itoa(1+r.IntN(9)) + "1" + digits(5), ResidentID
	case "hosp":
		return pick(p.regions[:1]) + "人民医院", Organization
	}
	panic("the template's placeholder {" + mark + "} is not known")
}

// zhNotes fills every template a number of times.
func zhNotes(t testing.TB, file string, p zhPeople, each int) []zhNote {
	t.Helper()
	raw, err := os.ReadFile("testdata/zh/" + file)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 2026))
	var notes []zhNote
	for part := range strings.SplitSeq(string(raw), "\n----\n") {
		head, body, _ := strings.Cut(strings.TrimLeft(part, "\n"), "\n")
		for range each {
			notes = append(notes, p.note(r, strings.TrimPrefix(head, "# "), body))
		}
	}
	return notes
}

func (p zhPeople) note(r *rand.Rand, kind, body string) zhNote {
	type value struct {
		text string
		kind Kind
	}
	drawn := map[string]value{}
	n := zhNote{kind: kind}
	var out strings.Builder
	for {
		i := strings.IndexByte(body, '{')
		if i < 0 {
			break
		}
		k := strings.IndexByte(body, '}')
		mark := body[i+1 : k]
		out.WriteString(body[:i])
		body = body[k+1:]
		if _, ok := drawn[mark]; !ok {
			text, kind := p.fill(r, mark)
			drawn[mark] = value{text, kind}
		}
		v := drawn[mark]
		n.gold = append(n.gold, zhGold{out.Len(), out.Len() + len(v.text), v.kind})
		out.WriteString(v.text)
	}
	out.WriteString(body)
	n.text = out.String()
	return n
}

// zhScore is how a set came out.
type zhScore struct {
	labels, gone       int // of the kinds this recogniser is for
	found, right       int
	names, named       int // labelled, and of these found from end to end
	saidNames, trueOne int
	clean, over        int // bytes of notes without labels, and taken out of them
	missed             map[string]int
	wrong              map[string]int
}

// zhScan is the recogniser by itself, as the engine calls it for Redact.
func zhScan(z *chinese, text []byte, mode Mode) []Span {
	var spans []Span
	for i := 0; i < len(text); {
		cue, size := z.trie.at(text, i)
		for k, w := range z.words {
			if !letter(text[i]) {
				break
			}
			if w[0] < 0x80 && bytes.HasPrefix(text[i:], []byte(w)) {
				cue, size = k, len(w)
			}
		}
		if cue >= 0 {
			spans = z.near(spans, text, i, i+size, cue)
		}
		i += max(size, 1)
	}
	if mode == Redact {
		spans = z.all(spans, text)
	}
	return arbitrate(spans, 0, 0)
}

func zhOurs(k Kind) bool {
	return k == Name || k == Address || k == Date || k == BirthDate
}

func (s *zhScore) add(n zhNote, spans []Span) {
	if len(n.gold) == 0 {
		s.clean += len(n.text)
		for _, f := range spans {
			s.over += f.End - f.Start
			s.wrong[n.kind+": "+n.text[f.Start:f.End]]++
		}
		return
	}
	var out strings.Builder
	last := 0
	for _, f := range spans {
		out.WriteString(n.text[last:f.Start] + "█")
		last = f.End
	}
	out.WriteString(n.text[last:])
	for _, g := range n.gold {
		s.label(n, g, out.String(), spans)
	}
	for _, f := range spans {
		s.span(n, f)
	}
}

func (s *zhScore) label(n zhNote, g zhGold, out string, spans []Span) {
	if !zhOurs(g.kind) {
		return
	}
	value := n.text[g.from:g.to]
	s.labels++
	if !strings.Contains(out, value) {
		s.gone++
	} else {
		s.missed[n.kind+": "+zhAround(n.text, g.from, g.to)]++
	}
	if g.kind != Name {
		return
	}
	s.names++
	if slices.ContainsFunc(spans, func(f Span) bool { return f.Kind == Name && f.Start == g.from && f.End == g.to }) {
		s.named++
	} else if !strings.Contains(out, value) {
		s.missed["bounds "+n.kind+": "+zhAround(n.text, g.from, g.to)]++
	}
}

func (s *zhScore) span(n zhNote, f Span) {
	if f.Kind == Condition {
		return
	}
	s.found++
	right := slices.ContainsFunc(n.gold, func(g zhGold) bool { return f.Start < g.to && g.from < f.End })
	if right {
		s.right++
	} else {
		s.wrong[n.kind+": "+f.Kind.String()+" "+zhAround(n.text, f.Start, f.End)]++
	}
	if f.Kind == Name {
		s.saidNames++
		if slices.ContainsFunc(n.gold, func(g zhGold) bool { return g.kind == Name && f.Start == g.from && f.End == g.to }) {
			s.trueOne++
		}
	}
}

func zhAround(text string, from, to int) string {
	a, b := max(0, from-18), min(len(text), to+18)
	return strings.ToValidUTF8(text[a:from], "") + "⟦" + text[from:to] + "⟧" + strings.ToValidUTF8(text[to:b], "")
}

func (s *zhScore) String() string {
	share := func(a, b int) float64 { return 100 * float64(a) / float64(max(b, 1)) }
	return fmt.Sprintf("leak recall %.2f %% of %d, precision %.2f %% of %d; names: precision %.2f %%, recall %.2f %% of %d; over-redaction of clean text %.2f %%",
		share(s.gone, s.labels), s.labels, share(s.right, s.found), s.found, share(s.trueOne, s.saidNames), share(s.named, s.names), s.names, share(s.over, s.clean))
}

func zhMeasure(t testing.TB, notes []zhNote, find func([]byte) []Span) *zhScore {
	s := &zhScore{missed: map[string]int{}, wrong: map[string]int{}}
	for _, n := range notes {
		s.add(n, find([]byte(n.text)))
	}
	return s
}

func TestChineseSet(t *testing.T) {
	z := newChinese()
	find := func(text []byte) []Span { return zhScan(z, text, Redact) }
	dev := zhMeasure(t, zhNotes(t, "dev.txt", zhDev(), 20), find)
	t.Log("development templates: ", dev)
	if *zhFigures {
		zhPrint(t, "missed", dev.missed)
		zhPrint(t, "wrong", dev.wrong)
	}
	if dev.gone*100 < dev.labels*98 || dev.right*100 < dev.found*97 {
		t.Error("below 98 % leak recall or 97 % precision on the templates it was made with: ", dev)
	}
}

// The second part was unseen once; its figure must not fall.
func TestChineseSecond(t *testing.T) {
	z := newChinese()
	s := zhMeasure(t, zhNotes(t, "second.txt", zhTest(), 40), func(text []byte) []Span { return zhScan(z, text, Redact) })
	t.Log("second part, hard names: ", s)
	if s.gone*100 < s.labels*96 || s.right*100 < s.found*97 {
		t.Error("below 96 % leak recall or 97 % precision: ", s)
	}
}

// The figure that counts. Run it; do not print what it misses.
func TestChineseHeld(t *testing.T) {
	z := newChinese()
	s := zhMeasure(t, zhNotes(t, "held.txt", zhHeld(), 40), func(text []byte) []Span { return zhScan(z, text, Redact) })
	t.Log("held-out notes: ", s)
	if s.gone*100 < s.labels*97 || s.right*100 < s.found*97 {
		t.Error("below 97 % leak recall or 97 % precision: ", s)
	}
}

// The same notes through the whole engine, which reads Latin letters and
// numbers as well.
func TestChineseEngine(t *testing.T) {
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := zhMeasure(t, zhNotes(t, "held.txt", zhHeld(), 40), func(text []byte) []Span { return e.Scan(nil, text, Redact) })
	t.Log("held-out notes, whole engine: ", s)
	if s.gone*100 < s.labels*97 || s.right*100 < s.found*97 {
		t.Error("below 97 % leak recall or 97 % precision: ", s)
	}
}

func zhPrint(t *testing.T, title string, counts map[string]int) {
	var lines []string
	for line, n := range counts {
		lines = append(lines, fmt.Sprintf("%4d %s", n, strings.ReplaceAll(line, "\n", "⏎")))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(b, a) })
	for _, line := range lines[:min(len(lines), 150)] {
		t.Log(title, line)
	}
}
