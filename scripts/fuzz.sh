#!/usr/bin/env bash
# Runs every fuzz target for N seconds each (first argument, default 10). What a
# target finds is kept by go test under testdata/fuzz of its package, and from
# then on is a test.
set -u
cd "$(dirname "$0")/.." || exit 3
seconds=${1:-10}
failed=0
while IFS=: read -r file line; do
	name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	echo "== $(dirname "$file") $name, ${seconds}s"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "${seconds}s" "./$(dirname "$file")" </dev/null || failed=1
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -E '^func Fuzz' /dev/null)
exit $failed
