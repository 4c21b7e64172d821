package capture

// clinicalFrames cuts one side of a stream into messages: a head of a fixed
// size, which tells how long the body is, and the body, of which only the
// beginning is kept. It takes chunks of any size.
type clinicalFrames struct {
	// size is the length of a head in bytes, most how much of a body is kept.
	size, most int
	// length tells how long the body behind head is; below 0 it is no message.
	length func(head []byte) int
	// starts says whether a message begins at b, the start of a chunk; asked
	// only after bytes were lost.
	starts func(b []byte) bool
	// take gets a message; body is cut to most bytes, whole is its length.
	// False ends the reading.
	take func(head, body []byte, whole int) bool

	head, body []byte // begun
	total      int    // length of the body
	left       int    // of which so much is still to come
	lost       bool
	hurt       bool // bytes of the message are missing
}

// clinicalKeep is the size a buffer may keep between messages.
const clinicalKeep = 4096

// feed takes the next bytes; false ends the reading.
func (f *clinicalFrames) feed(b []byte) bool {
	if f.lost {
		if !f.starts(b) {
			return true
		}
		f.lost = false
	}
	for {
		if len(f.head) < f.size { // in a head
			n := min(f.size-len(f.head), len(b))
			f.head = append(f.head, b[:n]...)
			b = b[n:]
			if len(f.head) < f.size {
				return true
			}
			if f.total = f.length(f.head); f.total < 0 {
				return f.loose()
			}
			f.left = f.total
		}
		if len(f.body) == 0 && len(b) >= f.left && f.left == f.total { // all of it is here
			body := b[:f.total]
			b = b[f.total:]
			if !f.done(body[:min(len(body), f.most)]) {
				return false
			}
			continue
		}
		n := min(f.left, len(b))
		if room := f.most - len(f.body); room > 0 {
			f.body = append(f.body, b[:min(n, room)]...)
		}
		f.left -= n
		b = b[n:]
		if f.left > 0 {
			return true
		}
		if !f.done(f.body) {
			return false
		}
	}
}

// done hands out a message.
func (f *clinicalFrames) done(body []byte) bool {
	ok := f.hurt || f.take(f.head, body, f.total)
	f.clear()
	return ok
}

func (f *clinicalFrames) clear() {
	f.head, f.hurt, f.left, f.total = f.head[:0], false, 0, 0
	if f.body = f.body[:0]; cap(f.body) > clinicalKeep {
		f.body = nil
	}
}

// loose ends the reading, or waits for the start of a message where that can
// be told.
func (f *clinicalFrames) loose() bool {
	f.clear()
	f.lost = true
	return f.starts != nil
}

// gap says that n bytes are missing.
func (f *clinicalFrames) gap(n int) bool {
	if f.lost {
		return true
	}
	if len(f.head) == f.size && f.left > 0 && n <= f.left { // inside of a body
		f.hurt = f.hurt || len(f.body) < f.most
		f.left -= n
		if f.left == 0 {
			return f.done(f.body)
		}
		return true
	}
	return f.loose()
}
