package normalize

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

func gb18030(t *testing.T, text string) string {
	t.Helper()
	out, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// accounts normalises text by a mapping of two columns.
func accounts(t *testing.T, format, text string) []string {
	t.Helper()
	m := &Mapping{Kind: "access", Time: From{Column: "t"}, Account: From{Column: "who"}, Patient: From{Column: "p"}}
	events, rejects := testNormalizer().Normalize(Input{Format: format, Data: []byte(text), Mapping: m})
	for _, r := range rejects {
		t.Fatalf("%s: item %d rejected: %s", format, r.Item, r.Reason)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Actor.User.Account)
	}
	return got
}

func TestEachRecordHasItsOwnCharacterSet(t *testing.T) {
	const at = "2026-03-02T08:00:00Z"
	line := func(who string) string { return `{"t":"` + at + `","who":"` + who + `","p":"P1"}` }
	row := func(who string) string { return at + "," + who + ",P1" }
	head := "t,who,p\n"
	for name, c := range map[string]struct{ format, text, want string }{
		"ndjson":        {"json", line("张三") + "\n" + line(gb18030(t, "李四光")) + "\n" + line("王五"), "张三 李四光 王五"},
		"broken byte":   {"json", line("张三") + "\n" + line("x\xff") + "\n" + line("王五"), "张三 x\ufffd 王五"},
		"damaged line":  {"json", line("张三丰\xe5"), "张三丰\ufffd"},
		"array":         {"json", "[\n  " + line("张三") + ",\n  " + line(gb18030(t, "李四光")) + "\n]", "张三 李四光"},
		"indented":      {"json", gb18030(t, strings.ReplaceAll(line("联通"), ",", ",\n  ")) + "\n" + line("张三"), "联通 张三"},
		"csv":           {"csv", head + row("张三") + "\n" + row(gb18030(t, "李四光")) + "\n" + row("王五"), "张三 李四光 王五"},
		"csv all GB":    {"csv", gb18030(t, head+row("张三")+"\n"+row("诸葛亮")), "张三 诸葛亮"},
		"mark and more": {"csv", "\ufeff" + head + row("张三") + "\n" + row(gb18030(t, "李四光")), "张三 李四光"},
	} {
		if got := accounts(t, c.format, c.text); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
