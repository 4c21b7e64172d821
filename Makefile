# Cordon. "make" lists what there is.
TEMPL    = $(shell go list -m -f '{{.Version}}' github.com/a-h/templ)
N       ?= 10
EVENTS  ?= 1000000

.PHONY: help build test fuzz bench bench-capture bench-release bench-scan bench-sigma lint generate demo deps clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

build: ## bin/cordon, and bin/cordon-verify without C
	go build -trimpath -o bin/cordon ./cmd/cordon
	CGO_ENABLED=0 go build -trimpath -o bin/cordon-verify ./cmd/cordon-verify

test: ## all tests; installs what they need when root, else says what is missing
	@scripts/deps.sh
	@scripts/test.sh

fuzz: ## every fuzz target for N seconds each (N=10)
	@scripts/fuzz.sh $(N)

bench: ## the measurements of the README, on this machine (EVENTS=1000000)
	go test -run '^TestGoals$$' -count 1 -timeout 6h ./bench -measure -events $(EVENTS) -out bench/RESULTS.md

bench-capture: ## the network sensor on a file and on a wire; needs the sample data, and root for the wire
	go test -run '^TestGoals$$' -count 1 -timeout 1h ./bench -measure -only capture -out bench/CAPTURE.md

bench-release: ## tables made anonymous, risk, traces of leaked copies; needs the sample data
	go test -run '^TestGoals$$' -count 1 -timeout 1h ./bench -measure -only release -out bench/RELEASE.md

bench-scan: ## the scanner for patient data, beside ripgrep, RE2 and go-re2; needs the sample data
	go test -run '^TestGoals$$' -count 1 -timeout 1h ./bench -measure -only scan -out bench/SCAN.md

bench-sigma: ## the rule engine alone, beside another; needs the sample data
	go test -run '^TestGoals$$' -count 1 -timeout 1h ./bench -measure -only sigma -out bench/SIGMA.md

lint: ## gofmt, vet, staticcheck, govulncheck
	@scripts/lint.sh

generate: ## the pages' Go code, from their .templ files
	go run github.com/a-h/templ/cmd/templ@$(TEMPL) generate

demo: ## a simulated hospital day, open in the browser
	go run ./cmd/cordon demo

deps: ## what the tests need beside Go
	@scripts/deps.sh

clean: ## remove what was built
	rm -rf bin
