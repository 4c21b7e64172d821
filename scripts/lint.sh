#!/usr/bin/env bash
# Static checks: gofmt and vet always, staticcheck at its pin, govulncheck where
# its database can be reached. A tool that cannot be had is named, not hidden.
set -u
cd "$(dirname "$0")/.." || exit 3
staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.7.0
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.1.4
failed=0

mapfile -t sources < <(git ls-files -co --exclude-standard '*.go')
unformatted=$(gofmt -l "${sources[@]}")
if [ -n "$unformatted" ]; then
	printf 'gofmt: not formatted, run gofmt -w on:\n%s\n' "$unformatted"
	failed=1
fi
go vet ./... || failed=1
[ "${1:-}" = quick ] && exit $failed

# Generated pages repeat harmless patterns; what is written by hand is judged.
if go run $staticcheck -version >/dev/null 2>&1; then
	go run $staticcheck ./... || failed=1
else
	echo "lint: staticcheck could not be downloaded and was left out"
fi
if out=$(go run $govulncheck ./... 2>&1); then
	echo "$out" | tail -1
elif grep -q 'fetching vulnerabilities\|no such host\|Forbidden' <<<"$out"; then
	echo "lint: govulncheck cannot reach its database and was left out"
else
	echo "$out"
	failed=1
fi
exit $failed
