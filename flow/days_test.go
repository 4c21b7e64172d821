package flow

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cordon-health/cordon/store"
)

const midnight = noon - 8*hourMS // 2026-03-02

func day(n int64) time.Time { return time.UnixMilli(midnight + n*dayHours*hourMS).UTC() }

func TestRollUp(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) { testRollUp(t, open(t, engine)) })
	}
}

// some is traffic of three days, a part of it seen by two sensors.
func some(r *rand.Rand) Conversation {
	c := store1([]string{"core", "ward"}[r.IntN(2)], midnight+r.Int64N(3*dayHours)*hourMS, 1+r.Int64N(9))
	c.Client, c.Port = netip.AddrFrom4([4]byte{10, 2, 0, byte(r.IntN(20))}), uint16(r.IntN(3))
	c.Calls, c.Clear = map[string]int64{[]string{"C-STORE", "C-FIND"}[r.IntN(2)]: 1 + r.Int64N(4)}, nil
	return c
}

// check compares sums with a book that read every hour, and gives how many of
// the three days came from the rows of days.
func check(t *testing.T, db *store.DB, b *Book, when string) (rolled int) {
	t.Helper()
	plain := map[Key]Conversation{}
	for c, err := range b.Conversations(t.Context(), midnight, day(3).UnixMilli()) {
		if err != nil {
			t.Fatal(err)
		}
		c.Key.App += fmt.Sprint(c.From / hourMS / dayHours)
		if old, ok := plain[c.Key]; ok {
			old.Add(c)
			c = old
		}
		plain[c.Key] = c
	}
	sums := map[Key]Conversation{}
	for p, err := range b.Sums(t.Context(), midnight, day(3).UnixMilli()) {
		if err != nil {
			t.Fatal(err)
		}
		c := *p
		c.Key.App += fmt.Sprint(c.From / hourMS / dayHours)
		if _, twice := sums[c.Key]; twice {
			t.Error(when, "two sums of one key", c.Key)
		}
		sums[c.Key] = c
	}
	if diff := cmp.Diff(plain, sums, same(), cmpopts.EquateEmpty()); diff != "" {
		t.Error(when, diff)
	}
	for n := range int64(3) {
		_, ok, err := b.day(t.Context(), span{day(n).UnixMilli() / hourMS, dayHours})
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			rolled++
		}
	}
	return rolled
}

