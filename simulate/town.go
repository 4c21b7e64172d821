package simulate

import (
	"fmt"
	"strings"
)

// town is where names, streets and phone numbers come from.
type town struct {
	surnames    []surname
	total       int
	female      []string
	male        []string
	communities []string
	western     bool
	dormitories []*household
}

type surname struct {
	word, latin string
	weight      int
}

// newTown builds a town with about one community for every 200 patients, so
// that some people live in the same building without knowing each other.
func newTown(patients int, western bool) *town {
	t := &town{surnames: surnames(), western: western,
		female: strings.Fields("秀英 桂兰 丽 敏 静 秀兰 芳 娜 艳 玲 桂英 丹 萍 红 玉兰 婷 雪梅 慧 欣怡 梓涵 雨桐 诗涵 佳琪 晓燕 春梅 海燕 莉 倩 琳 颖 淑珍 凤英 美玲 思颖 可欣 若曦 文静 雅婷 佩瑶 月华"),
		male:   strings.Fields("伟 强 磊 军 洋 勇 杰 涛 明 超 刚 平 辉 鹏 建国 建华 志强 浩宇 子轩 宇航 浩然 俊杰 志明 国强 海涛 文博 天佑 建军 德华 永强 立新 春生 家豪 晓东 振宇 博文 嘉诚 宏伟 少华 树林")}
	for _, s := range t.surnames {
		t.total += s.weight
	}
	heads := strings.Fields("碧水 青荷 云溪 锦绣 金桂 翠竹 兰亭 松风 星河 银杏 明湖 静安 紫薇 春晓 长乐")
	tails := strings.Fields("苑 花园 家园 里 小区 新村 公寓 华庭")
	n := min(max(8, patients/200), len(heads)*len(tails))
	for i := range n {
		t.communities = append(t.communities, heads[i%len(heads)]+tails[(i/len(heads)+i)%len(tails)])
	}
	return t
}

// surnames with their share per thousand, near the census.
func surnames() []surname {
	return []surname{{"王", "wang", 72}, {"李", "li", 71}, {"张", "zhang", 68}, {"刘", "liu", 54}, {"陈", "chen", 45},
		{"杨", "yang", 31}, {"黄", "huang", 22}, {"赵", "zhao", 21}, {"吴", "wu", 20}, {"周", "zhou", 19},
		{"徐", "xu", 15}, {"孙", "sun", 15}, {"马", "ma", 13}, {"朱", "zhu", 13}, {"胡", "hu", 12}, {"郭", "guo", 12},
		{"何", "he", 11}, {"林", "lin", 11}, {"高", "gao", 10}, {"罗", "luo", 10}, {"郑", "zheng", 9}, {"梁", "liang", 9},
		{"谢", "xie", 8}, {"宋", "song", 8}, {"唐", "tang", 7}, {"许", "xu", 7}, {"韩", "han", 7}, {"邓", "deng", 7},
		{"冯", "feng", 6}, {"曹", "cao", 6}, {"彭", "peng", 6}, {"曾", "zeng", 6}, {"肖", "xiao", 6}, {"田", "tian", 5},
		{"董", "dong", 5}, {"潘", "pan", 5}, {"袁", "yuan", 5}, {"蔡", "cai", 5}, {"蒋", "jiang", 5}, {"余", "yu", 5},
		{"叶", "ye", 5}, {"杜", "du", 4}, {"苏", "su", 4}, {"魏", "wei", 4}, {"程", "cheng", 4}, {"吕", "lv", 4},
		{"欧阳", "ouyang", 2}, {"司马", "sima", 1}, {"上官", "shangguan", 1}}
}

func englishNames() (families, female, male []string) {
	return strings.Fields("Miller Carter Novak Okafor Haddad Larsen Petrov Moreau Silva Tanaka Nguyen Weber Rossi Kowalski Smith Jones Brown Wilson Taylor Evans Walker Wright Hughes Green Hall Wood Clarke Jackson Harris Lewis Young King Baker Turner Hill Scott Cooper Ward Morris Bell Shaw Palmer Gray Fox"),
		strings.Fields("Anna Clara Emily Fatima Grace Helena Ingrid Julia Maria Nadia Sophie Teresa"),
		strings.Fields("Adam Bruno Daniel Erik Felix Hugo Ivan Jonas Karim Lucas Marco Oscar")
}

// name gives family name, given name and the Latin letters an account is made of.
func (t *town) name(d dice, sex string, foreign float64) (family, given, latin string) {
	if t.western || d.chance(foreign) {
		families, _, _ := englishNames()
		family = pick(d, families)
		given = t.given(d, sex, family)
		return family, given, strings.ToLower(given[:1] + family)
	}
	n := d.IntN(t.total)
	for _, s := range t.surnames {
		if n -= s.weight; n < 0 {
			return s.word, t.given(d, sex, s.word), s.latin + string(rune('a'+d.IntN(26)))
		}
	}
	return "王", t.given(d, sex, "王"), "wang"
}

func (t *town) given(d dice, sex, family string) string {
	if isASCII(family) {
		_, female, male := englishNames()
		if sex == "F" {
			return pick(d, female)
		}
		return pick(d, male)
	}
	if sex == "F" {
		return pick(d, t.female)
	}
	return pick(d, t.male)
}

