package classify

import (
	"context"
	"fmt"
	"testing"
)

// What is remembered must be what a scan says, also where two values or kinds
// share a place in the table.
func TestRememberedValuesAreWhatAScanSays(t *testing.T) {
	i := inspector(t)
	values := []string{"张三丰", "13800138000", "11010519491231002X", "HIV", "王先生家", "2905", "", "a@b.cn"}
	kinds := []Kind{None, Name, Address, MRN, Phone, BirthDate}
	var want, got []string
	feed := func(_ context.Context, out Sink) error {
		for n := range 6000 {
			k, text := kinds[n%len(kinds)], values[n/3%len(values)]
			if n%5 == 0 {
				text = fmt.Sprint(text, n)
			}
			for _, sp := range i.Engine.Value(nil, k, "", []byte(text), Discover) {
				value := []byte(text[sp.Start:sp.End])
				want = append(want, fmt.Sprintln(n, sp.Kind, sp.Start, sp.Confidence, sp.Reason, Mask(sp.Kind, value), sp.Kind == Condition || i.Key.Token(tokenKind(sp.Kind, sp.Kind.String()), string(value)) != ""))
			}
			if err := out.Part(Part{Kind: k, Record: int64(n), Offset: -1, Text: []byte(text)}); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := i.InspectParts(t.Context(), feed, func(f *Finding) error {
		got = append(got, fmt.Sprintln(f.record, f.kind, f.Offset, f.Confidence, f.Reason, f.Masked, f.kind == Condition || f.Token != ""))
		return nil
	})
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d findings, want %d: %v", len(got), len(want), err)
	}
	for n := range want {
		if got[n] != want[n] {
			t.Fatalf("finding %d is %s, want %s", n, got[n], want[n])
		}
	}
}

// The short way for fields whose kind the format says gives what a scan of the
// value, judged with its field, gives.
func TestPlainFieldsAreWhatAScanSays(t *testing.T) {
	i := inspector(t)
	for _, k := range []Kind{Name, Address, Organization, Date, BirthDate} {
		for _, text := range []string{"张三", "李四 ", "无", "王磊/李娜", "Dr. Smith", "a=b", "患者张三丰", "北京市朝阳区建国路12号", "12 Main St 94305", "A123456(7)",
			"Ａ123456（7）", "云南省富源县海溪乡210号36栋692室", "见身份证11010519491231002X", "192.168.1.20", "王先生家", "HIV阳性", "1980-02-03", "1980年3月4日",
			"19800203", "943 476 5919", "(01)00643169001763(17)171231", "1HGCM82633A004352", "http://a.b/c", "a@b.cn", "Smith, John", "住院号Z12345"} {
			s := scan{engine: i.Engine, text: []byte(text)}
			s.whole()
			s.field(k, 0)
			want := fmt.Sprint(arbitrate(s.found, 0, 0))
			if got := fmt.Sprint(i.Engine.Value(nil, k, "", []byte(text), Discover)); got != want {
				t.Errorf("%v %q: %s, want %s", k, text, got, want)
			}
		}
	}
}
