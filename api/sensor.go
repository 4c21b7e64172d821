package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"

	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/normalize"
)

// SensorReport is how a sensor on another machine does, and what became of its
// orders. Times are ms since 1970 UTC.
type SensorReport struct {
	// Name of the sensor, as in everything it tells.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Where names its interfaces.
	Where   []string `json:"where,omitempty"`
	Started int64    `json:"started"`
	// Packets to Bad count since Started; Waiting is what is not sent yet, in
	// bytes.
	Packets int64  `json:"packets"`
	Bytes   int64  `json:"bytes"`
	Drops   int64  `json:"drops"`
	Bad     int64  `json:"bad"`
	Waiting int64  `json:"waiting"`
	Problem string `json:"problem,omitempty"`
	// Enforces says that it takes orders about its kernel.
	Enforces bool `json:"enforces,omitempty"`
	// Table is the mark of the bindings it judges by.
	Table string `json:"table,omitempty"`
	// Results are those of orders since the last report.
	Results []SensorResult `json:"results,omitempty"`
}

// SensorOrder is something that a sensor on a router does to its kernel: a
// method of zone.Enforcer, zone.Isolator or zone.Prober, with its arguments.
type SensorOrder struct {
	ID     string          `json:"id"`
	Method string          `json:"method"`
	Args   json.RawMessage `json:"args,omitempty"`
	// Within is how long after its arrival it may be begun, in ms: an order
	// that nobody waits for any more is not done late.
	Within int64 `json:"within"`
}

// SensorResult is what became of an order.
type SensorResult struct {
	ID     string          `json:"id"`
	Error  string          `json:"error,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// SensorOrders are what a sensor has to do now. Table is nil while it has the
// newest.
type SensorOrders struct {
	Orders []SensorOrder  `json:"orders,omitempty"`
	Table  *binding.Table `json:"table,omitempty"`
}

// SensorSync takes a report and waits a while for something to do.
type SensorSync func(ctx context.Context, r SensorReport, token string) (SensorOrders, error)

var sensorName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$`)

func (a *API) sensorRoutes() []route {
	return []route{
		{method: "POST", path: "/api/v1/sensor/events", id: "sendSeen", may: identity.Sense, status: 202, answer: taken{},
			about:  "What a sensor of Cordon saw: lines of OCSF events. They count as Cordon's own word about the network.",
			params: []param{{"sensor", "Name of the sensor.", nil}}, body: "application/x-ndjson", most: a.Limits.Import, serve: (*call).sensorEvents},
		{method: "POST", path: "/api/v1/sensor/sync", id: "syncSensor", may: identity.Sense, status: 200, body: SensorReport{}, answer: SensorOrders{}, most: 64 << 20,
			about: "A sensor reports how it does, and waits up to half a minute for orders and for bindings to judge by.", serve: (*call).sensorSync},
	}
}

// sensorEvents takes events the way the HTTP collector does, in the format that
// only sensors may use.
func (c *call) sensorEvents() error {
	name := c.r.URL.Query().Get("sensor")
	if !sensorName.MatchString(name) {
		return bad("sensor is the sensor's name: letters, digits and . _ -, 48 at most", "sensor 须为探针名称：字母、数字及 . _ -，最长 48 个字符")
	}
	if c.SensorSeat != nil {
		if err := c.SensorSeat(name, c.user.Name); err != nil {
			return err
		}
	}
	r := c.r.Clone(c.r.Context())
	r.URL.RawQuery = url.Values{"format": {normalize.FormatSensor}, "source": {"sensor:" + name}}.Encode()
	c.sent = true
	c.Events(c.w, r)
	return nil
}

// ownFormat refuses the format of sensors on the way that is open to all.
func ownFormat(next http.HandlerFunc) func(*call) error {
	return func(c *call) error {
		if c.r.URL.Query().Get("format") == normalize.FormatSensor {
			return refuse(http.StatusForbidden, "what sensors see goes to /api/v1/sensor/events, with a token of role sensor", "探针数据须以 sensor 角色的令牌发送至 /api/v1/sensor/events")
		}
		next(c.w, c.r)
		return nil
	}
}

func (c *call) sensorSync() error {
	r, err := read[SensorReport](c)
	if err != nil {
		return err
	}
	if !sensorName.MatchString(r.Name) {
		return bad("name is the sensor's name: letters, digits and . _ -, 48 at most", "name 须为探针名称：字母、数字及 . _ -，最长 48 个字符")
	}
	if c.Sensors == nil {
		return missing()
	}
	orders, err := c.Sensors(c.r.Context(), r, c.user.Name)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, orders)
}
