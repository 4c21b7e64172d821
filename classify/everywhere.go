package classify

import "bytes"

// What looks everywhere sees the text in blocks, cut between paragraphs where
// there are any, so that it too does not depend on how the text arrives.
const (
	blockLeast = 192 << 10
	blockMost  = 256 << 10
)

// everywhere calls what looks beyond cues, from a place on: block by block,
// the last only if the text ends there. It says where the next block begins.
func (s *scan) everywhere(from int, last bool) int {
	if s.mode != Redact {
		return from
	}
	for from < len(s.text) {
		if !last && len(s.text)-from < blockMost+4 {
			return from
		}
		end := blockEnd(s.text, from)
		for _, h := range s.engine.heard {
			n := len(s.found)
			s.found = h.all(s.found, s.text[from:end])
			for k := n; k < len(s.found); k++ {
				s.found[k].Start += from
				s.found[k].End += from
			}
		}
		from = end
	}
	return from
}

// blockEnd is where the block that begins at from ends: behind the first empty
// line after its least length, else behind the first end of line, else where
// no character is cut.
func blockEnd(text []byte, from int) int {
	if len(text)-from <= blockMost {
		return len(text)
	}
	least, most := from+blockLeast, from+blockMost
	for _, cut := range []string{"\n\n", "\n"} {
		if i := bytes.Index(text[least:most], []byte(cut)); i >= 0 {
			return least + i + len(cut)
		}
	}
	for end := most; end > most-4; end-- {
		if text[end]&0xC0 != 0x80 {
			return end
		}
	}
	return most
}
