package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/cordon-health/cordon/api"
)

type patientsCmd struct {
	Count patientsCountCmd `cmd:"" help:"How many patients, identifiers and planted patients the index knows."`
	Plant patientsPlantCmd `cmd:"" help:"Invent a patient, known to the index and the watchlist, to seed where nobody has business."`
}

type patientsCountCmd struct {
	target
	JSON bool `help:"Print JSON." name:"json"`
}

// Run prints the counts.
func (c patientsCountCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		x, err := get[api.PatientIndex](s, w.ctx, "GET", "/api/v1/data/patients", nil)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(w.out).Encode(x)
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		list := "never imported; give one with: cordon import --format patients FILE"
		if x.Built > 0 {
			list = "of " + time.UnixMilli(x.Built).Format("2006-01-02 15:04")
		}
		fmt.Fprintf(tab, "patients\t%d\nof these from messages\t%d\nidentifiers from messages\t%d\nplanted\t%d\nbytes of memory\t%d\nlist\t%s\n",
			x.Patients, x.New, x.Learned, x.Honey, x.Bytes, list)
		return tab.Flush()
	})
}

type patientsPlantCmd struct {
	target
	JSON bool `help:"Print JSON." name:"json"`
}

// Run plants a patient and says what to seed where.
func (c patientsPlantCmd) Run(w *world) error {
	return c.with(w, func(s *session) error {
		p, err := get[api.PlantedPatient](s, w.ctx, "POST", "/api/v1/data/patients/plant", nil)
		if err != nil {
			return err
		}
		if c.JSON {
			return json.NewEncoder(w.out).Encode(p)
		}
		tab := tabwriter.NewWriter(w.out, 0, 4, 2, ' ', 0)
		fmt.Fprintf(tab, "patient_id\t%s\nname\t%s\nbirth_date\t%s\nphone\t%s\nemail\t%s\n", p.Number, p.Name, p.BirthDate, p.Phone, p.Email)
		if err := tab.Flush(); err != nil {
			return err
		}
		_, err = fmt.Fprint(w.out, "\nThis is shown once. Enter this patient into the record system like any other, without a visit,\n"+
			"and leave a row with the number in tables, exports and shares where nobody has business. Whoever\n"+
			"opens the record, and any copy that leaves through the gateway or turns up in a scan, makes a case.\n"+
			"Nobody answers the phone number or gets the mail. Take the patient out of statistics and billing.\n")
		return err
	})
}
