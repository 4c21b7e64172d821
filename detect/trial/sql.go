package trial

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/normalize"
	"github.com/cordon-health/cordon/ocsf"
)

// A statement is a line: "sql" time account machine program, then any of
// rows=N, db=NAME, as=ACCOUNT (of the operating system), from=PRODUCT, failed,
// wire (a sensor saw it pass to the database of the product before it), and behind " : " its text. A program's "_" stands for a blank, "-" for none.

// sqlLine makes the event of a line that begins with sql.
func sqlLine(line string, n int) *ocsf.Event {
	head, sql, ok := strings.Cut(strings.TrimSpace(line), " : ")
	f := strings.Fields(head)
	if !ok || len(f) < 5 {
		failf("want: sql time account machine program ... : statement, got %q", line)
	}
	at := clock(f[1])
	ev := &ocsf.Event{
		ClassUID: ocsf.DatastoreActivity, ActivityID: 4, StatusID: ocsf.StatusSuccess, Time: at,
		Metadata:    ocsf.Metadata{UID: fmt.Sprintf("q%d", n), LogProvider: "db", LoggedTime: at, Product: ocsf.Product{Name: "MySQL"}},
		Actor:       ocsf.Actor{User: ocsf.User{Account: f[2]}},
		SrcEndpoint: ocsf.Endpoint{IP: f[3]},
		QueryInfo:   &ocsf.QueryInfo{Text: sql},
		Database:    &ocsf.Named{Name: "his"},
	}
	if f[4] != "-" {
		ev.Actor.AppName = strings.ReplaceAll(f[4], "_", " ")
	}
	for _, word := range f[5:] {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "rows":
			rows, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				fail(err)
			}
			ev.QueryInfo.Rows = rows
		case "db":
			ev.Database.Name = value
		case "as":
			ev.Actor.OnBehalfOf = &ocsf.User{Account: value}
		case "from":
			ev.Metadata.Product.Name = strings.ReplaceAll(value, "_", " ")
		case "wire":
			wire(ev)
		case "failed":
			ev.StatusID = ocsf.StatusFailure
		default:
			failf("unknown word %q", word)
		}
	}
	return ev
}

// wire makes it the event that collect/capture tells of a statement.
func wire(ev *ocsf.Event) {
	ev.DstEndpoint = ocsf.Endpoint{IP: "10.0.0.20", Port: 3306, Name: ev.Metadata.Product.Name}
	ev.Metadata.Product.Name, ev.Metadata.LogName, ev.Metadata.LogProvider = asset.Product, asset.LogName, "sensor-1"
	ev.Metadata.EventCode = "query"
}

// normalized is an event as normalize hands it out.
func (s *Site) normalized(ev *ocsf.Event) *ocsf.Event {
	format := "ocsf"
	if ev.Metadata.LogName == asset.LogName {
		format = normalize.FormatSensor
	}
	evs, rejects := s.sql.Normalize(normalize.Input{Format: format, Source: ev.Metadata.LogProvider, Received: ev.Time, Data: ev.AppendJSON(nil)})
	if len(evs) != 1 || len(rejects) > 0 {
		failf("statement %s: %d events, %v", ev.Metadata.UID, len(evs), rejects)
	}
	return evs[0]
}

// screen applies the words of a record about a screen: screen=NAME, drug=ID.
// Such a record is about no patient.
func screen(ev *ocsf.Event, name, value string) (ok bool) {
	switch name {
	case "screen":
		ev.WebResources = append(ev.WebResources, ocsf.Resource{Name: value})
	case "drug":
		ev.WebResources = append(ev.WebResources, ocsf.Resource{UID: value, Type: "Medication"})
	default:
		return false
	}
	if ev.Patient != nil && ev.Patient.UID == "-" {
		ev.Patient = nil
	}
	return true
}
