package deid

import "encoding/binary"

// maxShift is how many days a date moves at most.
const maxShift = 365

// Shift is by how many days the dates of a patient move: from -365 to 365,
// never 0, by whole weeks where the key keeps weekdays. The patient is known by
// the record number, in any spelling that has the same normal form.
func (k *Key) Shift(patient string) int {
	full := k.mac(&k.shift, "shift", normalCode([]byte(patient)))
	// 64 bits over at most 730 choices: the bias is below 1e-16.
	n := binary.BigEndian.Uint64(full[:8])
	unit, most := 1, maxShift
	if k.keepWeekdays {
		unit, most = 7, maxShift/7
	}
	days := int(n>>1%uint64(most)) + 1
	if n&1 == 0 {
		days = -days
	}
	return days * unit
}
