package ocsf

import "encoding/json"

// AppendJSON appends the canonical JSON of e to dst.
func (e *Event) AppendJSON(dst []byte) []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return append(dst, b...)
}

// Decode reads one JSON object into e, which is overwritten.
func Decode(data []byte, e *Event) error {
	*e = Event{}
	return json.Unmarshal(data, e)
}
