package trial

import (
	"strconv"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// said applies the words of a line that say more about the record itself:
// doc=KIND, id=NUMBER (of the document), content=TEXT, dated=TIME, seq=N,
// arrived=TIME, machine=NAME. ok is false for any other word.
func said(ev *ocsf.Event, name, value string) (ok bool) {
	doc := func() *ocsf.Resource {
		if len(ev.WebResources) == 0 {
			ev.WebResources = []ocsf.Resource{{Type: "DocumentReference"}}
		}
		return &ev.WebResources[0]
	}
	switch name {
	case "doc":
		ev.Access.Document = value
	case "id":
		doc().UID = value
	case "content":
		var key keyed.Key
		doc().SetLabel(ocsf.LabelContent, key.Token("content", value))
	case "dated":
		doc().SetLabel(ocsf.LabelDated, strconv.FormatInt(clock(value), 10))
	case "seq":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			fail(err)
		}
		ev.Metadata.Sequence = n
	case "arrived":
		ev.Metadata.LoggedTime = clock(value)
	case "machine":
		ev.Device.Hostname = value
	default:
		return false
	}
	return true
}
