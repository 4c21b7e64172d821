package evidence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/cordon-health/cordon/ocsf"
)

// Hash is a leaf or node of a Merkle tree of RFC 6962 with SHA-256.
type Hash = [32]byte

// Salt hides an item's content behind its leaf.
type Salt = [16]byte

// Leaf is SHA-256 of 0x00, the salt and the item's canonical bytes: the leaf
// hash of RFC 6962 over salt and content.
func Leaf(salt Salt, canonical []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(salt[:])
	h.Write(canonical)
	return Hash(h.Sum(nil))
}

// AppendEvent appends the canonical bytes of an event: its JSON without the
// explanation, which is decided later and may heal.
func AppendEvent(dst []byte, e *ocsf.Event) []byte {
	if e.Explanation == nil {
		return e.AppendJSON(dst)
	}
	bare := *e
	bare.Explanation = nil
	return bare.AppendJSON(dst)
}

// salter derives the salts of events from one month's key. It belongs to one
// goroutine.
type salter struct {
	mac hash.Hash
	buf [12]byte
	sum [32]byte
}

func newSalter(key []byte) *salter { return &salter{mac: hmac.New(sha256.New, key)} }

// salt is the first half of HMAC-SHA256(key, seq as 8 bytes, index as 4).
func (s *salter) salt(seq uint64, index uint32) Salt {
	binary.BigEndian.PutUint64(s.buf[:8], seq)
	binary.BigEndian.PutUint32(s.buf[8:], index)
	s.mac.Reset()
	s.mac.Write(s.buf[:])
	return Salt(s.mac.Sum(s.sum[:0])[:16])
}

// leafer computes leaves of events without garbage. It belongs to one
// goroutine.
type leafer struct {
	*salter
	text []byte
}

func (l *leafer) leaf(seq uint64, index uint32, e *ocsf.Event) Hash {
	salt := l.salt(seq, index)
	l.text = append(append(l.text[:0], 0), salt[:]...)
	l.text = AppendEvent(l.text, e)
	return sha256.Sum256(l.text)
}

// Root is the Merkle tree hash of RFC 6962 over leaves. It overwrites them.
func Root(leaves []Hash) Hash {
	if len(leaves) == 0 {
		return sha256.Sum256(nil)
	}
	for n := len(leaves); n > 1; n = fold(leaves[:n]) {
	}
	return leaves[0]
}

// fold replaces a level of the tree by the one above and returns its width; a
// last node without a sibling moves up as it is.
func fold(level []Hash) int {
	half := len(level) / 2
	for i := range half {
		level[i] = nodeHash(&level[2*i], &level[2*i+1])
	}
	if len(level)%2 == 1 {
		level[half] = level[len(level)-1]
		return half + 1
	}
	return half
}

func nodeHash(left, right *Hash) Hash {
	var b [65]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// Path is the inclusion proof of leaf i under Root(leaves). It overwrites
// leaves.
func Path(leaves []Hash, i int) [][]byte {
	path := [][]byte{}
	for n := len(leaves); n > 1; i /= 2 {
		if s := i ^ 1; s < n {
			sibling := leaves[s]
			path = append(path, sibling[:])
		}
		n = fold(leaves[:n])
	}
	return path
}

// CheckPath verifies an inclusion proof of RFC 6962.
func CheckPath(leaf Hash, i, n uint64, path [][]byte, root []byte) error {
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, i, n, leaf[:], path, root); err != nil {
		return fmt.Errorf("leaf %d of %d does not lead to the root", i, n)
	}
	return nil
}
