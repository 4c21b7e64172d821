package bus

import (
	"strings"
	"testing"
)

func TestCheckTopic(t *testing.T) {
	for topic, want := range map[string]bool{
		"events": true, "a": true, "a-1": true, strings.Repeat("a", MaxTopic): true,
		"": false, "A": false, "a.b": false, "a b": false, "*": false, "张": false, strings.Repeat("a", MaxTopic+1): false,
	} {
		if got := CheckTopic(topic) == nil; got != want {
			t.Errorf("topic %q: valid is %v, want %v", topic, got, want)
		}
	}
}

func TestGapError(t *testing.T) {
	for _, c := range []struct {
		gap  GapError
		want string
	}{
		{GapError{"events", 3, 10, 20}, "no longer has messages 3 to 9"},
		{GapError{"events", 30, 10, 20}, "ends at 20, but the reader has already seen 29"},
	} {
		if got := c.gap.Error(); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q in it", got, c.want)
		}
	}
}
