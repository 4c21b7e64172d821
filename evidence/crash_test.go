package evidence

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const crashDir = "CORDON_TEST_EVIDENCE_CRASH"

// TestCrashChild is the server that TestKill kills: it logs batches and
// records without end and prints what it was promised.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("runs only as a child of TestKill")
	}
	s := &site{t: t, dir: dir}
	s.open()
	l := s.Log
	if err := l.Err(); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	next := int(l.pos.LastSeq) + 1
	l.mu.Unlock()
	for seq := max(1, next-3); ; seq++ { // the pipeline repeats some
		s.events(uint64(seq), batchOf(seq, 1+seq%7)...)
		s.put(Record{Kind: "k", ID: strconv.Itoa(seq), Body: fmt.Appendf(nil, "%d", seq)})
		if seq%5 == 0 {
			s.sync()
			fmt.Printf("synced %d %d\n", seq, l.Head().Size)
		}
	}
}

// kill -9 at random moments: what Sync promised is there, nothing is doubled,
// and everything verifies, before and after the next start.
func TestKill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts processes")
	}
	s := &site{t: t, dir: t.TempDir()}
	promised := 0
	for round := range 6 {
		promised = max(promised, runAndKill(t, s.dir, time.Duration(300+rand.IntN(500))*time.Millisecond))
		r := s.verify(func(src *Source) { src.File = nil })
		if !r.OK {
			t.Fatalf("round %d: %s", round, r.FirstBad)
		}
	}
	s.open()
	defer s.close()
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	s.sync()
	seen := map[uint64]int{}
	err := s.tiles.scan(0, s.Head().Size, func(_ uint64, data []byte) error {
		e, err := DecodeEntry(data)
		if err == nil && e.Kind == KindEvents {
			seen[e.Seq]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for seq := range promised {
		if seen[uint64(seq+1)] != 1 {
			t.Errorf("batch %d stands %d times in the log", seq+1, seen[uint64(seq+1)])
		}
	}
	if promised < 5 {
		t.Errorf("only %d batches were promised: the test tests nothing", promised)
	}
	rows := 0
	err = s.db.View(context.Background(), func(tx *sql.Tx) error { return tx.QueryRow("SELECT count(*) FROM records").Scan(&rows) })
	if row, _ := s.position(); err != nil || int64(rows) != row {
		t.Errorf("%d records, %d logged, %v", rows, row, err)
	}
}

// runAndKill gives the last batch that the child reported as synced.
func runAndKill(t *testing.T, dir string, after time.Duration) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "synced" {
			last, _ = strconv.Atoi(f[1])
		} else if strings.Contains(lines.Text(), "FAIL") {
			t.Errorf("child: %s", lines.Text())
		}
	}
	_ = cmd.Wait()
	return last
}
