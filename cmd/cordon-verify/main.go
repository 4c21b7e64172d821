// Command cordon-verify checks evidence offline: a bundle that somebody handed
// over, or the data folder of a stopped server (better: a copy of it). It needs
// nothing but the file or folder and the public key of the log, and changes
// nothing. It links no engine but SQLite, and no C, so that it can be built for
// any system and given away.
package main

import (
	"context"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], environment{out: os.Stdout, err: os.Stderr, lang: os.Getenv("LC_ALL") + os.Getenv("LC_MESSAGES") + os.Getenv("LANG")})
	stop()
	os.Exit(code)
}