// phone makes an 11-digit number of the unassigned prefix 126.
func (t *town) phone(d dice) string {
	if t.western { // the exchange 555 is not assigned to subscribers
		return fmt.Sprintf("(%d) 555-%04d", d.between(201, 989), d.IntN(10_000))
	}
	return fmt.Sprintf("126%08d", d.IntN(100_000_000))
}

// dormitory is one of two houses of the hospital, where nobody writes a room.
func (t *town) dormitory(d dice) *household {
	if t.dormitories == nil {
		for range 2 {
			x := t.household(d)
			x.address = x.building
			t.dormitories = append(t.dormitories, x)
		}
	}
	x := *pick(d, t.dormitories)
	return &x
}

func (t *town) westernHome(d dice) *household {
	street := pick(d, strings.Fields("Maple Oak Cedar Mill Church Station Bridge Harbour Orchard Willow Chestnut Quarry"))
	kind := pick(d, []string{"Street", "Avenue", "Road", "Lane"})
	house := fmt.Sprintf("%d %s %s", d.between(1, 180), street, kind)
	return &household{building: house, phone: t.phone(d), address: fmt.Sprintf("%s, Apt %d, Rivermouth", house, d.between(1, 12))}
}

func (t *town) household(d dice) *household {
	if t.western {
		return t.westernHome(d)
	}
	building := fmt.Sprintf("云川市青荷区%s%d栋", pick(d, t.communities), d.between(1, 16))
	return &household{building: building, phone: fmt.Sprintf("0990%07d", d.IntN(10_000_000)),
		address: fmt.Sprintf("%s%d单元%d%02d室", building, d.between(1, 3), d.between(1, 18), d.between(1, 4))}
}

// diagnosis is an ICD-10 code with its name.
type diagnosis struct{ code, name string }

func diagnosesOf(service string) []diagnosis {
	all := map[string][]diagnosis{
		"General Medicine":    {{"E11.9", "2型糖尿病"}, {"I10", "原发性高血压"}, {"J18.9", "肺炎"}, {"N39.0", "泌尿道感染"}},
		"General Surgery":     {{"K35.8", "急性阑尾炎"}, {"K80.2", "胆囊结石"}, {"K40.9", "腹股沟疝"}, {"L02.9", "皮肤脓肿"}},
		"Obstetrics":          {{"O80.0", "自然分娩"}, {"O82.0", "选择性剖宫产"}, {"O14.9", "先兆子痫"}, {"O24.4", "妊娠期糖尿病"}},
		"Cardiology":          {{"I21.9", "急性心肌梗死"}, {"I20.0", "不稳定型心绞痛"}, {"I50.9", "心力衰竭"}, {"I48.9", "心房颤动"}},
		"Psychiatry":          {{"F32.9", "抑郁发作"}, {"F41.1", "广泛性焦虑障碍"}, {"F51.0", "失眠症"}},
		"Oncology":            {{"C34.9", "肺癌"}, {"C50.9", "乳腺癌"}, {"C18.9", "结肠癌"}, {"C22.0", "肝细胞癌"}},
		"Orthopedics":         {{"S72.0", "股骨颈骨折"}, {"M51.2", "腰椎间盘突出"}, {"S82.6", "踝骨骨折"}, {"M17.9", "膝关节病"}},
		"Infectious Diseases": {{"B18.1", "慢性乙型肝炎"}, {"A16.2", "肺结核"}, {"A41.9", "脓毒症"}, {"B02.9", "带状疱疹"}},
		"Pediatrics":          {{"J20.9", "急性支气管炎"}, {"A08.4", "病毒性肠炎"}, {"J45.9", "哮喘"}, {"R56.0", "热性惊厥"}},
		"Neurology":           {{"I63.9", "脑梗死"}, {"G40.9", "癫痫"}, {"G20", "帕金森病"}, {"G43.9", "偏头痛"}},
		"Respiratory":         {{"J44.1", "慢阻肺急性加重"}, {"J15.9", "细菌性肺炎"}, {"J45.9", "哮喘"}, {"J90", "胸腔积液"}},
		"Gastroenterology":    {{"K92.2", "消化道出血"}, {"K85.9", "急性胰腺炎"}, {"K25.9", "胃溃疡"}, {"K74.6", "肝硬化"}},
		"Intensive Care":      {{"J96.0", "急性呼吸衰竭"}, {"R57.2", "感染性休克"}, {"I46.9", "心脏骤停"}},
		"Urology":             {{"N20.1", "输尿管结石"}, {"N40", "前列腺增生"}, {"C67.9", "膀胱癌"}},
		deptEmergency:         {{"R07.4", "胸痛"}, {"R10.4", "腹痛"}, {"S01.9", "头皮裂伤"}, {"R55", "晕厥"}, {"T14.0", "浅表损伤"}},
	}
	return all[service]
}

// sensitiveDiagnosis is the complaint behind each kind of level-5 data.
func sensitiveDiagnosis(label string) diagnosis {
	switch label {
	case "HIV":
		return diagnosis{"B24", "人类免疫缺陷病毒病"}
	case "PSY":
		return diagnosis{"F20.9", "精神分裂症"}
	case "STD":
		return diagnosis{"A53.9", "梅毒"}
	case "SEX":
		return diagnosis{"O04.9", "医疗性流产"}
	}
	return diagnosis{"Z15.0", "遗传性肿瘤易感性"}
}
