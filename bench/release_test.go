package bench

// release measures anonymising and tracing; it needs the sample data.
func (r *run) release() error {
	lines, tables, err := Release(r.ctx, "../../shared/data", r.say)
	r.report.Add(lines...)
	r.report.Tables = append(r.report.Tables, tables...)
	return err
}
