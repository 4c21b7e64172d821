package normalize

import "testing"

func TestGoldenATNA(t *testing.T) { golden(t, "atna", "atna", "golden-atna.txt") }
