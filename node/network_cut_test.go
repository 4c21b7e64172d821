package node

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/playbook"
	"github.com/cordon-health/cordon/zone"
)

// pulse sends a byte every few milliseconds and notes when the last came back.
type pulse struct {
	conn net.Conn
	last atomic.Int64 // UnixNano
}

func newPulse(t *testing.T, c net.Conn) *pulse {
	p := &pulse{conn: c}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		for {
			if _, err := c.Write([]byte{1}); err != nil {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	go func() {
		b := make([]byte, 64)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			p.last.Store(time.Now().UnixNano())
		}
	}()
	return p
}

func (p *pulse) beats() bool { return time.Since(time.Unix(0, p.last.Load())) < 200*time.Millisecond }

// isolate cuts a device off with two approvals, in the middle of a
// conversation, and lets it back in; what keeps patients alive is refused.
func (h *hospitalLab) isolate() {
	t := h.networkLab.t
	t.Helper()
	ctx := context.Background()
	services := h.n.networkServices()
	ct, err := services.Device(ctx, "10.77.1.2")
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	if err := services.Edit(ctx, ct.ID, api.DeviceEdit{LifeSupport: &yes}, "test"); err != nil {
		t.Fatal(err)
	}
	want := playbook.Want{Action: zone.IsolateDevice, Params: map[string]string{"device": ct.ID, "reason": "lab"}, By: "zero"}
	if e, err := h.n.runner.Do(ctx, want); err == nil {
		for _, who := range []string{"one", "two"} {
			e, err = h.n.runner.Decide(ctx, e.Key, playbook.Decision{By: who, Human: who, Approve: true})
		}
		if err == nil && e.Status == playbook.StatusDone || !h.passes("ct", "10.77.2.2:8443") {
			t.Errorf("a device of life support is cut off: %+v %v", e, err)
		}
	}
	if err := services.Edit(ctx, ct.ID, api.DeviceEdit{LifeSupport: &no}, "test"); err != nil {
		t.Fatal(err)
	}
	if err := h.n.enforce.protect(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := h.dial("ct", "10.77.2.2:8443", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	p := newPulse(t, c)
	eventually(t, "the conversation lives", p.beats)
	e, err := h.n.runner.Do(ctx, want)
	if err != nil || e.Status != playbook.StatusWanted || !p.beats() {
		t.Fatalf("nobody approved: %+v %v", e, err)
	}
	if e, err = h.n.runner.Decide(ctx, e.Key, playbook.Decision{By: "one", Human: "one", Approve: true}); err != nil || e.Status != playbook.StatusWanted || !p.beats() {
		t.Fatalf("one approved: %+v %v", e, err)
	}
	begun := time.Now()
	if e, err = h.n.runner.Decide(ctx, e.Key, playbook.Decision{By: "two", Human: "two", Approve: true}); err != nil || e.Status != playbook.StatusDone {
		t.Fatalf("two approved: %+v %v\n%s", e, err, tail(h.logs.String(), 2000))
	}
	cut := time.Unix(0, p.last.Load()).Sub(begun)
	t.Logf("a live conversation ended %v after the second approval: %s", cut.Round(time.Millisecond), e.Result)
	if cut > 2*time.Second || p.beats() || h.passes("ct", "10.77.2.2:8443") {
		t.Errorf("the device still talks; it was cut after %v", cut)
	}
	if e, err = h.n.runner.Undo(ctx, e.Key, "one"); err != nil || e.Status != playbook.StatusUndone {
		t.Fatalf("undo: %+v %v", e, err)
	}
	if !h.passes("ct", "10.77.2.2:8443") {
		t.Error("the device is not back")
	}
}

// sensorDies: what a sensor saw while the server could not be reached survives
// kill -9 of the sensor, and is told once.
func (h *hospitalLab) sensorDies() {
	t := h.networkLab.t
	t.Helper()
	before := h.images().Sessions
	h.wire.set(true)
	h.store()
	h.store()
	eventually(t, "the sensor keeps what it saw", func() bool {
		time.Sleep(3 * time.Second) // an interval of its reports
		list, err := os.ReadDir(h.sensor.Dir + "/spool")
		return err == nil && len(list) > 0
	})
	h.kill()
	h.wire.set(false)
	h.sense()
	eventually(t, "what the sensor had kept is known", func() bool { return h.images().Sessions >= before+2 })
	h.drained()
	if got := h.images().Sessions; got != before+2 {
		t.Errorf("%d conversations of 2 are told", got-before)
	}
	if !h.passes("ct", "10.77.2.2:8443") || h.passes("gst", "10.77.2.2:8443") {
		t.Error("with the sensor went the policy")
	}
}

// serverRests: the sensor goes on while the server is away.
func (h *hospitalLab) serverRests() {
	t := h.networkLab.t
	t.Helper()
	before := h.images().Sessions
	time.Sleep(500 * time.Millisecond) // the new sensor's capture opens after its first report
	clean(t, "the server's log", h.server.logs.String())
	h.server.stop()
	h.store()
	if h.passes("gst", "10.77.2.2:8443") {
		t.Error("without the server nothing is enforced")
	}
	h.server = h.site.start(t)
	h.ready()
	eventually(t, "what was seen meanwhile is known", func() bool { return h.images().Sessions > before })
	h.drained()
	if got := h.images().Sessions; got != before+1 {
		t.Errorf("%d conversations of 1 are told", got-before)
	}
	st, err := h.n.policies.state(context.Background())
	if err = errors.Join(err); err != nil || st.Force == nil {
		t.Errorf("after the restart nothing is in force: %+v %v", st, err)
	}
}
