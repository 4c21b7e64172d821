#!/usr/bin/env bash
# Runs the tests and closes with what was skipped and why, what failed, and the
# counts. Arguments go to go test; without any, all packages are tested.
# TEST_PARALLEL and TEST_TIMEOUT change how many packages run at a time and how
# long one may take.
set -u
cd "$(dirname "$0")/.." || exit 3

[ $# -gt 0 ] || set -- ./...
results=$(mktemp) || exit 3
trap 'rm -f "$results"' EXIT

go test -json -p "${TEST_PARALLEL:-2}" -timeout "${TEST_TIMEOUT:-20m}" "$@" </dev/null >"$results" 2>"$results.err"
code=$?
# Without JSON there is nothing to count: go itself could not start.
[ -s "$results.err" ] && cat "$results.err" >&2
rm -f "$results.err"
awk -f scripts/report.awk "$results"
counted=$?
[ "$code" -eq 0 ] && [ "$counted" -eq 0 ]
