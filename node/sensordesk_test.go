package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/binding"
)

func testDesk() *sensorDesk {
	return newSensorDesk(time.Now, func() binding.Table { return binding.Table{Mark: "m"} })
}

func refusedWith(err error) int {
	var r api.Refusal
	if errors.As(err, &r) {
		return r.Status
	}
	return 0
}

// TestSeatOfARouter: another token gets the seat of a lost sensor, never that
// of a router, and tells nothing under its name.
func TestSeatOfARouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testDesk()
		for _, router := range []bool{true, false} {
			r := api.SensorReport{Name: fmt.Sprint("edge-", router), Enforces: router}
			if _, err := d.sync(t.Context(), r, "one"); err != nil {
				t.Fatal(err)
			}
			if refusedWith(d.owns(r.Name, "two")) != 409 || d.owns(r.Name, "one") != nil {
				t.Error("another token tells what this sensor saw")
			}
			time.Sleep(time.Hour)
			if _, err := d.sync(t.Context(), r, "two"); (refusedWith(err) == 409) != router {
				t.Errorf("router %t: the seat of a lost sensor: %v", router, err)
			}
		}
	})
}

// TestOneTokenTakesNotAllSeats: nor do lost sensors keep others out.
func TestOneTokenTakesNotAllSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testDesk()
		for n := range mostSensors {
			r := api.SensorReport{Name: fmt.Sprint("s", n)}
			if _, err := d.sync(t.Context(), r, fmt.Sprint("token", n/mostNames)); err != nil {
				t.Fatal(n, err)
			}
			if n == mostNames-1 {
				if _, err := d.sync(t.Context(), api.SensorReport{Name: "more"}, "token0"); refusedWith(err) != 429 {
					t.Errorf("one token takes more than %d seats: %v", mostNames, err)
				}
			}
		}
		if _, err := d.sync(t.Context(), api.SensorReport{Name: "new"}, "fresh"); refusedWith(err) != 429 {
			t.Error("there are more seats than there may be")
		}
		time.Sleep(time.Hour)
		if _, err := d.sync(t.Context(), api.SensorReport{Name: "new"}, "fresh"); err != nil {
			t.Error("lost sensors keep a new one out:", err)
		}
	})
}

// TestOneReportWaits: a sensor that reports again ends its wait before, which
// takes no orders with it; an order that nobody waits for is not handed out.
func TestOneReportWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testDesk()
		r := api.SensorReport{Name: "edge", Enforces: true, Table: "m"}
		got := make(chan api.SensorOrders, 2)
		wait := func() {
			out, err := d.sync(context.Background(), r, "one")
			if err != nil {
				t.Error(err)
			}
			got <- out
		}
		begun := time.Now()
		go wait()
		synctest.Wait()
		go wait()
		if first := <-got; len(first.Orders) > 0 || time.Since(begun) > 0 {
			t.Errorf("the wait before goes on: %+v %s", first, time.Since(begun))
		}
		if _, err := d.order("edge", api.SensorOrder{ID: "1", Method: "isolated"}); err != nil {
			t.Fatal(err)
		}
		if second := <-got; len(second.Orders) != 1 || second.Orders[0].Within != orderLife.Milliseconds() {
			t.Errorf("%+v", second)
		}
		if _, err := d.order("edge", api.SensorOrder{ID: "2", Method: "apply"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(orderLife)
		go wait()
		if late := <-got; len(late.Orders) != 0 {
			t.Errorf("handed out late: %+v", late)
		}
	})
}
