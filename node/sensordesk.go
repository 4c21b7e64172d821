package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/ocsf"
)

// sensorDesk is where sensors on other machines report and get their orders.
// What is known of them is in memory: they report again within half a minute.
type sensorDesk struct {
	now   func() time.Time
	table func() binding.Table

	mu    sync.Mutex
	seats map[string]*seat // guarded by mu

	made   sync.Mutex    // held while bindings are gathered
	recent binding.Table // guarded by made
	at     int64         // guarded by made: of recent
}

// seat is one sensor.
type seat struct {
	report api.SensorReport
	token  string // who may speak for it: the first token that did
	last   int64
	before api.SensorReport // a minute ago, for rates
	at     int64            // of before
	orders []due
	wake   chan struct{}
	leave  chan struct{}                    // closed when the sensor reports again: one waits at a time
	waits  map[string]chan api.SensorResult // by id of the order
}

// due is an order, and until when it may be begun.
type due struct {
	api.SensorOrder
	until time.Time
}

const (
	// sensorWait is how long a report waits for something to do.
	sensorWait = 25 * time.Second
	// sensorLost is after how long without a report a sensor counts as gone.
	sensorLost = 90 * time.Second
	// orderLife is how long somebody waits for an order to be done.
	orderLife   = 20 * time.Second
	mostSensors = 1000
	// mostNames are the sensors that one token may speak for, so that none
	// takes the seats of all.
	mostNames = 100
)

func newSensorDesk(now func() time.Time, table func() binding.Table) *sensorDesk {
	return &sensorDesk{now: now, table: table, seats: map[string]*seat{}}
}

// sync takes a report, and waits a while for something to do.
func (d *sensorDesk) sync(ctx context.Context, r api.SensorReport, token string) (api.SensorOrders, error) {
	s, leave, err := d.take(r, token)
	if err != nil {
		return api.SensorOrders{}, err
	}
	timer := time.NewTimer(sensorWait)
	defer timer.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if out, some := d.due(s, leave, r.Table); some {
			return out, nil
		}
		select {
		case <-leave:
			return api.SensorOrders{}, nil
		case <-ctx.Done():
			return api.SensorOrders{}, nil
		case <-timer.C:
			return api.SensorOrders{}, nil
		case <-s.wake:
		case <-tick.C: // the bindings may have changed
		}
	}
}

// take notes a report and hands on results.
func (d *sensorDesk) take(r api.SensorReport, token string) (*seat, chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now().UnixMilli()
	s := d.seats[r.Name]
	if err := d.refuse(s, r.Name, token, now); err != nil {
		return nil, nil, err
	}
	if s == nil {
		s = &seat{token: token, wake: make(chan struct{}, 1), waits: map[string]chan api.SensorResult{}, at: now, before: r}
		d.seats[r.Name] = s
	}
	if now-s.at >= time.Minute.Milliseconds() || r.Started != s.report.Started {
		s.before, s.at = s.report, s.last
	}
	s.report, s.last, s.token = r, now, token
	for _, x := range r.Results {
		if c := s.waits[x.ID]; c != nil {
			c <- x // buffered, one answer
			delete(s.waits, x.ID)
		}
	}
	s.report.Results = nil
	if s.leave != nil {
		close(s.leave)
	}
	s.leave = make(chan struct{})
	return s, s.leave, nil
}

// refuse keeps a token from the seat of another. That of a router is given to
// nobody else while the server runs: its orders are about what may pass.
func (d *sensorDesk) refuse(s *seat, name, token string, now int64) error {
	if s != nil {
		if s.token != token && (s.report.Enforces || now-s.last < sensorLost.Milliseconds()) {
			return api.Refusal{Status: 409, Text: wrongSeat(name)}
		}
		return nil
	}
	if len(d.seats) >= mostSensors {
		for other, x := range d.seats {
			if !x.report.Enforces && now-x.last >= sensorLost.Milliseconds() {
				delete(d.seats, other)
			}
		}
	}
	names := 0
	for _, x := range d.seats {
		if x.token == token {
			names++
		}
	}
	if names >= mostNames || len(d.seats) >= mostSensors {
		return api.Refusal{Status: 429, Text: ocsf.Text{EN: "too many sensors report", ZH: "上报的探针过多"}}
	}
	return nil
}

