#!/usr/bin/env bash
# Runs the tests and closes with what failed, what was skipped and why, and the
# counts. Arguments go to go test; without any, all packages are tested.
# TEST_PARALLEL and TEST_TIMEOUT change how many packages run at a time and how
# long one may take.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 3

[ $# -gt 0 ] || set -- ./...
go test -json -p "${TEST_PARALLEL:-2}" -timeout "${TEST_TIMEOUT:-20m}" "$@" </dev/null | awk -f scripts/report.awk
