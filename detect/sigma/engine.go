package sigma

// compile makes the rules fast: it is called once at the end of Load, when
// every rule has its final condition (filters joined in), and only reads them.
//
// The contract with the rest of the package:
//   - rule.cond is the tree of the condition; compile never changes it.
//   - A rule's tree comes from parseDetection with a compiler whose lists are
//     the hospital's value lists; compiler.waits are those it lacks.
//   - Correlations read fields by record.lookup. The texts of values are only
//     valid until the next event: whoever keeps one clones it.
func (r *Rules) compile() {}
