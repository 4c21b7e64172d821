package normalize

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// parseOCSF reads OCSF events. They keep their own class, ids and times;
// what other producers write differently is brought to the one way Cordon
// reads it.
func (n *Normalizer) parseOCSF(in Input, out *Output) {
	item := 0
	d := ocsf.NewDecoder()
	eachJSON(in.Data, func(data []byte) error {
		out.reading(item, data)
		e := &ocsf.Event{}
		if err := d.Decode(data, e); err != nil {
			return err
		}
		if err := n.settle(e); err != nil {
			out.Reject(item, data, err.Error())
		} else {
			out.Event(e)
		}
		item++
		return nil
	}, func(data []byte, reason string) {
		out.Reject(item, data, reason)
		item++
	})
}

// settle brings an event of another producer to Cordon's way.
func (n *Normalizer) settle(e *ocsf.Event) error {
	if e.Time == 0 {
		n.timeFromText(e)
	}
	switch {
	case e.ClassUID == ocsf.BaseEvent:
		return errors.New("class_uid is missing or 0")
	case e.Time == 0:
		return errors.New("time is missing")
	case e.Time != undated && within(e.Time) != nil:
		return fmt.Errorf("time %w", within(e.Time))
	case e.ActivityID < 0 || e.ActivityID > math.MaxUint8:
		return errors.New("activity_id is out of range")
	}
	if e.Patient == nil {
		e.Patient = patientResource(e)
	}
	if e.HTTPRequest != nil { // a query may hold names
		e.HTTPRequest.URL, _, _ = strings.Cut(e.HTTPRequest.URL, "?")
	}
	if e.QueryInfo != nil {
		e.QueryInfo.Text = n.statementOf(e)
	}
	if e.ClassUID == ocsf.WebResourcesActivity && e.Access == nil {
		e.Access = &ocsf.Access{}
	}
	return nil
}

// timeFromText takes the time from its textual sibling, time_dt.
func (n *Normalizer) timeFromText(e *ocsf.Event) {
	for _, m := range e.Extra {
		if m.Name != "time_dt" {
			continue
		}
		var s jsonscan.Scanner
		s.Reset(m.Value)
		text := s.Text()
		if ms, exact, ok := parseTime(text, n.zone); ok {
			e.Time = ms
			if !exact {
				e.Metadata.OriginalTime = string(text)
			}
		}
	}
}

// patientResource finds the patient among the resources of an event: one of
// type Patient, or named Patient/ID.
func patientResource(e *ocsf.Event) *ocsf.Patient {
	for _, list := range [][]ocsf.Resource{e.WebResources, e.Resources} {
		for _, r := range list {
			id, ok := strings.CutPrefix(r.UID, "Patient/")
			if !ok {
				id = r.UID
				if id == "" {
					id = r.Name
				}
			}
			if id != "" && (ok || strings.EqualFold(r.Type, "Patient")) {
				return &ocsf.Patient{UID: id}
			}
		}
	}
	return nil
}
