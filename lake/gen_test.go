package lake

import (
	"fmt"
	"math/rand/v2"

	"github.com/cordon-health/cordon/ocsf"
)

// hospital invents accesses: staff on wards open the records of patients.
type hospital struct {
	rng      *rand.Rand
	staff    []ocsf.User
	stations []ocsf.Endpoint
	patients int
	seq      uint64
	index    uint32
	docs     map[int][]string // documents of a patient
	day0     int64            // of part, and how many it gave
	done     int
}

func newHospital(seed uint64, patients, staff int) *hospital {
	h := &hospital{rng: rand.New(rand.NewPCG(seed, 1)), patients: patients, docs: map[int][]string{}}
	for i := range staff {
		h.staff = append(h.staff, ocsf.User{UID: fmt.Sprintf("S%05d", i), Account: fmt.Sprintf("user%d.%c", i*37%9973, 'a'+i%26)})
	}
	for i := range staff / 2 {
		h.stations = append(h.stations, ocsf.Endpoint{IP: fmt.Sprintf("10.%d.%d.%d", i/100, i%17, i%250), Name: fmt.Sprintf("WS-%04d", i)})
	}
	return h
}

func (h *hospital) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(h.rng.Uint32())
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuidText(b[:])
}

func pick[T any](h *hospital, list ...T) T { return list[h.rng.IntN(len(list))] }

func (h *hospital) patientID(p int) string { return fmt.Sprintf("MRN%08d", 10000000+p*7) }

// access is one access at a time in ms, logged lag ms later.
func (h *hospital) access(at, lag int64) Row {
	p := h.rng.IntN(h.patients)
	if len(h.docs[p]) == 0 || h.rng.IntN(50) == 0 {
		h.docs[p] = append(h.docs[p], "DocumentReference/"+h.uuid())
	}
	team := p * 7 % len(h.staff)
	person := (team + h.rng.IntN(12)) % len(h.staff)
	user := h.staff[person]
	admission := fmt.Sprintf("hl7:HIS:MSG%09d", 400000+p*3)
	e := &ocsf.Event{
		ClassUID: ocsf.WebResourcesActivity, ActivityID: pick(h, 1, 2, 2, 2, 2, 2, 2, 3, 5), SeverityID: 1, StatusID: 1, Time: at,
		Metadata: ocsf.Metadata{
			UID: h.uuid(), Version: ocsf.Version, Product: ocsf.Product{Name: "EMR"}, LogName: "fhir-auditevent",
			LogProvider: "emr", LoggedTime: at + lag, EventCode: "rest",
		},
		Actor:        ocsf.Actor{User: user},
		SrcEndpoint:  h.stations[(person/2+h.rng.IntN(3))%len(h.stations)],
		WebResources: []ocsf.Resource{{Type: "DocumentReference", UID: pick(h, h.docs[p]...)}},
		Patient:      &ocsf.Patient{UID: h.patientID(p), Encounter: fmt.Sprintf("ENC%09d", 500000+p*5)},
		Access:       &ocsf.Access{Purpose: []string{"TREAT"}, Document: pick(h, "34133-9", "11506-3", "18842-5", "11488-4", "57133-1")},
		Explanation: &ocsf.Explanation{Explained: true, Kind: pick(h, "ward-shift", "ward-shift", "attending", "order", "repeat"), At: at,
			Because: []string{admission, fmt.Sprintf("roster:%s:%d", user.UID, dayOf(at))}, Args: []string{"W" + fmt.Sprint(team%30), "D" + fmt.Sprint(team%12)}},
	}
	if h.rng.IntN(20) == 0 {
		e.Explanation = &ocsf.Explanation{At: at}
	}
	h.index++
	if h.index == 1000 {
		h.seq, h.index = h.seq+1, 0
	}
	return Row{Event: e, Seq: h.seq, Index: h.index}
}

// day is n accesses spread over a day, in the order of time.
func (h *hospital) day(day int64, n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		at := day*dayMillis + int64(i)*dayMillis/int64(n) + h.rng.Int64N(max(dayMillis/int64(n), 1))
		rows[i] = h.access(at, 200+h.rng.Int64N(1500))
	}
	return rows
}

// part is the next n of perDay accesses of a day.
func (h *hospital) part(day int64, perDay, n int) []Row {
	if h.day0 != day {
		h.day0, h.done = day, 0
	}
	rows := make([]Row, n)
	for i := range rows {
		step := dayMillis / int64(perDay)
		rows[i] = h.access(day*dayMillis+int64(h.done)*step+h.rng.Int64N(step), 200+h.rng.Int64N(1500))
		h.done++
	}
	return rows
}
