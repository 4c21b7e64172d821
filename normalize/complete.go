package normalize

import (
	"cmp"
	"slices"

	"github.com/cordon-health/cordon/internal/jsonscan"
	"github.com/cordon-health/cordon/ocsf"
)

// complete fills the attributes OCSF requires of a class where the source did
// not name them: then the system that wrote the record stands for the machine
// or the program. The list is ocsf/testdata/required.txt.
func complete(e *ocsf.Event) {
	product := e.Metadata.Product.Name
	switch e.ClassUID {
	case ocsf.WebResourcesActivity:
		if len(e.WebResources) == 0 {
			e.WebResources = []ocsf.Resource{touched(e)}
		}
	case ocsf.ApplicationLifecycle:
		if !slices.ContainsFunc(e.Extra, func(m ocsf.Member) bool { return m.Name == "app" }) {
			app := jsonscan.AppendString([]byte(`{"name":`), cmp.Or(e.Actor.AppName, product))
			e.Extra = append(e.Extra, ocsf.Member{Name: "app", Value: append(app, '}')})
		}
	case ocsf.Authentication:
		if e.User == nil {
			user := e.Actor.User
			e.User = &user
		}
		if e.DstEndpoint == (ocsf.Endpoint{}) {
			e.DstEndpoint.Name = cmp.Or(e.Actor.AppName, product)
		}
	case ocsf.APIActivity, ocsf.DatastoreActivity:
		completeCall(e, product)
	}
}

// touched is what an access was to where the source lists nothing: the
// patient's record, or what its code says.
func touched(e *ocsf.Event) ocsf.Resource {
	if e.Patient != nil && e.Patient.UID != "" {
		return ocsf.Resource{UID: e.Patient.UID, Type: "Patient"}
	}
	return ocsf.Resource{Name: cmp.Or(e.Metadata.EventCode, "unknown")}
}

func completeCall(e *ocsf.Event, product string) {
	if a := &e.Actor; a.AppName == "" && a.User.Account == "" && a.User.UID == "" {
		a.AppName = product
	}
	if e.SrcEndpoint == (ocsf.Endpoint{}) {
		e.SrcEndpoint.Name = product
	}
	switch {
	case e.ClassUID == ocsf.APIActivity && e.API == nil:
		e.API = &ocsf.API{Operation: cmp.Or(e.Metadata.EventCode, "unknown")}
	case e.ClassUID == ocsf.DatastoreActivity && e.Database == nil && e.Table == nil:
		e.Database = &ocsf.Named{Name: product}
	}
}
