package normalize

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/cordon-health/cordon/ocsf"
)

// contentUID names an event whose source gave it no id: the first 16 bytes of
// the SHA-256 of its canonical JSON, made before source and time of receipt
// are set, so that the same record imported twice has the same id.
func contentUID(e *ocsf.Event) string {
	var buf [4096]byte
	sum := sha256.Sum256(e.AppendJSON(buf[:0]))
	return "sha256:" + hex.EncodeToString(sum[:16])
}
