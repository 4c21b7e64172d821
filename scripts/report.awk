# Reads the output of "go test -json" and prints one line per package, the whole
# output of what failed, each skipped test with its reason, and, last and alone,
# "N passed, N failed, N skipped". Exits with 1 if anything failed.

# field returns the text of one JSON member of the line, unescaped.
function field(name,    at, s, out, c) {
	at = index($0, "\"" name "\":\"")
	if (!at) return ""
	s = substr($0, at + length(name) + 4)
	out = ""
	while (s != "" && (c = substr(s, 1, 1)) != "\"") {
		if (c == "\\") {
			c = substr(s, 2, 1)
			if (c == "n") c = "\n"
			else if (c == "t") c = "\t"
			else if (c == "r") c = ""
			else if (c == "u") { c = escaped(substr(s, 3, 4)); s = substr(s, 5) }
			s = substr(s, 2)
		}
		out = out c
		s = substr(s, 2)
	}
	return out
}

function escaped(hex) {
	hex = tolower(hex)
	return hex == "003c" ? "<" : hex == "003e" ? ">" : hex == "0026" ? "&" : hex == "0027" ? "'" : hex == "001b" ? "" : "?"
}

function trim(s) { gsub(/^[ \t\n]+|[ \t\n]+$/, "", s); return s }

# The reason of a skip is the text that was logged before it, without the marks
# that go test puts around it.
function reason(text,    n, i, lines, out) {
	n = split(text, lines, "\n")
	out = ""
	for (i = 1; i <= n; i++) {
		if (lines[i] ~ /^ *(=== |--- )/) continue
		sub(/^ *[A-Za-z0-9_.\/-]+\.go:[0-9]+: /, "", lines[i])
		out = out " " trim(lines[i])
	}
	return trim(out) == "" ? "no reason given" : trim(out)
}

{
	action = field("Action"); pkg = field("Package"); test = field("Test")
	key = pkg " " test
}
action == "build-output" { built[field("ImportPath")] = built[field("ImportPath")] field("Output") }
action == "output" { said[key] = said[key] field("Output") }
test != "" && action == "pass" { passed++; delete said[key] }
test != "" && action == "fail" { failed++; bad[pkg]++; failures[++nf] = key }
test != "" && action == "skip" { skipped++; skips[++ns] = pkg "." test ": " reason(said[key]); delete said[key] }
test == "" && action == "pass" { print "ok    " pkg; fflush() }
test == "" && action == "skip" { print "-     " pkg " (no tests)"; fflush() }
test == "" && action == "fail" {
	print "FAIL  " pkg; fflush()
	if (!bad[pkg]) { failed++; failures[++nf] = key; origin[nf] = field("FailedBuild") }
}

END {
	if (nf) print "\nFailed:"
	for (i = 1; i <= nf; i++) {
		split(failures[i], part, " ")
		print "\n=== " part[1] (part[2] == "" ? "" : "." part[2])
		printf "%s%s", built[origin[i]], said[failures[i]]
		# A package that broke off has its reason under the test that was running.
		if (part[2] == "")
			for (k in said)
				if (index(k, part[1] " ") == 1 && k != failures[i]) printf "%s", said[k]
	}
	if (ns) print "\nSkipped:"
	for (i = 1; i <= ns; i++) print "  " skips[i]
	if (NR == 0) { print "no test ran"; failed++ }
	printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed > 0
}
