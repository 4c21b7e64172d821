package sigma

import "errors"

// What a rule may ask at most. No rule of the public collection comes near, and
// one that goes to the limit is still loaded in a moment and asked in one.
const (
	// maxNames are the detections of a rule, maxWords the words of its
	// conditions, and maxQuestions what those ask when each detection they name
	// is written in its place.
	maxNames     = 1000
	maxWords     = 5000
	maxQuestions = 100_000

	// maxProgram bounds a regular expression, maxPrograms those of a rule
	// together, and maxFilePrograms those of a file, in instructions;
	// maxRegexes is how many a file has.
	maxProgram      = 5000
	maxPrograms     = 50_000
	maxFilePrograms = 200_000
	maxRegexes      = 1000
)

// expressions are how many regular expressions a file has, and their size.
type expressions struct{ n, size int }

// What an event may cost at most: an expression is shown the first maxSteps of
// a value, a step being one instruction on one character, but always minShown
// characters; of all expressions together an event gets maxEventSteps.
const (
	maxSteps      = 1 << 23
	minShown      = 4096
	maxEventSteps = 1 << 26
)

// small says whether a condition asks no more than so many questions, which it
// takes away.
func small(n node, left *int) bool {
	list := []node{}
	switch n := n.(type) {
	case allOf:
		list = n
	case anyOf:
		list = n
	case negate:
		list = append(list, n.node)
	}
	for _, x := range list {
		if !small(x, left) {
			return false
		}
	}
	*left--
	return *left >= 0
}

func errTooLong(what string) error { return errors.New(what + "; make several rules of it") }
