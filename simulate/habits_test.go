package simulate

import (
	"crypto/sha256"
	"testing"
)

// sum is a hash of everything a hospital gives.
func sum(t *testing.T, habits ...string) (out [32]byte) {
	t.Helper()
	h := newHospital(t, Config{Seed: 6, Days: 3, Staff: 140, Patients: 700, WarmupDays: 2, Habits: habits})
	s := sha256.New()
	for _, err := range []error{h.WriteDirectory(s), h.WriteRoster(s)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.Stream(func(it Item) bool { s.Write(it.Data); return true })
	return [32]byte(s.Sum(nil))
}

// TestEveryHabitTells: no habit leaves the hospital as it is in the textbook.
func TestEveryHabitTells(t *testing.T) {
	plain := sum(t)
	for _, x := range AllHabits() {
		t.Run(x.Name, func(t *testing.T) {
			t.Parallel()
			if sum(t, x.Name) == plain {
				t.Error("the habit changes nothing")
			}
			if x.About == "" || x.share <= 0 {
				t.Error("it says nothing of itself, or is never drawn")
			}
		})
	}
}

func TestDrawnHabitsFitTogether(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		drawn := DrawHabits(seed)
		if err := checkHabits(drawn); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		for _, name := range drawn {
			seen[name] = true
		}
	}
	for _, x := range AllHabits() {
		if !seen[x.Name] {
			t.Errorf("no seed draws %s", x.Name)
		}
	}
	for _, wrong := range [][]string{{"nonsense"}, {noRoster, partRoster}} {
		if _, err := New(Config{Habits: wrong}); err == nil {
			t.Errorf("%v are taken", wrong)
		}
	}
}
