package api

import (
	"net/http"

	"github.com/cordon-health/cordon/identity"
)

// PlantedPatient is a patient who does not exist, as it is to be seeded where
// nobody has business. It is told once: Cordon keeps the number, on the
// watchlist, and hashes of the rest.
type PlantedPatient struct {
	Number    string `json:"patient_id"`
	Name      string `json:"name"`
	BirthDate string `json:"birth_date"`
	Phone     string `json:"phone"`
	Email     string `json:"email"`
}

func (a *API) patientRoutes() []route {
	return []route{
		{method: "GET", path: "/api/v1/data/patients", id: "getPatientIndex", may: identity.SeeData, status: 200, answer: PatientIndex{},
			about: "How many patients and identifiers the index of the hospital's own patients knows, and how many are planted.", serve: (*call).patientIndex},
		{method: "POST", path: "/api/v1/data/patients/plant", id: "plantPatient", may: identity.Tune, status: 201, answer: PlantedPatient{},
			about: "Make a patient who does not exist, known to the index and on the watchlist as canary. What is answered is to be seeded; it is told once.", serve: (*call).plantPatient},
	}
}

func (c *call) patientIndex() error { return c.answer(http.StatusOK, c.Data.Patients()) }

func (c *call) plantPatient() error {
	p, err := c.Data.Plant(c.r.Context(), c.user.Name)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, p)
}
