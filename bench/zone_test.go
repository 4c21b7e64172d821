package bench

// zone measures the zone policy in the kernel.
func (r *run) zone() error {
	lines, err := Zones(r.ctx, r.say)
	r.report.Add(lines...)
	return err
}
