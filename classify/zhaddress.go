package classify

import "bytes"

// zhPlaceParts are how far an address has been read.
type zhPlaceParts struct {
	regions, places, numbers int
	doors                    int // numbers of a building, a flat
}

// zhSuffix ends the name of a place; long ones go first.
var zhSuffix = [...]string{
	"街道办事处", "街道", "社区", "小区", "花园", "新村", "大道", "大街", "胡同", "公寓", "大厦", "广场", "家园", "新城", "开发区", "高新区", "工业园区", "工业园", "科技园", "农场", "林场", "牧场", "宿舍", "家属院", "家属楼", "家属区", "国道", "省道", "苏木", "嘎查",
	"省", "市", "区", "县", "旗", "镇", "乡", "村", "屯", "庄", "路", "街", "巷", "里", "弄", "道", "坊", "苑", "园", "城", "湾", "寨", "桥", "府", "坪", "沟", "坝", "店", "堡", "院", "厂", "岗", "营", "冲", "坳", "垸", "塘", "郡", "邸", "居", "墅", "岭", "坡", "埠", "铺", "集", "圩", "宅",
}

// zhRoads are the suffixes that a house number follows where no region is
// named.
var zhRoads = [...]string{"街道", "社区", "小区", "花园", "新村", "大道", "大街", "胡同", "公寓", "大厦", "广场", "家园", "新城", "宿舍", "家属院", "路", "街", "巷", "弄", "村", "镇", "乡", "苑", "庄", "屯", "里", "道", "院", "园", "城", "府", "湾", "寨"}

// zhUnit ends a number of an address.
var zhUnit = [...]string{"号楼", "号院", "号", "栋", "幢", "座", "单元", "室", "村民小组", "小组", "组", "弄", "层", "楼", "户", "房", "门", "队", "社", "巷", "路", "街", "区", "期", "段", "支弄", "师", "团", "连", "村"}

// zhNoPlace are characters that no name of a place has.
const zhNoPlace = "其由因的在与和于电联手本被患有是为了至到从他她我您，该及或等个每这那后前来送请并经已未无不"

// region gives the length of the region's name at i, and whether it is a full
// one with its suffix.
func (v *zhView) region(i int) (size int, full bool) {
	x := v.z.x
	c, n := zhRune(v.text, i)
	if n == 0 {
		return 0, false
	}
	if x.shape[c-zhFirst]&zhRegional == 0 {
		return 0, false
	}
	node := x.first[c-zhFirst]
	if second, n := zhRune(v.text, i+3); n == 0 || !x.region.begins(c, second) {
		return 0, false
	}
	for j := i + n; node != 0 && j-i < 40; j += 3 {
		c, n := zhRune(v.text, j)
		if n == 0 {
			break
		}
		if node = x.child(node, c); node != 0 && x.mark[node]&zhRegion != 0 {
			size = j + 3 - i
			full = c == '省' || c == '市' || c == '区' || c == '县' || c == '旗' || c == '州' || c == '盟'
		}
	}
	return size, full
}

// place gives the length of a named place with its suffix at i: 建国路, 段店镇.
func (v *zhView) place(i, most int) int {
	var w zhWindow
	w.forward(v.text, i, most+6)
	for k := 1; k < w.n && k <= most; k++ {
		if v.breaks(w.run(), k-1) {
			return 0
		}
		if v.z.x.shape[w.runes[k]-zhFirst]&zhEnding == 0 {
			continue
		}
		if n := v.z.x.suffix.at(v.text, w.at[k]); n > 0 {
			return w.at[k] + n - i
		}
	}
	return 0
}

