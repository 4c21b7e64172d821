package statement

// Statistic is the kind of statistic of prescriptions a query amounts to.
type Statistic int

// The kinds, the gravest last.
const (
	// NoStatistic: it is about one patient, or not about drugs prescribed.
	NoStatistic Statistic = iota
	// Half: it lists what is one half of a statistic (lines with their drugs,
	// or prescriptions with their doctors), which are joined outside.
	HalfItems
	HalfDoctors
	// ByDrug counts what was prescribed of each drug, or of one, without
	// doctors.
	ByDrug
	// Rows lists who prescribed which drug, uncounted.
	Rows
	// ByDoctor counts what each doctor, or one, prescribed of which drug.
	ByDoctor
)

// Statistic judges one query. What a query is filtered by counts like what it
// shows: one drug at a time is a statistic as well.
func (f *Facts) Statistic() Statistic {
	if f.Bound {
		return NoStatistic
	}
	return f.Slice()
}

// Slice is what a query would be if it were not about one patient: a part of a
// statistic.
func (f *Facts) Slice() Statistic {
	if !f.Kinds.Has(Items) && !f.Kinds.Has(Prescriptions) {
		return NoStatistic
	}
	seen := f.Shown | f.Dims | f.Filter
	items := f.Kinds.Has(Items) || f.Refs.Has(Quantity)
	drug := items && seen.Has(Drug)
	doctor := seen.Has(Doctor) || seen.Has(Staff) && f.Refs.Has(Doctor)
	switch {
	case drug && doctor && f.Counted:
		return ByDoctor
	case drug && doctor && f.Shown.Any(SetOf(Drug, Doctor, Staff, Quantity)):
		return Rows
	case drug && f.Counted && (f.Dims | f.Filter).Has(Drug) && f.Kinds.Has(Items):
		return ByDrug
	case f.Counted:
		return NoStatistic
	case f.Kinds.Has(Items) && f.Shown.Has(Drug) && f.Shown.Any(SetOf(Prescription, Visit)):
		return HalfItems
	case f.Kinds.Has(Prescriptions) && f.Shown.Has(Doctor) && f.Shown.Any(SetOf(Prescription, Visit)):
		return HalfDoctors
	}
	return NoStatistic
}

// Statistic is the gravest of all that a reading hands out, and the query that
// is it.
func (g *Reading) Statistic() (Statistic, *Facts) {
	worst, which := NoStatistic, (*Facts)(nil)
	for i := range g.Queries {
		if s := g.Queries[i].Statistic(); s > worst {
			worst, which = s, &g.Queries[i]
		}
	}
	return worst, which
}

// Slice is the gravest part of a statistic that a reading hands out.
func (g *Reading) Slice() Statistic {
	worst := NoStatistic
	for i := range g.Queries {
		worst = max(worst, g.Queries[i].Slice())
	}
	return worst
}

// Numbers says whether all that is handed out are numbers of rows, of all or of
// a time: nothing of a patient is shown, and nothing of one asked.
func (g *Reading) Numbers() bool {
	for i := range g.Queries {
		if f := &g.Queries[i]; !f.Number || f.Narrow && f.Filter == 0 || f.Filter&^SetOf(Time) != 0 {
			return false
		}
	}
	return len(g.Queries) > 0
}

// Level is the highest GB/T 39725 level of the tables read.
func (g *Reading) Level() int {
	level := 0
	for _, t := range g.Tables {
		level = max(level, t.Level)
	}
	return level
}

// Reads says whether it hands out rows, or stores them elsewhere.
func (g *Reading) Reads() bool { return len(g.Queries) > 0 }
