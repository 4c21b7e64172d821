package storetest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childEnv holds the location of the database in the process to be killed.
const childEnv = "CORDON_STORETEST_CHILD"

// runChild is the process to be killed: it counts up and prints each number
// after Update has returned. It reports whether it was meant.
func runChild(t *testing.T, e Engine) bool {
	location := os.Getenv(childEnv)
	if location == "" {
		return false
	}
	db, err := e.Open(context.Background(), location)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for n := 1; n < 100_000; n++ {
		if err := db.Update(context.Background(), increment); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("done %d\n", n)
	}
	return true
}

func testKill(t *testing.T, s suite) {
	db := s.openCounter(t)
	var done int64
	for round := range 3 {
		done += killAfter(t, s.location, 20+7*round)
		got := count(t, db)
		if got < done {
			t.Fatalf("round %d: %d updates had returned, %d are there", round, done, got)
		}
		if got > done+1 {
			t.Fatalf("round %d: %d updates had returned and one may have been on its way, but %d are there", round, done, got)
		}
		done = got
	}
	update(t, db, increment)
	wantCount(t, db, done+1)
}

// killAfter starts the writer, kills it once it has printed n numbers, and
// returns how many it has printed in all.
func killAfter(t *testing.T, location string, n int) (printed int64) {
	t.Helper()
	top, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.run=^"+top+"$", "-test.v=false")
	cmd.Env = append(os.Environ(), childEnv+"="+location)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "done ") {
			t.Logf("writer: %s", lines.Text())
			continue
		}
		printed++
		if printed == int64(n) {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the writer ended by itself")
	}
	if printed < int64(n) {
		t.Fatalf("the writer stopped after %d updates", printed)
	}
	return printed
}
