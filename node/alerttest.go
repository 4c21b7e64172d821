package node

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cordon-health/cordon/playbook"
)

// testedAlerts is when the ways in which warnings reach people were last
// tested, and how that went.
type testedAlerts struct {
	mu   sync.Mutex
	at   time.Time            // guarded by mu
	list []playbook.AlertTest // guarded by mu
}

// alertTests are the last results of testing the ways in which warnings reach
// people.
func (n *Node) alertTests() []playbook.AlertTest {
	n.tested.mu.Lock()
	defer n.tested.mu.Unlock()
	return slices.Clone(n.tested.list)
}

// TestAlerts tests those ways now and keeps the results.
func (n *Node) TestAlerts(ctx context.Context) ([]playbook.AlertTest, error) {
	at := n.now()
	list := n.runner.TestAlerts(ctx, at)
	n.tested.mu.Lock()
	n.tested.list, n.tested.at = list, at
	n.tested.mu.Unlock()
	data, err := json.Marshal(keptTests{at.UnixMilli(), list})
	if err != nil {
		return nil, err
	}
	return list, n.db.Update(ctx, func(tx *sql.Tx) error { return save(ctx, tx, "node_state", "alert-tests", string(data)) })
}

type keptTests struct {
	At   int64                `json:"at"`
	List []playbook.AlertTest `json:"list"`
}

func (n *Node) loadAlertTests(ctx context.Context) error {
	var text string
	err := n.db.View(ctx, func(tx *sql.Tx) (err error) {
		text, err = load(ctx, tx, "node_state", "alert-tests")
		return err
	})
	if err != nil || text == "" {
		return err
	}
	var k keptTests
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return fmt.Errorf("read the last test of alerts: %w", err)
	}
	n.tested.list, n.tested.at = k.List, time.UnixMilli(k.At)
	return nil
}

// prove does what the alarm path needs once a minute: samples are kept, the
// ways to people are tested once a day, and another machine hears that all is
// well.
func (n *Node) prove(ctx context.Context) error {
	if err := n.watcher.Save(ctx); err != nil {
		return err
	}
	n.tested.mu.Lock()
	last := n.tested.at
	n.tested.mu.Unlock()
	if n.cfg.Canary.DueTest(n.now(), last) {
		if _, err := n.TestAlerts(ctx); err != nil {
			return err
		}
	}
	return n.beat(ctx)
}

// beat tells a monitor elsewhere that the alarm path is proven. It is silent
// when it is not: then the monitor raises the alarm.
func (n *Node) beat(ctx context.Context) error {
	if n.cfg.Canary.Beat == "" || !n.watcher.Report().Proven() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.cfg.Canary.Beat, http.NoBody)
	if err != nil {
		return fmt.Errorf("canary.beat: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("canary.beat: the monitor cannot be reached: %w", hideAddress(err))
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("canary.beat: the monitor answered %s", res.Status)
	}
	return nil
}
