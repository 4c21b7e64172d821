package classify

import "encoding/binary"

// The scan looks at eight bytes at a time. A mask has the top bit of each byte
// of eight that is of a class.
const (
	tops = 0x8080808080808080
	ones = 0x0101010101010101
)

// load reads eight bytes, zeros after the end.
func load(text []byte, i int) uint64 {
	if i+8 <= len(text) {
		return binary.LittleEndian.Uint64(text[i:])
	}
	return loadTail(text, i)
}

func loadTail(text []byte, i int) uint64 {
	var b [8]byte
	if i < len(text) {
		copy(b[:], text[i:])
	}
	return binary.LittleEndian.Uint64(b[:])
}

// digitMask marks the digits.
func digitMask(x uint64) uint64 {
	low := x &^ tops
	return (low + ones*(0x80-'0')) &^ (low + ones*(0x7f-'9')) &^ x & tops
}

// letterMask marks ASCII letters.
func letterMask(x uint64) uint64 {
	small := x&^tops | lower
	return (small + ones*(0x80-'a')) &^ (small + ones*(0x7f-'z')) &^ x & tops
}

// wordByte says whether c is part of a word: an ASCII letter or a digit.
// Characters above ASCII never are, so that a number directly behind a Chinese
// label begins a word; nor is the underscore, which joins words in the names of
// files and columns.
func wordByte(c byte) bool { return digit(c) || letter(c) }

func digit(c byte) bool { return c-'0' < 10 }

func upper(c byte) bool { return c-'A' < 26 }

func letter(c byte) bool { return (c|0x20)-'a' < 26 }

// hexDigit says whether c is a hexadecimal digit.
func hexDigit(c byte) bool { return digit(c) || (c|0x20)-'a' < 6 }

// byteAt is text[i], or 0 outside.
func byteAt(text []byte, i int) byte {
	if uint(i) < uint(len(text)) {
		return text[i]
	}
	return 0
}

// gather brings the top bits of eight bytes together.
func gather(mask uint64) uint64 { return (mask >> 7) * 0x0102040810204080 >> 56 }

// masks has a bit for each of the 64 bytes from i on: is it part of a word, is
// it a digit, is it above ASCII.
func masks(text []byte, i int) (word, digits, high uint64) {
	var pad [64]byte
	b := pad[:]
	if i+64 <= len(text) {
		b = text[i : i+64]
	} else {
		copy(b, text[i:])
	}
	all := uint64(0)
	for k := 0; k < 64; k += 8 {
		x := binary.LittleEndian.Uint64(b[k:])
		d := digitMask(x)
		digits |= gather(d) << k
		word |= gather(d|letterMask(x)) << k
		all |= x
	}
	if all&tops == 0 {
		return word, digits, 0
	}
	for k := 0; k < 64; k += 8 {
		high |= gather(binary.LittleEndian.Uint64(b[k:])&tops) << k
	}
	return word, digits, high
}
