package node

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/evidence"
)

// plantedPatientKind is the kind of record of a planted patient.
const plantedPatientKind = "planted-patient"

// plantPatient invents a patient: a record number that no patient has, a name
// and a birth date, a telephone number and a mail address that can be nobody's.
// It has no identity number: every valid one may be somebody's.
func (n *Node) plantPatient(ctx context.Context, by string) (api.PlantedPatient, error) {
	p := n.inventPatient()
	rows := "kind,patient_id,from,until,reason\ncanary," + p.Number + "," + n.now().AddDate(0, 0, -1).Format(time.DateOnly) + ",,planted patient\n"
	c, err := n.Import(ctx, "watchlist", strings.NewReader(rows), nil)
	if err == nil && c.Quarantined > 0 {
		err = errors.New("the watchlist refused the row")
	}
	if err != nil {
		return api.PlantedPatient{}, fmt.Errorf("plant a patient: %w", err)
	}
	n.patients.learn([]classify.Sighting{{Numbers: []string{p.Number}, Names: []string{p.Name}, BirthDate: p.BirthDate, Phones: []string{p.Phone}}})
	n.plantWatched()
	if _, honey, ok := n.patients.now.Load().Match(classify.MRN, []byte(p.Number)); !ok || !honey {
		return api.PlantedPatient{}, errors.New("plant a patient: the index did not take it; see the log for the reason")
	}
	body, err := json.Marshal(map[string]string{"number": n.key.Token("id", p.Number), "by": by})
	if err != nil {
		return api.PlantedPatient{}, err
	}
	return p, n.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := n.evidence.Put(tx, evidence.Record{Kind: plantedPatientKind, ID: rand.Text(), Time: n.now().UnixMilli(), Status: "planted", Body: body})
		return err
	})
}

// inventPatient draws until the index knows nobody with the number.
func (n *Node) inventPatient() api.PlantedPatient {
	for {
		p := api.PlantedPatient{
			Number: "8" + digits(9), Name: pick("陆", "沈", "顾", "邵", "汤", "严", "温", "殷") + pick("知", "予", "清", "若", "望", "景") + pick("遥", "舟", "澜", "岑", "禾", "川"),
			BirthDate: time.Date(1950+below(50), time.Month(1+below(12)), 1+below(28), 0, 0, 0, 0, time.UTC).Format(time.DateOnly),
			Phone:     "1000" + digits(7), // no operator has numbers that begin with 10
		}
		p.Email = "p" + p.Number + "@patients.example" // RFC 2606: belongs to nobody
		if !n.patients.now.Load().Owns([]byte(p.Number)) && !n.patients.now.Load().Owns([]byte(p.Phone)) {
			return p
		}
	}
}

func below(n int) int {
	x, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		panic(err) // the system has no randomness
	}
	return int(x.Int64())
}

func pick(of ...string) string { return of[below(len(of))] }

func digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + below(10))
	}
	return string(b)
}
