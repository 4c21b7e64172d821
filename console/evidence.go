package console

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/cordon-health/cordon/evidence"
)

// verification is the one verification that runs, or the last one.
type verification struct {
	mu sync.Mutex
	// guarded by mu
	state checkState
}

// checkState is how far it is and how it ended.
type checkState struct {
	Running  bool
	By       string
	Begun    int64
	Ended    int64
	Progress evidence.Progress
	Report   *evidence.Report
	// Failed is the reference of an error in the log.
	Failed string
}

func (v *verification) get() checkState {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}

func (v *verification) set(change func(*checkState)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.state)
}

// begin says whether this caller may run it.
func (v *verification) begin(by string, at int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.state.Running {
		return false
	}
	v.state = checkState{Running: true, By: by, Begun: at}
	return true
}

// evidencePage is the head of the log and the last verification.
type evidenceFile struct {
	Head     evidence.Head
	Root     string
	Origin   string
	Key      string
	Problems []evidence.Problem
	Check    checkState
	Files    int
	Rows     int64
	Bytes    int64
}

func (q *request) evidenceModel() evidenceFile {
	h, s := q.Book.Head(), q.Lake.Stats()
	return evidenceFile{Head: h, Root: hex.EncodeToString(h.Root[:]), Origin: q.Book.Origin(), Key: q.Book.PublicKey(),
		Problems: q.Book.Problems(), Check: q.check.get(), Files: s.Files, Rows: s.Rows + s.Buffered, Bytes: s.Bytes}
}

func (q *request) evidence() error {
	p := q.page("nav.evidence")
	return q.show(p, evidencePage(p, q.evidenceModel()))
}

func (q *request) evidenceLive() error {
	return q.write(http.StatusOK, checkPanel(q.page("nav.evidence"), q.check.get()))
}

// verify begins a verification, which goes on when the page is left.
func (q *request) verify() error {
	if q.check.begin(q.ses.User.Name, q.Now().UnixMilli()) {
		go q.runCheck(context.WithoutCancel(q.r.Context()))
	}
	return q.redirect("/evidence#check")
}

// mostCheck ends a verification that hangs.
const mostCheck = 6 * time.Hour

func (c *Console) runCheck(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, mostCheck)
	defer cancel()
	report, err := c.Verify(ctx, func(p evidence.Progress) {
		c.check.set(func(s *checkState) { s.Progress = p })
	})
	failed := ""
	if err != nil {
		failed = rand.Text()[:10]
		c.Log.Error("verification not done", "reference", failed, "error", err)
	}
	c.check.set(func(s *checkState) {
		s.Running, s.Ended, s.Failed = false, c.Now().UnixMilli(), failed
		if err == nil {
			s.Report = &report
		}
	})
}

// done is how far the present step is, 0 to 100.
func (s checkState) done() float64 {
	if s.Progress.Total <= 0 {
		return 0
	}
	return 100 * float64(s.Progress.Done) / float64(s.Progress.Total)
}

// step is the name of the present step.
func (s checkState) step() string {
	switch s.Progress.Step {
	case "files", "records":
		return s.Progress.Step
	}
	return "log"
}