// number gives the length of a number with its unit at i: 88号, 三单元.
func (v *zhView) number(i int, after bool) (size int, door bool) {
	j := i
	for n := 0; n < 24 && j < len(v.text); n++ {
		c := v.text[j]
		if c-'0' < 10 || letter(c) && n < 2 || n > 0 && (c == '-' || c == '#' || c == '/') {
			j++
			continue
		}
		if c < 0x80 {
			break
		}
		if hasWide(v.text, j, "甲") || hasWide(v.text, j, "乙") || hasWide(v.text, j, "丙") || hasWide(v.text, j, "之") || hasWide(v.text, j, "附") || hasWide(v.text, j, "第") || hasWide(v.text, j, "－") || hasWide(v.text, j, "—") {
			j += 3
			continue
		}
		if c >= 0xE3 {
			if d, n := zhDigit(v.text, j); n == 3 && d <= 100 {
				j += 3
				continue
			}
		}
		break
	}
	if j == i {
		return 0, false
	}
	if n := v.z.x.unit.at(v.text, j); n > 0 {
		return j + n - i, true
	}
	if after && v.text[j-1]-'0' < 10 && v.text[i] < 0x80 && j-i <= 9 {
		return j - i, true
	}
	return 0, false
}

// address reads an address that begins at i and gives where it ends.
func (v *zhView) address(i int) (end int, parts zhPlaceParts) {
	for n := 0; n < 16; n++ {
		if parts.doors == 0 && parts.regions < 5 {
			if size, _ := v.region(i); size > 0 {
				i += size
				parts.regions++
				continue
			}
		}
		if size, door := v.number(i, parts.numbers > 0); size > 0 {
			i += size
			parts.numbers++
			if door {
				parts.doors++
			}
			continue
		}
		if size := v.bare(i, parts); size > 0 {
			i += size
			continue
		}
		most := 8
		if parts.doors > 0 {
			most = 6
		}
		size := v.place(i, most)
		if size == 0 && parts.regions+parts.places > 1 && parts.numbers == 0 {
			size = v.unended(i)
		}
		if size == 0 || parts.doors > 2 {
			break
		}
		i += size
		parts.places++
	}
	return i, parts
}

// bare passes a suffix that follows a place or a bracket inside an address:
// 石桥|镇.
func (v *zhView) bare(i int, parts zhPlaceParts) int {
	if parts.places+parts.regions == 0 || parts.doors > 0 {
		return 0
	}
	for _, suffix := range []string{"镇", "乡", "街道", "村", "路", "街", "小区", "社区", "区", "县", "市", "道"} {
		if hasWide(v.text, i, suffix) {
			return len(suffix)
		}
	}
	return v.section(i)
}

// section gives the length of what says which part of a road a number is of:
// 科技路|西段18号, 好吃街|旁12号楼.
func (v *zhView) section(i int) int {
	for _, word := range [...]string{"东段", "西段", "南段", "北段", "中段", "旁边", "旁", "对面"} {
		if hasWide(v.text, i, word) && byteAt(v.text, i+len(word))-'0' < 10 {
			return len(word)
		}
	}
	return 0
}

// lives finds the address behind a label.
func (v *zhView) lives(end int) {
	p, colon := v.separator(end)
	for _, word := range []string{"于", "在", "为", "是", "："} {
		if hasWide(v.text, p, word) {
			p += len(word)
		}
	}
	if p >= len(v.text) || v.common(p) {
		return
	}
	e, parts := v.address(p)
	switch {
	case e == p:
		return
	case parts.numbers == 0 && parts.regions == 0 && (!colon && p == end || v.single(p, e)):
		return
	case parts.regions == 1 && parts.places+parts.numbers == 0 && !colon && !v.origin(p):
		return
	case parts.regions+parts.places == 0:
		return
	}
	if colon || p > end {
		e = v.rest(e)
	}
	if v.organisation(e) {
		return
	}
	v.add(p, e, Address, 93, ByLabel)
}

// origin says whether the label before p asks for a region alone: 籍贯.
func (v *zhView) origin(p int) bool {
	before := v.text[max(0, p-24):p]
	for _, word := range []string{"籍", "出生", "生于", "户口", "老家"} {
		if bytes.Contains(before, []byte(word)) {
			return true
		}
	}
	return false
}

