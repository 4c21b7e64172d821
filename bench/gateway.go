package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/clinical"
	"github.com/cordon-health/cordon/classify/mail"
	"github.com/cordon-health/cordon/classify/table"
	"github.com/cordon-health/cordon/classify/web"
	"github.com/cordon-health/cordon/gateway"
	"github.com/cordon-health/cordon/gateway/icap"
	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/store/sqlite"
)

// gatewayGoal is what a verdict on a megabyte may take in 99 of 100 cases.
const gatewayGoal = 20 * time.Millisecond

// Gateway measures what the door of the web proxy adds to an upload of one
// megabyte: from the first byte of the request to the first byte of the verdict,
// over loopback, with all rules of the default routes. The uploads are cut from
// the scan corpus at data.
func Gateway(ctx context.Context, data, dir string, shows func(string)) ([]Line, []Table, error) {
	s, err := NewScan(ctx, data, dir, shows)
	if err != nil {
		return nil, nil, err
	}
	address, stop, err := gatewayDoor(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	defer stop()
	t := Table{Title: "Verdict on an upload of 1 MB", Header: []string{"content", "uploads", "p50 ms", "p99 ms", "most ms"},
		Note: "ICAP over loopback, one after another; from sending to the verdict."}
	var all []time.Duration
	for _, f := range s.files {
		shows("gateway: " + f.name)
		took, err := uploads(address, f)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.name, err)
		}
		t.Rows = append(t.Rows, append([]string{f.name}, delays(took)...))
		all = append(all, took...)
	}
	t.Rows = append(t.Rows, append([]string{"all"}, delays(all)...))
	p99 := rank(all, 0.99)
	return []Line{{What: "Gateway: verdict on an upload of 1 MB, p99", Goal: fmt.Sprint(gatewayGoal), Measured: p99.Round(100 * time.Microsecond).String(),
		Met: judge(p99 <= gatewayGoal), How: "wall clock, ICAP, all kinds, default routes"}}, []Table{t}, nil
}

func gatewayDoor(ctx context.Context, dir string) (address string, stop func(), err error) {
	db, err := sqlite.Open(ctx, filepath.Join(dir, "gateway.db"))
	if err != nil {
		return "", nil, err
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		return "", nil, err
	}
	key := keyed.Key{1}
	g, err := gateway.New(ctx, gateway.Default(), db, key, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", nil, err
	}
	inspector := &classify.Inspector{Engine: engine, Levels: classify.Usual(), Key: &key,
		Readers: slices.Concat(clinical.Readers(), mail.Readers(), web.Readers(), table.Readers())}
	g.Inspector = func() *classify.Inspector { return inspector }
	g.Record = func(context.Context, gateway.Decision) error { return nil }
	d, err := icap.New(icap.Default(), g, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", nil, err
	}
	d.Temp = dir
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Serve(ctx, ln) // ends with cancel
	}()
	return ln.Addr().String(), func() {
		cancel()
		<-ended
		_ = db.Close()
	}, nil
}

// uploads sends each megabyte of a file, several times over.
func uploads(address string, f scanFile) ([]time.Duration, error) {
	const size, most = 1_000_000, 40
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	var took []time.Duration
	for at := 0; at+size <= len(f.text) && len(took) < most; at += size {
		request := reqmod(f.text[at : at+size])
		begun := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
		if !strings.HasPrefix(line, "ICAP/1.0 20") {
			return nil, fmt.Errorf("the door answered %q", strings.TrimSpace(line))
		}
		if err := restOf(r, strings.HasPrefix(line, "ICAP/1.0 204")); err != nil {
			return nil, err
		}
	}
	return took, nil
}

func reqmod(body []byte) []byte {
	head := fmt.Sprintf("POST http://chat.example/upload HTTP/1.1\r\nHost: chat.example\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", len(body))
	var b bytes.Buffer
	fmt.Fprintf(&b, "REQMOD icap://h/request ICAP/1.0\r\nHost: h\r\nAllow: 204\r\nEncapsulated: req-hdr=0, req-body=%d\r\n\r\n%s%x\r\n", len(head), head, len(body))
	b.Write(body)
	b.WriteString("\r\n0\r\n\r\n")
	return b.Bytes()
}

// restOf skips the rest of an answer: its header, and a page where there is one.
func restOf(r *bufio.Reader, short bool) error {
	for _, end := range []string{"\r\n", "\r\n"}[:map[bool]int{true: 1, false: 2}[short]] {
		for line := ""; line != end; {
			var err error
			if line, err = r.ReadString('\n'); err != nil {
				return err
			}
		}
	}
	for !short {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		var n int64
		if _, err := fmt.Sscanf(line, "%x", &n); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, r, n+2); err != nil || n == 0 {
			return err
		}
	}
	return nil
}

func delays(took []time.Duration) []string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	return []string{fmt.Sprint(len(took)), ms(rank(took, 0.5)), ms(rank(took, 0.99)), ms(rank(took, 1))}
}

// rank is a quantile.
func rank(took []time.Duration, q float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	s := slices.Clone(took)
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}
