package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// cost is Argon2id's: time, memory in KiB, threads. RFC 9106 section 4, second
// recommended option would be 64 MiB; 46 MiB with one pass keeps a sign-in
// below 100 ms on two slow cores and is the first choice of OWASP's list.
type cost struct {
	time, memory uint32
	threads      uint8
}

func today() cost { return cost{time: 1, memory: 46 << 10, threads: 1} }

// MinPassword is the shortest password taken, in characters (NIST SP 800-63B
// section 5.1.1.2 asks for 8; a second factor is always on).
const MinPassword = 10

// CheckPassword refuses weak passwords, with the reason.
func CheckPassword(name, password string) error {
	low := strings.ToLower(password)
	switch {
	case utf8.RuneCountInString(password) < MinPassword:
		return fmt.Errorf("the password has fewer than %d characters", MinPassword)
	case len(password) > 512:
		return errors.New("the password is longer than 512 bytes")
	case name != "" && strings.Contains(low, strings.ToLower(name)):
		return errors.New("the password contains the user name")
	case repetitive(low):
		return errors.New("the password is made of too few different characters")
	}
	return nil
}

func repetitive(s string) bool {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen) < 5
}

// hashPassword gives "argon2id$time$memory$threads$salt$hash".
func hashPassword(password string) string {
	c := today()
	var salt [16]byte
	rand.Read(salt[:])
	sum := argon2.IDKey([]byte(password), salt[:], c.time, c.memory, c.threads, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("argon2id$%d$%d$%d$%s$%s", c.time, c.memory, c.threads, b64.EncodeToString(salt[:]), b64.EncodeToString(sum))
}

// samePassword compares in constant time. An unreadable hash matches nothing.
func samePassword(hash, password string) bool {
	var c cost
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "argon2id" {
		return false
	}
	if _, err := fmt.Sscanf(strings.Join(parts[1:4], " "), "%d %d %d", &c.time, &c.memory, &c.threads); err != nil {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) == 0 {
		return false
	}
	got := argon2.IDKey([]byte(password), salt, c.time, c.memory, c.threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}
