package deid

import (
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/classify"
)

// Pseudonym is what stands for a value of a kind, always the same under one
// key, whatever format it was found in. No pseudonym can belong to a person:
// identity numbers get a region that was never assigned (99) and a wrong check
// character; telephones the unassigned country code 999; mail and web addresses
// the reserved domain example.invalid; network addresses the reserved block
// 240/4; all other numbers a token that begins with T. Names are invented in
// the script they were written in. A date, which needs its patient, becomes its
// year; see [Key.ShiftDate]. A value without content stays empty.
func (k *Key) Pseudonym(kind classify.Kind, value []byte) []byte {
	switch kind {
	case classify.Name:
		return k.name(nil, string(value), fullName)
	case classify.Date, classify.BirthDate:
		return generaliseDate(value)
	case classify.Age:
		return generaliseAge(value)
	case classify.ZIP:
		return generaliseZIP(value)
	}
	form := normal(kind, value)
	if len(form) == 0 {
		return nil
	}
	switch d := domain(kind); d {
	case "phone":
		return k.phone(form)
	case "address":
		return k.address(value, form)
	case "email":
		return append(k.lowToken(nil, d, form), "@example.invalid"...)
	case "url":
		return k.lowToken([]byte("https://example.invalid/"), d, form)
	case "ip":
		return k.ip(form)
	case "mac":
		return k.hardware(form)
	case "organization":
		return k.organization(value, form)
	}
	if id, ok := residentOf(form); ok {
		return k.resident(id)
	}
	return k.appendToken(nil, "code", form)
}

func (k *Key) lowToken(dst []byte, domain string, form []byte) []byte {
	return append(dst, strings.ToLower(string(k.appendToken(nil, domain, form)))...)
}

// phone encrypts the digits of a number after the country code 999, which is
// nobody's. Numbers too short for that get a token's digits.
func (k *Key) phone(form []byte) []byte {
	if text, err := k.Encrypt("phone", string(form)); err == nil {
		return []byte("+999" + text)
	}
	sum := k.mac(&k.token, "phone", form)
	return fmt.Appendf(nil, "+9990%07d", binary.BigEndian.Uint32(sum[:4])%10_000_000)
}

func (k *Key) ip(form []byte) []byte {
	sum := k.mac(&k.token, "ip", form)
	if a, err := netip.ParseAddr(string(form)); err == nil && a.Is6() {
		wide := [16]byte{0x20, 0x01, 0x0d, 0xb8}
		copy(wide[4:], sum[:])
		return []byte(netip.AddrFrom16(wide).String())
	}
	return []byte(netip.AddrFrom4([4]byte{240 | sum[0]&0x0f, sum[1], sum[2], sum[3]}).String())
}

func (k *Key) hardware(form []byte) []byte {
	sum := k.mac(&k.token, "mac", form)
	return fmt.Appendf(nil, "02:%02x:%02x:%02x:%02x:%02x", sum[0], sum[1], sum[2], sum[3], sum[4])
}

func (k *Key) organization(value, form []byte) []byte {
	sum := k.mac(&k.token, "organization", form)
	mark := base32.StdEncoding.EncodeToString(sum[:5])
	if hasHan(string(value)) {
		return []byte("机构" + mark)
	}
	return []byte("Organization " + mark)
}

// address keeps the province of a Chinese address; the rest is a mark that
// tells homes apart.
func (k *Key) address(value, form []byte) []byte {
	sum := k.mac(&k.token, "address", form)
	mark := base32.StdEncoding.EncodeToString(sum[:5])
	if hasHan(string(value)) {
		return []byte(province(string(value)) + "某地" + mark)
	}
	return []byte("Address " + mark)
}

// Hash is a keyed hash of a value of a kind in 64 hexadecimal digits.
func (k *Key) Hash(kind classify.Kind, value []byte) []byte {
	form := normal(kind, value)
	if len(form) == 0 {
		return nil
	}
	sum := k.mac(&k.token, "hash "+domain(kind), form)
	return hex.AppendEncode(nil, sum[:])
}

// residentID is a Chinese identity number taken apart.
type residentID struct {
	region   int // 6 digits
	birth    int // days since 1800-01-01
	sequence int // 3 digits
}

// residentOf reads an 18-character number with a valid check character.
func residentOf(form []byte) (residentID, bool) {
	if len(form) != 18 || checkCharacter(form[:17]) != form[17] {
		return residentID{}, false
	}
	born, err := time.Parse("20060102", string(form[6:14]))
	days := int(born.Sub(epoch()).Hours() / 24)
	if err != nil || days < 0 || days > 99999 {
		return residentID{}, false
	}
	region, _ := strconv.Atoi(string(form[:6]))
	sequence, _ := strconv.Atoi(string(form[14:17]))
	return residentID{region: region, birth: days, sequence: sequence}, true
}

func epoch() time.Time { return time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC) }

// checkCharacter is that of GB 11643, 0 for what is not 17 digits.
func checkCharacter(digits []byte) byte {
	sum := 0
	for i, weight := range [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		if digits[i] < '0' || digits[i] > '9' {
			return 0
		}
		sum += weight * int(digits[i]-'0')
	}
	return "10X98765432"[sum%11]
}

// resident encrypts region, birth and sequence as 14 digits between "99", a
// region that was never assigned, and "0" with a wrong check character, so
// that 18 characters stay and nobody has the number. It can be turned back.
func (k *Key) resident(id residentID) []byte {
	inner, err := k.Encrypt("resident", fmt.Sprintf("%06d%05d%03d", id.region, id.birth, id.sequence))
	if err != nil {
		panic("deid: " + err.Error()) // 14 digits are always a large enough domain
	}
	out := append([]byte("99"), inner...)
	out = append(out, '0')
	right := checkCharacter(out)
	if right == '0' {
		return append(out, '1')
	}
	return append(out, '0')
}

// unresident turns a pseudonym made by resident back.
func (k *Key) unresident(text string) (string, bool) {
	if len(text) != 18 || !strings.HasPrefix(text, "99") {
		return "", false
	}
	inner, err := k.Decrypt("resident", text[2:16])
	if err != nil {
		return "", false
	}
	region, sequence := inner[:6], inner[11:]
	days, err := strconv.Atoi(inner[6:11])
	if err != nil {
		return "", false
	}
	out := region + epoch().AddDate(0, 0, days).Format("20060102") + sequence
	if again, ok := residentOf([]byte(out + string(checkCharacter([]byte(out))))); !ok || string(k.resident(again)) != text {
		return "", false
	}
	return out + string(checkCharacter([]byte(out))), true
}
