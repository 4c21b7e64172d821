package mllp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cordon-health/cordon/collect"
)

const hello = "MSH|^~\\&|HIS|A|CORDON|A|20260302080000||ADT^A01|1|P|2.5\r"

type sinkFunc func(items []collect.Item) ([]collect.Receipt, error)

func (f sinkFunc) Deliver(_ context.Context, items ...collect.Item) ([]collect.Receipt, error) {
	return f(items)
}

func serve(t *testing.T, sink collect.Sink) *Client {
	t.Helper()
	cfg := Default()
	c, err := New(cfg, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Serve(ctx, ln, sink) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	client, err := Dial(ctx, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name string
		rec  collect.Receipt
		err  error
		want string
	}{
		{"durable", collect.Receipt{Accepted: 1}, nil, "MSA|AA"},
		{"unusable content", collect.Receipt{Rejects: []collect.Reject{{Reason: "MSH is missing"}}}, nil, "kept in quarantine: MSH is missing"},
		{"not stored", collect.Receipt{}, errors.New("disk full"), "MSA|AR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := serve(t, sinkFunc(func(items []collect.Item) ([]collect.Receipt, error) {
				if len(items) != 1 || string(items[0].Data) != hello {
					t.Errorf("delivered %q", items)
				}
				return []collect.Receipt{tt.rec}, tt.err
			}))
			ack, err := client.Send([]byte(hello))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(ack), tt.want) {
				t.Fatalf("answer %q, want %q in it", ack, tt.want)
			}
		})
	}
}

func TestManyMessagesOnOneConnection(t *testing.T) {
	client := serve(t, sinkFunc(func([]collect.Item) ([]collect.Receipt, error) {
		return []collect.Receipt{{Accepted: 1}}, nil
	}))
	for range 50 {
		if _, err := client.Send(bytes.Repeat([]byte("A"), 100_000)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFrameTooLarge(t *testing.T) {
	r := bufio.NewReader(bytes.NewReader(Frame(make([]byte, 100))))
	if _, err := ReadFrame(r, nil, 50); err == nil {
		t.Fatal("a frame above the limit was taken")
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x0bMSH|^~\\&\x1c\r"))
	f.Add([]byte("\r\n\x0bA\x1cB\x1c\r\x0b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		for {
			msg, err := ReadFrame(r, nil, 1<<16)
			if err != nil {
				return
			}
			if len(msg) > len(data) {
				t.Fatal("message longer than its input")
			}
		}
	})
}
