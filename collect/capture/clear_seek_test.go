package capture

import (
	"math/rand/v2"
	"testing"
)

// clearSlowly reads every sign, as numbers would without seek.
func clearSlowly(c *clearScan, d *clearSide, b []byte) (found bool) {
	for _, x := range b {
		found = c.sign(d, x) || found
	}
	return found
}

// TestNumbersAreNotPassedOver cuts numbers into chunks among all kinds of other
// bytes: no run of 17 digits or more may be passed over.
func TestNumbersAreNotPassedOver(t *testing.T) {
	turn := rand.New(rand.NewPCG(3, 4))
	numbers := []string{"11010519491231002X", "310104200109172034", "11010120000101123x", "12345678901234567", "1234567890123456789", "2026"}
	others := []string{"a", " ", "_", "\x00", "\r\n", "9", ".", "\xff", "  \"id\":\"", "12-31", "\x00\x00\x00"}
	found := 0
	for range 30_000 {
		var b []byte
		for range 1 + turn.IntN(12) {
			text := others[turn.IntN(len(others))]
			if turn.IntN(3) == 0 {
				text = numbers[turn.IntN(len(numbers))]
			}
			wide := turn.IntN(4) == 0
			for i := range len(text) {
				if b = append(b, text[i]); wide {
					b = append(b, 0)
				}
			}
			for range turn.IntN(3) * turn.IntN(20) {
				b = append(b, others[turn.IntN(len(others))][0])
			}
		}
		var fast, slow clearScan
		for rest := b; len(rest) > 0; {
			n := 1 + turn.IntN(len(rest))
			x, y := fast.numbers(&fast.sides[0], rest[:n]), clearSlowly(&slow, &slow.sides[0], rest[:n])
			if x != y || fast.id != slow.id {
				t.Fatalf("%q up to %q: %v instead of %v", b, rest[:n], x, y)
			}
			if x {
				found++
			}
			rest = rest[n:]
		}
	}
	if found < 100 {
		t.Errorf("found only %d times", found)
	}
}
