//go:build !unix

package pgtest

import (
	"syscall"
	"testing"
)

// unprivileged skips: the server is started through a unix shell.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, errMissing }

// Own has nothing to do where no server is started.
func Own(testing.TB, string) {}
