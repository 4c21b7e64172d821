package deid

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
)

// leastDomain is the smallest domain FF1 may be used on: SP 800-38G revision 1
// asks for a million, because a smaller one can be tried out.
const leastDomain = 1_000_000

// mostNumerals bounds the text of one encryption, whose time grows with the
// square of its length where it does not fit machine words.
const mostNumerals = 512

// ErrSmallDomain means that a value has too few possible ones to be encrypted
// to its own form.
var ErrSmallDomain = errors.New("fewer than a million values have this length; use pseudonym or token instead of fpe")

// ff1 is format-preserving encryption by NIST SP 800-38G, algorithm FF1.
type ff1 struct {
	block cipher.Block
	radix int // 2 to 256
}

// room is what one encryption works in; it is on the heap, because the block
// cipher is called through an interface.
type room struct {
	prf, block [16]byte
	last       [16]byte // the last block of Q, and the blocks of S
}

// crypt encrypts or decrypts numerals in place.
func (f ff1) crypt(x []byte, tweak []byte, decrypt bool) error {
	if len(x) > mostNumerals {
		return fmt.Errorf("fpe: more than %d characters; use hash or redact", mostNumerals)
	}
	n := len(x)
	if n < 2 || !f.large(n) {
		return ErrSmallDomain
	}
	u := n / 2
	if modulus, ok := power(uint64(f.radix), n-u); ok {
		f.short(x, tweak, u, modulus, decrypt)
		return nil
	}
	f.long(x, tweak, u, decrypt)
	return nil
}

func (f ff1) large(n int) bool {
	size := uint64(1)
	for range n {
		if size *= uint64(f.radix); size >= leastDomain {
			return true
		}
	}
	return false
}

// power is base^n, where it fits 63 bits.
func power(base uint64, n int) (uint64, bool) {
	p := uint64(1)
	for range n {
		hi, lo := bits.Mul64(p, base)
		if hi != 0 || lo >= 1<<63 {
			return 0, false
		}
		p = lo
	}
	return p, true
}

// short is FF1 where each half fits a machine word.
func (f ff1) short(x, tweak []byte, u int, modulusV uint64, decrypt bool) {
	n := len(x)
	modulusU, _ := power(uint64(f.radix), u)
	size := (bits.Len64(modulusV-1) + 7) / 8
	w := new(room)
	prefix := f.prefix(w, tweak, u, n)
	a, b := f.number(x[:u]), f.number(x[u:])
	var number [8]byte
	for i := range 10 {
		round := i
		if decrypt {
			round = 9 - i
		}
		modulus := modulusU
		if round%2 == 1 {
			modulus = modulusV
		}
		if decrypt {
			a, b = b, a
		}
		binary.BigEndian.PutUint64(number[:], b)
		f.round(w, prefix, tweak, byte(round), number[8-size:])
		y := w.remainder(size, modulus)
		if decrypt {
			a = sub(a, y, modulus)
			continue
		}
		a, b = b, add(a, y, modulus)
	}
	f.digits(x[:u], a)
	f.digits(x[u:], b)
}

func add(a, y, modulus uint64) uint64 { // both below 1<<63
	if a += y; a >= modulus {
		a -= modulus
	}
	return a
}

func sub(a, y, modulus uint64) uint64 {
	if a < y {
		a += modulus
	}
	return a - y
}

// prefix enciphers the block P, which is the same in all rounds.
func (f ff1) prefix(w *room, tweak []byte, u, n int) [16]byte {
	p := [16]byte{1, 2, 1, 0, byte(f.radix >> 8), byte(f.radix), 10, byte(u)}
	binary.BigEndian.PutUint32(p[8:], uint32(n))
	binary.BigEndian.PutUint32(p[12:], uint32(len(tweak)))
	w.block = p
	f.block.Encrypt(w.prf[:], w.block[:])
	return w.prf
}

