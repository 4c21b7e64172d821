package statement

import (
	"strings"
	"testing"
)

// TestSpent: texts that run each other again and again are read up to a bound.
// Without it, each of these takes minutes to hours.
func TestSpent(t *testing.T) {
	nested := ""
	for _, part := range []string{"set @a='select a from t;%';", "set @b='exec(@a);%';", "set @c='exec(@b);%';"} {
		head, rest, _ := strings.Cut(part, "%")
		open := strings.LastIndex(head, "'")
		nested += head[:open+1] + strings.Repeat(head[open+1:], 600) + rest
	}
	nested += strings.Repeat("exec(@c);", 600)
	flat := "set @a='" + strings.Repeat("select a from t;", 4000) + "';" + strings.Repeat("exec(@a);", 7000)
	for name, text := range map[string]string{"nested": nested, "flat": flat} {
		for _, d := range []Dialect{SQLServer, MySQL} {
			r := NewReader(nil, nil)
			if got, _ := r.Read(text, d); got == nil {
				t.Errorf("%s: not read", name)
			}
			if masked := Mask(text, d, func(s string) string { return s }); masked == "" {
				t.Errorf("%s: masked away", name)
			}
		}
	}
}
