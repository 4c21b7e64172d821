// Package release lets data sets leave with measured risk. It gives the
// mathematics of a release: tables made anonymous, the risk that remains,
// counts with noise and a budget for them, and marks by which a leaked copy
// names its recipient.
//
// Tables. A [Table] holds its columns as small numbers beside their dictionary.
// [Anonymize] generalises the columns that together could point at a person
// along a [Hierarchy] each, drops the rows that still stand too alone, and so
// makes classes of rows that look alike: at least k rows each, with l different
// sensitive values, whose distribution is no further than t from the table's.
// Of all full-domain generalisations it takes the one with the least loss, and
// proves it: a node of the lattice is passed over only when a more general one
// already drops too many rows, or when its own lower bound is no better than
// what was found. Refining afterwards ([Config.Refine]) splits classes one by
// one, which loses less and keeps the same promises.
//
// Loss is the mean over the columns of how much of a column's domain a
// published cell stands for, 0 for the value itself and 1 for a cell of a
// dropped row: the model that ARX uses unless told otherwise (loss, geometric
// mean), so that figures compare.
//
// Risk. [Measure] counts what an attacker can do who knows that somebody is in
// the table (prosecutor), who does not (journalist) and who wants many
// (marketer), estimates how many rows are unique in the population, and gives
// the level of GB/T 42460. [Profile] finds the columns that single people out.
//
// Counts. [Noise] draws from the discrete Laplace and Gaussian distributions
// with integers only, so that no rounding leaks; [Ledger] keeps what was spent
// for each data set and recipient in the store and refuses when it is used up.
//
// Marks. [Marker.Mark] gives each recipient a copy of their own: cells that
// could as well have another value say, under a key, yes to a question that only
// the holder of the secret can ask. [Secret.Trace] asks it of a fragment for
// every copy that left. A row's own content says which questions it is asked, so order,
// deleted rows and lost columns do not matter; the probability that a copy is
// accused wrongly is computed, not estimated, and what exceeds [MostFalse] is
// not named.
//
// The way out. [Broker] takes a data set in, sealed, with a [Wish]: purpose,
// recipient, legal basis, last day, [Recipe]. It makes the recipient's copy,
// measures it, and attacks it (a new search, a comparison with the source under
// the site's key, a match with the hospital's own patients, linkage by all that
// is kept); what is found blocks it. Somebody other than who asked approves,
// and each step is a version of one record in evidence, which together are the
// release proof.
//
// What it guarantees. Whatever Anonymize returns was counted again and holds
// k, l and t, or it returns an error. Randomness is a parameter. No error holds
// a value of a table. What it does not do: k, l and t say nothing about what
// an attacker knows beyond the columns called quasi-identifying, and two
// differently generalised versions of one table can say more than each: release
// one. A table that is generalised in all of its columns says too little for
// marks within any reasonable budget; [Marks.Proven] tells.
//
// It owns the tables release_spent, release_request and release_mark, and the
// blobs below release/.
package release

import "errors"

// ErrRefused marks what must not leave as it is: the error says what stands in
// the way and what to do.
var ErrRefused = errors.New("not to be released")
