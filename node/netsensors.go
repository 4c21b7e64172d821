package node

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/collect/capture"
)

// sensorList are the sensors of this process.
type sensorList struct {
	mu   sync.Mutex
	list []*capture.Sensor // guarded by mu
}

func (l *sensorList) add(s *capture.Sensor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
}

func (l *sensorList) all() []*capture.Sensor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// newSensor makes a sensor inside of the server, which judges by the book's own
// bindings.
func (n *Node) newSensor(c capture.SensorConfig) (collect.Collector, error) {
	s, err := capture.NewSensor(c, cursors{n.db}, n.now, n.log)
	if err != nil {
		return nil, err
	}
	n.sensors.add(s)
	return s, nil
}

// tendSensors gives sensors of this process the bindings, when they change.
func (n *Node) tendSensors(ctx context.Context) error {
	mark := ""
	for {
		if all := n.sensors.all(); len(all) > 0 {
			if t := n.network.table(); t.Mark != mark {
				mark = t.Mark
				for _, s := range all {
					s.Use(t)
				}
			}
		}
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

// fileSensor is the name under which a capture read by hand is told.
const fileSensor = "file"

// withSources adds the sensors that report nothing of themselves: those on the
// air, exporters of flows, and whoever has not come back since a restart.
func withSources(list []api.SensorState, sources []api.Source) []api.SensorState {
	for _, src := range sources {
		_, name, _ := strings.Cut(src.Name, ":")
		sensor := strings.HasPrefix(src.Name, "sensor:") && name != fileSensor
		if !sensor && !strings.HasPrefix(src.Name, "netflow:") || name == "" {
			continue
		}
		if !slices.ContainsFunc(list, func(s api.SensorState) bool { return s.Name == name }) {
			list = append(list, api.SensorState{Name: name, Since: src.First, Last: src.Last, EventsOnly: true})
		}
	}
	return list
}

// stateOf is how a sensor of this process does.
func stateOf(s *capture.Sensor, version string) api.SensorState {
	x := api.SensorState{Name: s.Name(), Version: version}
	st := s.State()
	if st == nil {
		x.Problem = "it has not begun yet"
		return x
	}
	x.Last, x.Since = st.At, st.Started
	x.Packets, x.Bytes, x.Drops, x.Bad = st.Stats.Packets, st.Stats.Bytes, st.Stats.Dropped, st.Stats.Bad
	if ms := st.At - st.Started; ms > 0 {
		x.PerSecond = float64(x.Packets) * 1000 / float64(ms)
	}
	for name, why := range st.Away {
		x.Where, x.Problem = append(x.Where, name), why
	}
	return x
}
