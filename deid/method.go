package deid

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUsage means that what was asked for cannot be done as it was written.
var ErrUsage = errors.New("wrong use")

// Method is what is done to a value.
type Method uint8

// The methods, from what leaves nothing to what leaves everything.
const (
	Remove     Method = iota // the value and, where the format allows, its place
	Redact                   // a mark of its kind instead
	Hash                     // a keyed hash, 64 hexadecimal digits, that no table turns back
	Token                    // a keyed token of 16 characters
	Pseudonym                // what looks like one of its kind, always the same
	FPE                      // encrypted to the same alphabet and length, FF1
	UID                      // a new DICOM UID or UUID
	Generalise               // a date to its year, a postal code to its region, an age to its band
	Shift                    // a date moved with all others of its patient
	Perturb                  // a number with keyed noise
	Text                     // free text, cleaned by what classify finds in it
	Keep                     // as it is

	methods
)

func methodNames() [methods]string {
	return [methods]string{
		Remove: "remove", Redact: "redact", Hash: "hash", Token: "token", Pseudonym: "pseudonym",
		FPE: "fpe", UID: "uid", Generalise: "generalise", Shift: "shift", Perturb: "perturb",
		Text: "text", Keep: "keep",
	}
}

// String is the method's name in profiles and reports.
func (m Method) String() string {
	if m >= methods {
		return "unknown"
	}
	return methodNames()[m]
}

// MethodOf finds a method by its name.
func MethodOf(name string) (Method, error) {
	all := methodNames()
	for m, s := range all {
		if s == name {
			return Method(m), nil
		}
	}
	return 0, fmt.Errorf("%w: there is no method %q; there are: %s", ErrUsage, name, strings.Join(all[:], ", "))
}
