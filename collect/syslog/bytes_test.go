package syslog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/cordon-health/cordon/collect"
)

// sizes is a sink that notes the bytes of each batch.
type sizes chan int

func (s sizes) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	n := 0
	for _, it := range items {
		n += len(it.Data)
	}
	s <- n
	return make([]collect.Receipt, len(items)), nil
}

// TestBatchBytes: large messages fill a batch by their size, long before
// there are many of them.
func TestBatchBytes(t *testing.T) {
	cfg := Default()
	cfg.Wait = time.Second
	c, err := New(cfg, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	got, done := make(sizes, 100), make(chan error, 1)
	go func() { done <- c.stream(t.Context(), near, got) }()
	const messages, each = 12, 1 << 20
	msg := append([]byte("<13>"), bytes.Repeat([]byte("a"), each-4)...)
	for range messages {
		if _, err := io.WriteString(far, fmt.Sprintf("%d %s", len(msg), msg)); err != nil {
			t.Fatal(err)
		}
	}
	_ = far.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	close(got)
	sum := 0
	for n := range got {
		if sum += n; n > batchBytes {
			t.Errorf("a batch of %d bytes", n)
		}
	}
	if sum != messages*each {
		t.Errorf("%d bytes arrived, want %d", sum, messages*each)
	}
}

// TestQueueBytes: the UDP queue is full at 64 MiB, whatever the number.
func TestQueueBytes(t *testing.T) {
	c, err := New(Default(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	queue := make(chan collect.Item, queued)
	msg := make([]byte, 64<<10)
	const fit = queuedBytes / (64 << 10)
	for range fit + 5 {
		c.enqueue(queue, msg)
	}
	if len(queue) != fit || c.Dropped() != 5 {
		t.Fatalf("%d wait, %d dropped", len(queue), c.Dropped())
	}
	close(queue)
	got := make(sizes, 100)
	c.drain(t.Context(), queue, got)
	if c.waiting.Load() != 0 {
		t.Errorf("%d bytes wait in an empty queue", c.waiting.Load())
	}
}
