// Package bustest is what every engine behind package bus must pass: the
// promises of bus.Bus as tests.
//
// An engine's own test calls Run with how to make and open a bus. The suite
// opens one bus several times, as restarts would, and runs the test binary
// once more as a publisher that it kills in the middle.
package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cordon-health/cordon/bus"
)

// Engine is what the suite needs to know of an engine.
type Engine struct {
	// New returns the location of a new, empty bus.
	New func(t *testing.T) string
	// Open opens the bus at a location that New returned.
	Open func(ctx context.Context, location string) (bus.Bus, error)
}

// Run runs the suite. The test that calls it must be a top-level function
// that does nothing else before.
func Run(t *testing.T, e Engine) {
	if runChild(t, e) {
		return
	}
	tests := []struct {
		name string
		run  func(*testing.T, suite)
	}{
		{"Order", testOrder},
		{"Reopen", testReopen},
		{"Repetition", testRepetition},
		{"EmptyID", testEmptyID},
		{"Concurrent", testConcurrent},
		{"ReadFromMiddle", testReadFromMiddle},
		{"Follow", testFollow},
		{"ManyReaders", testManyReaders},
		{"FunctionStops", testFunctionStops},
		{"ContextStops", testContextStops},
		{"CloseStops", testCloseStops},
		{"Topics", testTopics},
		{"TopicNames", testTopicNames},
		{"Empty", testEmpty},
		{"Large", testLarge},
		{"BufferIsFree", testBufferIsFree},
		{"Trim", testTrim},
		{"TrimAll", testTrimAll},
		{"Gap", testGap},
		{"Kill", testKill},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, suite{e, e.New(t)}) })
	}
}

const topic = "events"

// suite is one test's bus.
type suite struct {
	engine   Engine
	location string
}

