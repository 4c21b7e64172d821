// Command scan counts matches of a list of patterns in files with go-re2, RE2
// compiled to WebAssembly and run without C, which Cordon's scanner is compared
// with. bench.Scan builds and runs it; nothing else does.
//
//	scan PATTERNS FILE...
//
// It prints the matches and the seconds of processor time that finding them
// took, reading and compiling left out.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/wasilibs/go-re2"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: scan PATTERNS FILE")
	}
	list, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	all, err := re2.Compile(strings.ReplaceAll(strings.TrimSpace(string(list)), "\n", "|"))
	if err != nil {
		return err
	}
	matches, took := 0, 0.0
	for _, name := range args[1:] {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		begun := cpu()
		matches += len(all.FindAllIndex(text, -1))
		took += cpu() - begun
	}
	fmt.Println(matches, took)
	return nil
}

// cpu is the processor time this process has had, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