// common says whether what stands at p is no address: 农村, 本市, 同上.
func (v *zhView) common(p int) bool {
	for _, word := range []string{"农村", "城市", "城镇", "外地", "本", "当地", "社区", "小区", "城区", "郊区", "山区", "地区", "我", "该", "同", "不详", "原", "某", "乡村", "牧区", "疫区", "外", "台湾地区", "国外", "国内", "医院", "病区"} {
		if hasWide(v.text, p, word) {
			return true
		}
	}
	return false
}

// single says whether p to e is one word of the language.
func (v *zhView) single(p, e int) bool {
	var w zhWindow
	w.forward(v.text[:e], p, 8)
	return w.at[w.n] == e && v.z.x.word(w.run()) != 0
}

// organisation says whether what was read goes on as the name of one.
func (v *zhView) organisation(e int) bool {
	for _, word := range []string{"人民法院", "人民政府", "人民检察院", "人民代表", "公安局", "公安厅", "卫生局", "卫生健康", "医院", "第一", "第二", "第三", "中心医院", "人民医院", "人大", "政协", "委员会", "管理", "行政", "监察"} {
		if hasWide(v.text, e, word) {
			return true
		}
	}
	return false
}

// rest goes on to the end of a labelled value that has begun as an address.
func (v *zhView) rest(e int) int {
	i := e
	for n := 0; i < len(v.text) && n < 24; n++ {
		c, size := zhRune(v.text, i)
		switch {
		case size == 3:
			if n := v.crossing(i); n > i {
				size = n - i
				break
			}
			if bytes.ContainsRune([]byte("的因由其与和于在，患入就"), c) || v.label(i) {
				if v.label(i) {
					return i
				}
				return e
			}
		case v.text[i]-'0' < 10 || v.text[i] == '-' || v.text[i] == '#' || letter(v.text[i]):
			size = 1
		default:
			return i
		}
		i += size
	}
	if i >= len(v.text) {
		return i
	}
	return e
}

// crossing passes "与周山路交叉口".
func (v *zhView) crossing(i int) int {
	if !hasWide(v.text, i, "与") && !hasWide(v.text, i, "和") {
		return i
	}
	after := v.text[i:min(len(v.text), i+45)]
	for _, word := range []string{"交叉口", "交汇处", "交界处", "路口"} {
		if k := bytes.Index(after, []byte(word)); k > 0 {
			return i + k + len(word)
		}
	}
	return i
}

// label says whether another field of a form begins at i.
func (v *zhView) label(i int) bool {
	for _, word := range []string{"电话", "联系", "手机", "邮编", "邮政", "身份证", "姓名", "职业", "关系", "民族", "单位", "户口", "婚姻", "入院", "现住", "工作", "住院", "病史", "籍贯", "国籍", "证件", "性别", "年龄", "出生", "诊断", "主诉", "科室", "科别", "门诊", "就诊", "日期", "户籍", "病案", "费用", "医保"} {
		if hasWide(v.text, i, word) {
			return true
		}
	}
	return false
}

// house finds the address around a house number.
func (v *zhView) house(at int) {
	if at == 0 || !v.counted(at) {
		return
	}
	if size, door := v.number(zhNext(v.text, at), false); door && size > 0 {
		return // a later cue stands nearer the end
	}
	begin, promising := v.began(at)
	if !promising {
		return
	}
	for s := begin; s < at; {
		if size, full := v.region(s); size > 0 && (full || size >= 6) {
			if e, parts := v.address(s); e > at && parts.places+parts.regions > 0 && (full || parts.regions+parts.places > 1) {
				v.add(s, e, Address, 90, ByLexicon)
				return
			}
		}
		_, size := zhRune(v.text, s)
		s += max(size, 1)
	}
	v.road(begin, at)
}

// counted says whether a number stands before i.
func (v *zhView) counted(i int) bool {
	if c := v.text[i-1]; c < 0x80 {
		return c-'0' < 10 || letter(c)
	}
	if i < 3 {
		return false
	}
	d, size := zhDigit(v.text, i-3)
	return size == 3 && d <= 100
}

