package deid

import "github.com/cordon-health/cordon/classify"

// VaultWriter remembers what stood behind pseudonyms.
type VaultWriter struct{}

func (v *VaultWriter) remember(kind classify.Kind, pseudonym, value []byte) {
	if v == nil {
		return
	}
}