func (s suite) open(t *testing.T) bus.Bus {
	t.Helper()
	b, err := s.engine.Open(t.Context(), s.location)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func publish(t *testing.T, b bus.Bus, id, data string) (seq uint64) {
	t.Helper()
	seq, err := b.Publish(t.Context(), topic, id, []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// fill publishes numbered messages n..m, which must get just these numbers.
func fill(t *testing.T, b bus.Bus, n, m int) {
	t.Helper()
	for i := n; i <= m; i++ {
		if seq := publish(t, b, fmt.Sprintf("id-%d", i), fmt.Sprintf("message %d", i)); seq != uint64(i) {
			t.Fatalf("message %d got number %d", i, seq)
		}
	}
}

var errEnough = errors.New("enough")

// Collect reads n messages of a topic from a number on, and fails the test
// when they do not come within half a minute or are not numbered in order.
func Collect(t *testing.T, b bus.Bus, topic string, from uint64, n int) (got []bus.Message) {
	t.Helper()
	if n == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := b.Read(ctx, topic, from, func(m bus.Message) error {
		got = append(got, m)
		if len(got) == n {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Fatalf("read %d of %d messages from %d, then: %v", len(got), n, from, err)
	}
	for i, m := range got[1:] {
		if m.Seq != got[i].Seq+1 {
			t.Fatalf("number %d came after %d", m.Seq, got[i].Seq)
		}
	}
	return got
}

// wantFilled checks that messages n..m are those of fill.
func wantFilled(t *testing.T, b bus.Bus, n, m int) {
	t.Helper()
	for i, msg := range Collect(t, b, topic, uint64(n), m-n+1) {
		if want := fmt.Sprintf("message %d", n+i); string(msg.Data) != want || msg.Seq != uint64(n+i) {
			t.Fatalf("number %d holds %q, want %q at number %d", msg.Seq, msg.Data, want, n+i)
		}
		if want := fmt.Sprintf("id-%d", n+i); msg.ID != want {
			t.Fatalf("number %d has the id %q, want %q", msg.Seq, msg.ID, want)
		}
		if msg.Time.IsZero() {
			t.Fatalf("number %d has no time", msg.Seq)
		}
	}
}

func wantSpan(t *testing.T, b bus.Bus, first, last uint64) {
	t.Helper()
	gotFirst, gotLast, err := b.Span(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if gotFirst != first || gotLast != last {
		t.Errorf("span is %d to %d, want %d to %d", gotFirst, gotLast, first, last)
	}
}

func testOrder(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 60)
	wantSpan(t, b, 1, 60)
	wantFilled(t, b, 1, 60)
	if first := Collect(t, b, topic, 0, 1); first[0].Seq != 1 {
		t.Errorf("reading from 0 began at %d", first[0].Seq)
	}
}

func testReopen(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 10)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(t.Context(), topic, "late", nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("publishing on a closed bus: got %v, want %v", err, bus.ErrClosed)
	}
	b = s.open(t)
	fill(t, b, 1, 20) // the first ten are repetitions
	wantSpan(t, b, 1, 20)
	wantFilled(t, b, 1, 20)
}

func testRepetition(t *testing.T, s suite) {
	b := s.open(t)
	first := publish(t, b, "a", "first")
	publish(t, b, "b", "other")
	if again := publish(t, b, "a", "second text, same id"); again != first {
		t.Errorf("the same id got number %d, want %d", again, first)
	}
	wantSpan(t, b, 1, 2)
	if got := Collect(t, b, topic, first, 1); string(got[0].Data) != "first" {
		t.Errorf("the repetition replaced the data by %q", got[0].Data)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if seq, err := b.Publish(t.Context(), topic, "c", []byte("at once")); err != nil || seq != 3 {
				t.Errorf("the same id at once got number %d (error %v), want 3", seq, err)
			}
		})
	}
	wg.Wait()
	wantSpan(t, b, 1, 3)
}

func testEmptyID(t *testing.T, s suite) {
	b := s.open(t)
	if one, two := publish(t, b, "", "same"), publish(t, b, "", "same"); one != 1 || two != 2 {
		t.Errorf("messages without id got the numbers %d and %d, want 1 and 2", one, two)
	}
	for _, m := range Collect(t, b, topic, 1, 2) {
		if m.ID != "" {
			t.Errorf("a message without id came with id %q", m.ID)
		}
	}
}

func testConcurrent(t *testing.T, s suite) {
	const publishers, each = 16, 12
	b := s.open(t)
	var mu sync.Mutex
	bySeq := map[uint64]string{}
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			before := uint64(0)
			for i := range each {
				id := fmt.Sprintf("%d-%d", p, i)
				seq, err := b.Publish(t.Context(), topic, id, []byte(id))
				if err != nil {
					t.Error(err)
					return
				}
				if seq <= before {
					t.Errorf("number %d after %d", seq, before)
				}
				before = seq
				mu.Lock()
				bySeq[seq] = id
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, m := range Collect(t, b, topic, 1, publishers*each) {
		if bySeq[m.Seq] != string(m.Data) {
			t.Errorf("number %d holds %q, but was given for %q", m.Seq, m.Data, bySeq[m.Seq])
		}
	}
	wantSpan(t, b, 1, publishers*each)
}

func testReadFromMiddle(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 20)
	wantFilled(t, b, 11, 20)
	wantFilled(t, b, 20, 20)
}

func testFollow(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 3)
	reader := s.readInBackground(t, b, 1)
	fill(t, b, 4, 30)
	reader.waitFor(t, 30)
	fill(t, b, 31, 40)
	reader.waitFor(t, 40)
}

func testManyReaders(t *testing.T, s suite) {
	b := s.open(t)
	var readers []*backgroundReader
	for range 5 {
		readers = append(readers, s.readInBackground(t, b, 1))
	}
	fill(t, b, 1, 30)
	for _, r := range readers {
		r.waitFor(t, 30)
	}
}

// backgroundReader follows the topic and checks order while the test goes on.
type backgroundReader struct {
	mu   sync.Mutex
	last uint64
}

func (s suite) readInBackground(t *testing.T, b bus.Bus, from uint64) *backgroundReader {
	r := &backgroundReader{last: from - 1}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := b.Read(ctx, topic, from, func(m bus.Message) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if m.Seq != r.last+1 {
				t.Errorf("number %d came after %d", m.Seq, r.last)
			}
			r.last = m.Seq
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a reader ended with %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *backgroundReader) waitFor(t *testing.T, seq uint64) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		last := r.last
		r.mu.Unlock()
		if last >= seq {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("the reader is at %d, want %d", last, seq)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func testFunctionStops(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 5)
	calls := 0
	err := b.Read(t.Context(), topic, 1, func(m bus.Message) error {
		calls++
		if m.Seq == 3 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) || calls != 3 {
		t.Errorf("ended with %v after %d calls, want %v after 3", err, calls, errEnough)
	}
}

func testContextStops(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 5)
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Read(ctx, topic, 1, func(m bus.Message) error {
		if m.Seq == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err = b.Read(ctx, topic, 6, func(bus.Message) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a message: got %v, want %v", err, context.DeadlineExceeded)
	}
}

func testCloseStops(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 1)
	ended, started := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- b.Read(t.Context(), topic, 1, func(bus.Message) error { close(started); return nil })
	}()
	<-started
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, bus.ErrClosed) {
		t.Errorf("the reader ended with %v, want %v", err, bus.ErrClosed)
	}
	if err := b.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if err := b.Read(t.Context(), topic, 1, nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("reading a closed bus: got %v, want %v", err, bus.ErrClosed)
	}
}

func testTopics(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 3)
	seq, err := b.Publish(t.Context(), "other", "id-1", []byte("elsewhere"))
	if err != nil || seq != 1 {
		t.Fatalf("the same id on another topic got number %d (error %v), want 1", seq, err)
	}
	if got := Collect(t, b, "other", 1, 1); string(got[0].Data) != "elsewhere" {
		t.Errorf("the other topic holds %q", got[0].Data)
	}
	wantFilled(t, b, 1, 3)
}

