package deid

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// generaliseDate leaves the year, where the value holds one.
func generaliseDate(value []byte) []byte {
	d, ok := readDate(value)
	if !ok || d.year == 0 {
		return nil
	}
	return strconv.AppendInt(nil, int64(d.year), 10)
}

// bandYears is the width of an age band.
const bandYears = 5

// topAge is the age from which HIPAA wants one class.
const topAge = 90

// generaliseAge gives an age's band of five years, "90+" from 90.
func generaliseAge(value []byte) []byte {
	age, from, _, ok := ageIn(value)
	if !ok || from > 0 && value[from-1] == '-' { // no age is negative
		return nil
	}
	if age >= topAge {
		return []byte("90+")
	}
	low := age / bandYears * bandYears
	return []byte(strconv.Itoa(low) + "-" + strconv.Itoa(low+bandYears-1))
}

// TopCodeAge writes 90 for every age in years above 89, in the same width
// ("093Y" becomes "090Y"), and leaves younger ones.
func TopCodeAge(value []byte) []byte {
	age, from, to, ok := ageIn(value)
	if !ok || age < topAge {
		return value
	}
	if to+1 < len(value) && value[to] == '.' { // of 93.5 nothing of the part is left
		for to++; to < len(value) && isDigit(value[to]); to++ {
		}
		return slices.Concat(value[:from], []byte("90"), value[to:])
	}
	number := "90"
	for len(number) < to-from {
		number = "0" + number
	}
	out := append([]byte{}, value[:from]...)
	out = append(out, number...)
	return append(out, value[to:]...)
}

// ageIn finds the first number of a value, in years: of days, weeks and months
// ("100D", "18个月", "30 days") as many as they make.
func ageIn(value []byte) (age, from, to int, ok bool) {
	for from < len(value) && !isDigit(value[from]) {
		from++
	}
	for to = from; to < len(value) && isDigit(value[to]); to++ {
	}
	age, err := strconv.Atoi(string(value[from:to]))
	return age / inYear(value[from:to], value[to:]), from, to, err == nil
}

// inYear is how many of the unit behind a number make a year. A single letter
// is a unit in DICOM's form only, three digits and it: elsewhere "95M" is a man.
func inYear(number, unit []byte) int {
	rest := strings.ToLower(strings.TrimSpace(string(unit)))
	if len(number) == 3 && len(rest) == 1 && len(unit) == 1 {
		rest = map[string]string{"d": "day", "w": "week", "m": "month"}[rest]
	}
	for _, u := range []struct {
		word string
		n    int
	}{{"day", 365}, {"天", 365}, {"日", 365}, {"week", 52}, {"周", 52}, {"month", 12}, {"个月", 12}, {"月", 12}} {
		if strings.HasPrefix(rest, u.word) && !strings.HasPrefix(rest, "周岁") {
			return u.n
		}
	}
	return 1
}

// generaliseZIP keeps the region of a postal code: three digits of an American
// one, or "000" where fewer than 20,000 people share them; the province of a
// Chinese one; the letters a British one begins with.
func generaliseZIP(value []byte) []byte {
	text := strings.TrimSpace(string(value))
	digits := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	switch {
	case digits < 0 && len(text) == 6:
		return []byte(text[:2] + "0000")
	case digits < 0 && len(text) == 5, digits == 5 && (text[5] == '-' || text[5] == ' '), digits < 0 && len(text) == 9:
		if sparse(text[:3]) {
			return []byte("000")
		}
		return []byte(text[:3])
	}
	letters := 0
	for letters < len(text) && letters < 2 && text[letters]|0x20 >= 'a' && text[letters]|0x20 <= 'z' {
		letters++
	}
	return []byte(text[:letters])
}

// sparse lists the three-digit areas with 20,000 people or fewer (census of
// 2000, the list in the guidance of the US Department of Health, 2012).
func sparse(zip3 string) bool {
	switch zip3 {
	case "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884", "890", "893":
		return true
	}
	return false
}

// province is the name of the province an address begins with, "" where it
// names none.
func province(address string) string {
	address = strings.TrimPrefix(strings.TrimSpace(address), "中国")
	for _, p := range provinces() {
		rest, ok := strings.CutPrefix(address, p)
		if !ok {
			continue
		}
		for _, tail := range []string{"维吾尔自治区", "壮族自治区", "回族自治区", "特别行政区", "自治区", "省", "市"} {
			if strings.HasPrefix(rest, tail) {
				return p + tail
			}
		}
		return p
	}
	return ""
}

func provinces() []string {
	return strings.Fields("北京 天津 上海 重庆 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西 甘肃 青海 台湾 内蒙古 广西 西藏 宁夏 新疆 香港 澳门")
}

// Perturb moves a number by up to part of it (0.05 is five percent) either
// way, always the same for one patient and value, with as many decimals as it
// had. What is no number gives nil.
func (k *Key) Perturb(value []byte, patient string, part float64) []byte {
	text := strings.TrimSpace(string(value))
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return nil
	}
	full := k.mac(&k.noise, "noise "+string(normalCode([]byte(patient))), []byte(text))
	// 53 bits make a number from -1 to 1.
	u := float64(binary.BigEndian.Uint64(full[:8])>>11)/(1<<52) - 1
	decimals := 0
	if at := strings.IndexByte(text, '.'); at >= 0 {
		decimals = len(text) - at - 1
	}
	return strconv.AppendFloat(nil, n*(1+u*part), 'f', decimals, 64)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// mark is what stands for a redacted value: "[person-name]".
func mark(dst []byte, kind string) []byte {
	if kind == "" {
		kind = "removed"
	}
	dst = append(dst, '[')
	dst = append(dst, kind...)
	return append(dst, ']')
}

// blank says that there is nothing in a value.
func blank(value []byte) bool {
	for len(value) > 0 {
		r, n := utf8.DecodeRune(value)
		if r > ' ' && r != 0x3000 {
			return false
		}
		value = value[n:]
	}
	return true
}