func reopen(t *testing.T, db *store.DB) *Book {
	t.Helper()
	b, err := Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rollUp(t *testing.T, b *Book, now time.Time) {
	t.Helper()
	if err := b.RollUp(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

func testRollUp(t *testing.T, db *store.DB) {
	r := rand.New(rand.NewPCG(1, 2))
	b := reopen(t, db)
	want := func(when string, days int) {
		t.Helper()
		if got := check(t, db, b, when); got != days {
			t.Errorf("%s: %d days are summed, want %d", when, got, days)
		}
	}
	for range 4 {
		for range 500 {
			b.Apply(some(r))
		}
		save(t, db, b, noon)
	}
	want("no day is summed", 0)
	rollUp(t, b, day(2).Add(2*time.Hour)) // the third day is not over
	want("two days are over", 2)
	b = reopen(t, db)
	want("after a restart", 2)

	late := some(r)
	late.From, late.Until = midnight+hourMS, midnight+hourMS+1
	b.Apply(late)
	want("late news in memory", 1)
	rollUp(t, b, day(4)) // leaves a day alone whose news no checkpoint has
	save(t, db, b, noon)
	want("late news in the store", 2)
	b = reopen(t, db)
	want("after another restart", 2)
	rollUp(t, b, day(4))
	want("all days", 3)
	rollUp(t, b, day(4))
	want("all days again", 3)

	b.Apply(late)
	save(t, db, b, noon)
	rollUp(t, b, day(4))
	want("a day that still changes", 2)
	rollUp(t, b, day(4))
	want("a day that is calm again", 3)

	m := dayMark{midnight / hourMS / dayHours, 1} // an older count: a checkpoint came between
	b.Apply(late)
	save(t, db, b, noon)
	if err := b.roll(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	want("a checkpoint while a day was summed", 2)

	rollUp(t, b, day(4))
	rollUp(t, b, day(4))
	want("calm once more", 3)
	last := store1("core", day(2).UnixMilli(), 1)
	b.Apply(last)
	save(t, db, b, day(0).Add(Keep+time.Hour).UnixMilli())
	b = reopen(t, db)
	want("a day of which an hour is forgotten, and one that changed", 1)
}

// What is read while a checkpoint commits counts once.
func TestReadDuringCheckpoint(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			db := open(t, engine)
			b := reopen(t, db)
			b.Apply(store1("core", noon, 2))
			b.Apply(store1("core", noon+hourMS, 3))
			want := []string{"0 core 10.2.0.9>10.3.0.2:11112 dicom n=2 store=2", "1 core 10.2.0.9>10.3.0.2:11112 dicom n=3 store=3"}
			n := 0
			for c, err := range b.Conversations(t.Context(), noon, noon+2*hourMS) { // begins before a checkpoint, ends after it
				if err != nil {
					t.Fatal(err)
				}
				if n++; n == 1 {
					save(t, db, b, noon)
				} else if c.Sessions != 3 {
					t.Errorf("a checkpoint within a question: %d sessions, want 3", c.Sessions)
				}
			}
			b.Apply(store1("core", noon+hourMS, 1))
			want[1] = "1 core 10.2.0.9>10.3.0.2:11112 dicom n=4 store=4"
			ch := b.Changes(noon)
			if err := db.Update(t.Context(), func(tx *sql.Tx) error { return ch.Write(t.Context(), tx) }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, read(t, b, noon, noon+2*hourMS)); diff != "" {
				t.Error("committed, not yet told:", diff)
			}
			b.Saved()
			if diff := cmp.Diff(want, read(t, b, noon, noon+2*hourMS)); diff != "" {
				t.Error("told:", diff)
			}
		})
	}
}

// BenchmarkSums is the first question about a week after a restart, in CPU
// time. CORDON_FLOW_KEYS is how many conversations a day has.
func BenchmarkSums(b *testing.B) {
	keys := 2_000
	if n, err := strconv.Atoi(os.Getenv("CORDON_FLOW_KEYS")); err == nil {
		keys = n
	}
	db := open(b, "sqlite")
	book, err := Open(b.Context(), db)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, db, book, keys)
	question := func(b *testing.B) {
		before := cpu()
		for range b.N {
			fresh, err := Open(b.Context(), db)
			if err != nil {
				b.Fatal(err)
			}
			for _, err := range fresh.Sums(b.Context(), midnight, day(7).UnixMilli()) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric((cpu()-before).Seconds()/float64(b.N), "cpu-s/op")
	}
	b.Run("hours", question)
	before := cpu()
	if err := book.RollUp(b.Context(), day(9)); err != nil {
		b.Fatal(err)
	}
	b.Logf("summing takes %v of CPU a day", (cpu()-before)/7)
	b.Run("days", question)
}

// fill stores a week in which a conversation is seen in a third of the hours.
func fill(b *testing.B, db *store.DB, book *Book, keys int) {
	for hour := range 7 * dayHours {
		for i := range keys {
			if (int64(i)+hour)%3 != 0 {
				continue
			}
			c := store1("core", midnight+hour*hourMS, 4)
			c.Client, c.Port = netip.AddrFrom4([4]byte{10, 2, byte(i >> 8 & 7), byte(i)}), uint16(i>>11)
			book.Apply(c)
		}
		ch := book.Changes(noon)
		if err := db.Update(b.Context(), func(tx *sql.Tx) error { return ch.Write(b.Context(), tx) }); err != nil {
			b.Fatal(err)
		}
		book.Saved()
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // does not fail for itself
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
