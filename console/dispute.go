package console

import (
	"net/http"

	"github.com/cordon-health/cordon/api"
)

// dispute takes down for a patient that an access was not for the treatment.
// The access is named in the form, not in the address.
func (q *request) dispute() error {
	token := q.r.PathValue("token")
	id, err := q.seal.Open(sealPatient, token)
	if err != nil {
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	wish := api.DisputeWish{Patient: id, Event: q.text("event"), Note: q.text("note"), Channel: "console"}
	if _, err := q.Dispute(q.r.Context(), q.ses.User, wish); err != nil {
		return err
	}
	return q.redirect("/patients/" + token + "?done=dispute")
}