// owns says whether a token may tell what a sensor saw.
func (d *sensorDesk) owns(name, token string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seats[name]
	if s == nil {
		return nil
	}
	return d.refuse(s, name, token, d.now().UnixMilli())
}

// due is what a sensor has to do now.
func (d *sensorDesk) due(s *seat, leave chan struct{}, mark string) (out api.SensorOrders, some bool) {
	if t := d.bindings(); t.Mark != mark {
		out.Table, some = &t, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.leave != leave { // it reports anew, and gets them there
		return out, some
	}
	for _, o := range s.orders {
		if o.Within = o.until.Sub(d.now()).Milliseconds(); o.Within > 0 {
			out.Orders, some = append(out.Orders, o.SensorOrder), true
		}
	}
	s.orders = nil
	return out, some
}

// bindings are those of a moment ago: every sensor asks every second.
func (d *sensorDesk) bindings() binding.Table {
	d.made.Lock()
	defer d.made.Unlock()
	if now := d.now().UnixMilli(); d.at == 0 || now-d.at >= 900 {
		d.recent, d.at = d.table(), now
	}
	return d.recent
}

// do has a sensor do something and waits for the answer.
func (d *sensorDesk) do(ctx context.Context, sensor, method string, args, answer any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	o := api.SensorOrder{ID: rand.Text(), Method: method, Args: raw}
	result, err := d.order(sensor, o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, orderLife)
	defer cancel()
	select {
	case x := <-result:
		if x.Error != "" {
			return fmt.Errorf("sensor %s: %s", sensor, x.Error)
		}
		if answer == nil {
			return nil
		}
		return json.Unmarshal(x.Answer, answer)
	case <-ctx.Done():
		d.forget(sensor, o.ID)
		return fmt.Errorf("sensor %s did not answer in time; whether it did what was asked (%s) is not known: look at its state and ask again", sensor, method)
	}
}

func (d *sensorDesk) order(sensor string, o api.SensorOrder) (<-chan api.SensorResult, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seats[sensor]
	if s == nil || d.now().UnixMilli()-s.last > sensorLost.Milliseconds() {
		return nil, fmt.Errorf("sensor %s does not report; see that it runs and reaches this server", sensor)
	}
	result := make(chan api.SensorResult, 1)
	s.waits[o.ID] = result
	s.orders = append(s.orders, due{o, d.now().Add(orderLife)})
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return result, nil
}

// forget drops an order that nobody waits for; it may not be done late.
func (d *sensorDesk) forget(sensor, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.seats[sensor]; s != nil {
		delete(s.waits, id)
		s.orders = slices.DeleteFunc(s.orders, func(o due) bool { return o.ID == id })
	}
}

// routers names the sensors that take orders about their kernel.
func (d *sensorDesk) routers() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, s := range d.seats {
		if s.report.Enforces {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// list says how the sensors do.
func (d *sensorDesk) list() (all []api.SensorState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, s := range d.seats {
		r := s.report
		x := api.SensorState{Name: name, Version: r.Version, Where: r.Where, Last: s.last, Since: r.Started, Packets: r.Packets, Bytes: r.Bytes,
			Drops: r.Drops, Bad: r.Bad, Enforces: r.Enforces, Problem: r.Problem}
		if ms := s.last - s.at; ms > 0 {
			x.PerSecond = max(0, float64(r.Packets-s.before.Packets)*1000/float64(ms))
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b api.SensorState) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func wrongSeat(name string) ocsf.Text {
	return ocsf.Text{
		EN: "another sensor reports as " + name + " with another token; give each sensor a name and a token of its own",
		ZH: "另有探针以其他令牌使用名称 " + name + "；每个探针须使用各自的名称与令牌",
	}
}