func testTopicNames(t *testing.T, s suite) {
	b := s.open(t)
	for _, name := range []string{"", "a.b", "a b", "A", "*", ">", "a/b", string(make([]byte, 100))} {
		if _, err := b.Publish(t.Context(), name, "", nil); err == nil {
			t.Errorf("Publish accepted the topic %q", name)
		}
		if err := b.Read(t.Context(), name, 0, nil); err == nil {
			t.Errorf("Read accepted the topic %q", name)
		}
		if _, _, err := b.Span(t.Context(), name); err == nil {
			t.Errorf("Span accepted the topic %q", name)
		}
		if err := b.Trim(t.Context(), name, 1); err == nil {
			t.Errorf("Trim accepted the topic %q", name)
		}
	}
}

func testEmpty(t *testing.T, s suite) {
	b := s.open(t)
	wantSpan(t, b, 1, 0)
	reader := s.readInBackground(t, b, 1)
	fill(t, b, 1, 1)
	reader.waitFor(t, 1)
	publish(t, b, "", "")
	if got := Collect(t, b, topic, 2, 1); len(got[0].Data) != 0 {
		t.Errorf("an empty message came back with %d bytes", len(got[0].Data))
	}
}

func testLarge(t *testing.T, s suite) {
	b := s.open(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), bus.MaxMessage/16)
	for range 3 {
		if _, err := b.Publish(t.Context(), topic, "", large); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range Collect(t, b, topic, 1, 3) {
		if !bytes.Equal(m.Data, large) {
			t.Errorf("number %d came back changed", m.Seq)
		}
	}
	if _, err := b.Publish(t.Context(), topic, "", append(large, 'x')); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("one byte more: got %v, want %v", err, bus.ErrTooLarge)
	}
}

func testBufferIsFree(t *testing.T, s suite) {
	b := s.open(t)
	buf := []byte("a")
	for i := range 20 {
		buf[0] = byte('a' + i)
		if _, err := b.Publish(t.Context(), topic, "", buf); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range Collect(t, b, topic, 1, 20) {
		if m.Data[0] != byte('a'+i) {
			t.Errorf("message %d was changed after Publish returned", i)
		}
	}
}

func testTrim(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 20)
	for range 2 {
		if err := b.Trim(t.Context(), topic, 11); err != nil {
			t.Fatal(err)
		}
		wantSpan(t, b, 11, 20)
	}
	if err := b.Trim(t.Context(), topic, 5); err != nil {
		t.Errorf("trimming what is gone already: %v", err)
	}
	wantFilled(t, b, 11, 20)
	if got := Collect(t, b, topic, 0, 1); got[0].Seq != 11 {
		t.Errorf("the oldest message is %d, want 11", got[0].Seq)
	}
	fill(t, b, 21, 22)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = s.open(t)
	wantSpan(t, b, 11, 22)
	fill(t, b, 23, 23)
}

func testTrimAll(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 5)
	if err := b.Trim(t.Context(), topic, 100); err != nil {
		t.Fatal(err)
	}
	wantSpan(t, b, 6, 5)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = s.open(t)
	wantSpan(t, b, 6, 5)
	reader := s.readInBackground(t, b, 6)
	fill(t, b, 6, 8)
	reader.waitFor(t, 8)
}

func testGap(t *testing.T, s suite) {
	b := s.open(t)
	fill(t, b, 1, 10)
	if err := b.Trim(t.Context(), topic, 6); err != nil {
		t.Fatal(err)
	}
	for _, from := range []uint64{1, 5, 12} {
		err := b.Read(t.Context(), topic, from, func(m bus.Message) error {
			return fmt.Errorf("number %d was delivered", m.Seq)
		})
		gap, ok := errors.AsType[*bus.GapError](err)
		if !ok {
			t.Errorf("reading from %d: got %v, want a gap", from, err)
			continue
		}
		if gap.Topic != topic || gap.From != from || gap.First != 6 || gap.Last != 10 {
			t.Errorf("reading from %d: the gap says %+v", from, *gap)
		}
	}
}
