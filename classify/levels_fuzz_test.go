package classify

import (
	"bytes"
	"testing"
)

// FuzzReadLevels: whatever is read is refused, or gives every kind a level from
// 1 to 5, whatever it stands beside.
func FuzzReadLevels(f *testing.F) {
	f.Add(UsualLevels())
	f.Add(bytes.Replace(UsualLevels(), []byte("\n  1:"), []byte("\n  6:"), 1))
	f.Add([]byte(`{"standard":"x","levels":{"1":{}},"kinds":{"mrn":{"level":9}},"raise":[{}]}`))
	f.Add([]byte("[[[[["))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ReadLevels(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, k := range Kinds() {
			if n := l.Of(k); n < 1 || n > 5 {
				t.Fatalf("%s has level %d", k, n)
			}
		}
	})
}
