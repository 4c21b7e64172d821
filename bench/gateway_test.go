package bench

// gateway measures verdicts of the web door; it needs the sample data.
func (r *run) gateway() error {
	lines, tables, err := Gateway(r.ctx, "../../shared/data", r.dir, r.say)
	r.report.Add(lines...)
	r.report.Tables = append(r.report.Tables, tables...)
	return err
}
