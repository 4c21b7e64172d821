package main

import (
	"encoding/base64"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// fromBase64 makes FILE of FILE.base64, so that scripts can hold what is not
// text: frombase64 FILE
func fromBase64(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: frombase64 FILE")
	}
	text := strings.Join(strings.Fields(ts.ReadFile(args[0]+".base64")), "")
	data, err := base64.StdEncoding.DecodeString(text)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o600))
}
