package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordon-health/cordon/ocsf"
)

// counters are what /metrics shows of the pipeline. No label ever holds a
// person or a patient.
type counters struct {
	stored, repeated, findings, healed prometheus.Counter
	unreadable                         prometheus.Counter
	accesses                           *prometheus.CounterVec
	latency                            prometheus.Histogram
}

func newCounters(reg prometheus.Registerer) *counters {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	c := &counters{
		stored:     counter("cordon_events_stored_total", "Events kept, repeats not counted."),
		repeated:   counter("cordon_events_repeated_total", "Events that were known already."),
		findings:   counter("cordon_findings_total", "Findings of all detectors."),
		healed:     counter("cordon_accesses_healed_total", "Accesses explained later than they came."),
		unreadable: counter("cordon_bus_unreadable_total", "Messages of the bus that could not be read."),
		accesses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cordon_accesses_total", Help: "Accesses by kind of explanation; unexplained ones have kind none."}, []string{"kind"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cordon_warning_seconds", Help: "From arrival of an event to its durable finding, in seconds.",
			Buckets: []float64{.005, .01, .02, .05, .1, .25, .5, 1, 2.5, 10, 60}}),
	}
	reg.MustRegister(c.accesses, c.latency)
	return c
}

func (c *counters) access(x *ocsf.Explanation) {
	kind := "none"
	if x.Explained {
		kind = x.Kind
	}
	c.accesses.WithLabelValues(kind).Inc()
}