// zhNext is behind the character at i.
func zhNext(text []byte, i int) int { return min(len(text), i+zhSize(text[i])) }

// began goes back to where the run of an address may begin, and says whether
// a character that ends places was passed.
func (v *zhView) began(i int) (begin int, promising bool) {
	low := max(0, i-150)
	for i > low {
		c := v.text[i-1]
		if c-'0' < 10 || letter(c) || c == '-' || c == '#' {
			i--
			continue
		}
		if i < 3 {
			break
		}
		han, size := zhRune(v.text, i-3)
		if size == 0 {
			if d, size := zhDigit(v.text, i-3); size != 3 || d > 9 {
				break
			}
		} else if v.z.x.shape[han-zhFirst]&zhEnding != 0 {
			promising = true
		}
		i -= 3
	}
	return i, promising
}

// road finds an address without a region: 建国路88号3栋502室. The text is read
// from the last road before the number.
func (v *zhView) road(begin, at int) {
	road := -1
	for i := begin; i < at; i++ {
		if c, size := zhRune(v.text, i); size == 0 || v.z.x.shape[c-zhFirst]&zhEnding == 0 {
			continue
		}
		for _, suffix := range v.z.x.road.from(v.text, i) {
			if n := i + len(suffix); hasWide(v.text, i, suffix) && n < at {
				if size, _ := v.number(n+v.section(n), false); size > 0 {
					if road < 0 {
						road = i
					}
				}
			}
		}
	}
	if road < 0 {
		return
	}
	s := v.named1(begin, road)
	if s == road {
		return
	}
	e, parts := v.address(s)
	if e <= at || parts.places == 0 || parts.numbers == 0 || hasWide(v.text, e, "床") {
		return
	}
	if w := v.text[s:e]; bytes.Contains(w, []byte("病")) || bytes.Contains(w, []byte("科")) || bytes.Contains(w, []byte("诊")) || bytes.Contains(w, []byte("院区")) {
		return
	}
	v.add(s, e, Address, 80, ByStructure)
}

// named1 goes back from a road's suffix to where its name begins.
func (v *zhView) named1(begin, road int) int {
	var w zhWindow
	w.backward(v.text[:road], road, min(12, (road-begin)/3))
	k := w.n
	for k > 0 && !v.breaks(w.run(), k-1) && !bytes.ContainsRune([]byte("住址位距行往"), w.runes[k-1]) {
		k--
	}
	if k > 0 && k < w.n && w.runes[k-1] == '本' {
		k++ // 本市
	}
	return w.at[k]
}

// breaks says whether the character at k is none of a place's name: 在, 和,
// but not the 和 of 和平.
func (v *zhView) breaks(runes []rune, k int) bool {
	if v.z.x.shape[runes[k]-zhFirst]&zhNever == 0 {
		return false
	}
	whole := func(from, to int) bool { return from >= 0 && to <= len(runes) && v.z.x.word(runes[from:to]) != 0 }
	return !(runes[k] == '和' || runes[k] == '有' || runes[k] == '后' || runes[k] == '前' || runes[k] == '来' || runes[k] == '自') || !whole(k, k+2) && !whole(k-1, k+1)
}

// unended gives the length of a street or lane that no suffix ends, before the
// number of its house: 纱帽河|23号.
func (v *zhView) unended(i int) int {
	var w zhWindow
	w.forward(v.text, i, 6)
	if w.n < 2 || w.n > 5 || w.at[w.n] >= len(v.text) || v.text[w.at[w.n]]-'0' > 9 {
		return 0
	}
	if size, door := v.number(w.at[w.n], false); !door || !zhEnds(v.text[:w.at[w.n]+size], "号") && !zhEnds(v.text[:w.at[w.n]+size], "弄") {
		return 0
	}
	for k := range w.n {
		if v.breaks(w.run(), k) {
			return 0
		}
	}
	return w.at[w.n] - i
}