// round computes R into w.prf: CBC-MAC of P and Q = tweak, zeros, the round's
// number, the right half as a number.
func (f ff1) round(w *room, prefix [16]byte, tweak []byte, i byte, number []byte) {
	w.prf = prefix
	used := 0
	put := func(c byte) {
		w.prf[used] ^= c
		if used++; used == 16 {
			w.block = w.prf
			f.block.Encrypt(w.prf[:], w.block[:])
			used = 0
		}
	}
	for _, c := range tweak {
		put(c)
	}
	zeros := (16 - (len(tweak)+len(number)+1)%16) % 16
	for range zeros {
		put(0)
	}
	put(i)
	for _, c := range number {
		put(c)
	}
}

// remainder is y mod modulus, y being the first d bytes of R for halves of up
// to eight bytes.
func (w *room) remainder(size int, modulus uint64) uint64 {
	d := 4*((size+3)/4) + 4 // 8 or 12
	hi := uint64(0)
	if d == 12 {
		hi = uint64(binary.BigEndian.Uint32(w.prf[:4]))
		return bits.Rem64(hi, binary.BigEndian.Uint64(w.prf[4:12]), modulus)
	}
	return binary.BigEndian.Uint64(w.prf[:8]) % modulus
}

func (f ff1) number(x []byte) (n uint64) {
	for _, c := range x {
		n = n*uint64(f.radix) + uint64(c)
	}
	return n
}

func (f ff1) digits(x []byte, n uint64) {
	for i := len(x) - 1; i >= 0; i-- {
		x[i] = byte(n % uint64(f.radix))
		n /= uint64(f.radix)
	}
}

// long is FF1 for halves of any size.
func (f ff1) long(x, tweak []byte, u int, decrypt bool) {
	n := len(x)
	radix := big.NewInt(int64(f.radix))
	modulusU := new(big.Int).Exp(radix, big.NewInt(int64(u)), nil)
	modulusV := new(big.Int).Exp(radix, big.NewInt(int64(n-u)), nil)
	size := (new(big.Int).Sub(modulusV, big.NewInt(1)).BitLen() + 7) / 8
	w := new(room)
	prefix := f.prefix(w, tweak, u, n)
	a, b := f.bigNumber(x[:u]), f.bigNumber(x[u:])
	number := make([]byte, size)
	for i := range 10 {
		round := i
		if decrypt {
			round = 9 - i
			a, b = b, a
		}
		modulus := modulusU
		if round%2 == 1 {
			modulus = modulusV
		}
		f.round(w, prefix, tweak, byte(round), b.FillBytes(number))
		y := f.stretch(w, 4*((size+3)/4)+4)
		if decrypt {
			a.Mod(a.Sub(a, y), modulus)
			continue
		}
		a.Mod(a.Add(a, y), modulus)
		a, b = b, a
	}
	f.bigDigits(x[:u], a)
	f.bigDigits(x[u:], b)
}

// stretch is S as a number: R and as many enciphered R xor [j] as d bytes need.
func (f ff1) stretch(w *room, d int) *big.Int {
	s := append(make([]byte, 0, d+16), w.prf[:]...)
	for j := uint64(1); len(s) < d; j++ {
		w.block = w.prf
		tail := binary.BigEndian.Uint64(w.block[8:]) ^ j
		binary.BigEndian.PutUint64(w.block[8:], tail)
		f.block.Encrypt(w.last[:], w.block[:])
		s = append(s, w.last[:]...)
	}
	return new(big.Int).SetBytes(s[:d])
}

func (f ff1) bigNumber(x []byte) *big.Int {
	n, radix := new(big.Int), big.NewInt(int64(f.radix))
	for _, c := range x {
		n.Add(n.Mul(n, radix), big.NewInt(int64(c)))
	}
	return n
}

func (f ff1) bigDigits(x []byte, n *big.Int) {
	n, radix, digit := new(big.Int).Set(n), big.NewInt(int64(f.radix)), new(big.Int)
	for i := len(x) - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		x[i] = byte(digit.Int64())
	}
}
