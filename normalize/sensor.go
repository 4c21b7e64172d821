package normalize

import (
	"errors"
	"slices"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/ocsf"
)

// FormatSensor is the format of Cordon's own sensors. Whoever hands it in
// speaks under Cordon's name about the network, so it has a way in of its own.
const FormatSensor = "sensor"

// sensorClasses are what sensors may speak of.
func sensorClasses() []ocsf.Class {
	return []ocsf.Class{ocsf.InventoryInfo, ocsf.NetworkActivity, ocsf.DatastoreActivity}
}

// parseSensor reads what sensors send: OCSF events of few classes. The name of
// the sensor is that of the sender, whatever the event says.
func (n *Normalizer) parseSensor(in Input, out *Output) {
	inner := &Output{in: in}
	n.parseOCSF(in, inner)
	out.rejects = append(out.rejects, inner.rejects...)
	for _, e := range inner.events {
		if err := checkSensor(e); err != nil {
			out.Reject(0, e.AppendJSON(nil), err.Error())
			continue
		}
		e.Metadata.LogProvider = in.Source
		out.events = append(out.events, e)
	}
}

func checkSensor(e *ocsf.Event) error {
	switch {
	case !slices.Contains(sensorClasses(), e.ClassUID):
		return errors.New("class_uid is none that sensors send")
	case e.Metadata.Product.Name != asset.Product || e.Metadata.LogName != asset.LogName:
		return errors.New("metadata.product.name or log_name is not that of a sensor")
	case e.Patient != nil:
		return errors.New("sensors know no patients")
	}
	return nil
}
