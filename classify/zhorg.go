package classify

import "bytes"

// zhOrgEnds end the name of an organisation.
var zhOrgEnds = [...]string{"医院", "卫生院", "卫生服务中心", "卫生服务站", "诊所", "妇幼保健院", "有限责任公司", "有限公司", "公司", "集团", "大学", "学院", "小学", "中学", "幼儿园", "派出所", "养老院", "敬老院", "厂"}

// zhFamous are hospitals' names that need no region.
var zhFamous = [...]string{"协和", "同济", "湘雅", "华西", "瑞金", "仁济", "中山", "华山", "齐鲁", "安贞", "阜外", "宣武", "天坛", "友谊", "朝阳", "积水潭", "解放军", "武警", "儿童", "肿瘤", "第一", "第二", "第三", "第四", "第五"}

// organised adds the organisation whose last word begins at i, where a region
// or a label says where its name begins.
func (v *zhView) organised(i int) {
	for _, end := range zhOrgEnds {
		if !hasWide(v.text, i, end) {
			continue
		}
		stop := i + len(end)
		if v.continued(stop) {
			return
		}
		if from := v.orgFrom(i); from >= 0 {
			v.add(from, stop, Organization, 72, ByLexicon)
		}
		return
	}
}

// continued says whether the organisation's name goes on behind i.
func (v *zhView) continued(i int) bool {
	for _, more := range []string{"附属", "第一", "第二", "第三", "医院", "分院", "有限", "公司", "中心"} {
		if hasWide(v.text, i, more) {
			return true
		}
	}
	return false
}

// orgFrom goes back from an organisation's last word to where its name begins,
// -1 where nothing is sure.
func (v *zhView) orgFrom(i int) int {
	var w zhWindow
	w.backward(v.text, i, 22)
	low := 0
	for k := w.n - 1; k >= 0; k-- {
		if bytes.ContainsRune([]byte("的在于由至到因与往从为是经赴该本我贵某外各去当送"), w.runes[k]) || w.runes[k] == '和' && v.breaks(w.run(), k) {
			low = k + 1
			break
		}
	}
	for k := low; k < w.n; k++ {
		if size, full := v.region(w.at[k]); size >= 6 && (full || w.at[k]+size <= i) && w.at[k]+size <= i {
			return w.at[k]
		}
	}
	if low < w.n && v.employed(w.at[low]) {
		return w.at[low]
	}
	for k := low; k < w.n; k++ {
		for _, name := range zhFamous {
			if hasWide(v.text, w.at[k], name) && w.at[k] < i && len(name) <= i-w.at[k] {
				return w.at[k]
			}
		}
	}
	return -1
}

// employed says whether a label of an employer stands before i.
func (v *zhView) employed(i int) bool {
	for n := 0; n < 3 && i > 0; n++ {
		if v.text[i-1] == ':' || v.text[i-1] == ' ' {
			i--
		} else if zhEnds(v.text[:i], "：") || zhEnds(v.text[:i], "　") {
			i -= 3
		}
	}
	for _, label := range v.z.x.labels["employer"] {
		if zhEnds(v.text[:i], label) {
			return true
		}
	}
	return false
}
