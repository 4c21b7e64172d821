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
	b := &pad
	if i+64 <= len(text) {
		b = (*[64]byte)(text[i:])
	} else {
		copy(pad[:], text[i:])
	}
	a0, a1 := binary.LittleEndian.Uint64(b[0:8]), binary.LittleEndian.Uint64(b[8:16])
	a2, a3 := binary.LittleEndian.Uint64(b[16:24]), binary.LittleEndian.Uint64(b[24:32])
	a4, a5 := binary.LittleEndian.Uint64(b[32:40]), binary.LittleEndian.Uint64(b[40:48])
	a6, a7 := binary.LittleEndian.Uint64(b[48:56]), binary.LittleEndian.Uint64(b[56:64])
	d0, d1, d2, d3 := digitMask(a0), digitMask(a1), digitMask(a2), digitMask(a3)
	d4, d5, d6, d7 := digitMask(a4), digitMask(a5), digitMask(a6), digitMask(a7)
	digits = gather(d0) | gather(d1)<<8 | gather(d2)<<16 | gather(d3)<<24 | gather(d4)<<32 | gather(d5)<<40 | gather(d6)<<48 | gather(d7)<<56
	word = digits | gather(letterMask(a0)) | gather(letterMask(a1))<<8 | gather(letterMask(a2))<<16 | gather(letterMask(a3))<<24 |
		gather(letterMask(a4))<<32 | gather(letterMask(a5))<<40 | gather(letterMask(a6))<<48 | gather(letterMask(a7))<<56
	if (a0|a1|a2|a3|a4|a5|a6|a7)&tops != 0 {
		high = gather(a0&tops) | gather(a1&tops)<<8 | gather(a2&tops)<<16 | gather(a3&tops)<<24 |
			gather(a4&tops)<<32 | gather(a5&tops)<<40 | gather(a6&tops)<<48 | gather(a7&tops)<<56
	}
	return word, digits, high
}
