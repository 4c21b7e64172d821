//go:build linux

package nft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/zone"
)

// Kernel is the packet filter of one network namespace.
type Kernel struct {
	cfg Options
	ns  netns.NsHandle // -1 for the one we run in
	// mu orders changes: a transaction of ours never meets another of ours.
	mu sync.Mutex
}

var (
	_ zone.Enforcer = (*Kernel)(nil)
	_ zone.Isolator = (*Kernel)(nil)
)

// Open finds the namespace and asks the kernel whether it filters at all.
func Open(o Options) (*Kernel, error) {
	k := &Kernel{cfg: o.withDefaults(), ns: -1}
	if o.NetNS != "" {
		var err error
		if strings.ContainsRune(o.NetNS, filepath.Separator) {
			k.ns, err = netns.GetFromPath(o.NetNS)
		} else {
			k.ns, err = netns.GetFromName(o.NetNS)
		}
		if err != nil {
			return nil, fmt.Errorf("open network namespace %s: %w", o.NetNS, err)
		}
	}
	c, err := k.conn()
	if err == nil {
		_, err = c.ListTablesOfFamily(nftables.TableFamilyINet)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("nftables does not answer; cordon needs Linux with nf_tables and CAP_NET_ADMIN (run it as root): %w", err), k.Close())
	}
	return k, nil
}

// Close lets go of the namespace; what is loaded stays loaded.
func (k *Kernel) Close() error {
	if k.ns < 0 {
		return nil
	}
	err := k.ns.Close()
	k.ns = -1
	return err
}

// socketBuffer is what a transaction of 100,000 elements and its answers need.
const socketBuffer = 64 << 20

// conn is a connection for one transaction.
func (k *Kernel) conn() (*nftables.Conn, error) {
	opts := []nftables.ConnOption{nftables.WithSockOptions(bigBuffers)}
	if k.ns >= 0 {
		opts = append(opts, nftables.WithNetNSFd(int(k.ns)))
	}
	return nftables.New(opts...)
}

func bigBuffers(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer))
	})
	return errors.Join(err, inner)
}

// namespace is the number that netlink sockets are told.
func (k *Kernel) namespace() int {
	if k.ns < 0 {
		return 0
	}
	return int(k.ns)
}

// inside runs f on a thread that is in the namespace. The thread is not used
// for anything else afterwards.
func (k *Kernel) inside(f func() error) error {
	if k.ns < 0 {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := netns.Set(k.ns); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// setting writes a sysctl of the namespace.
func (k *Kernel) setting(name, value string) error {
	return k.inside(func() error {
		// Files below /proc/sys/net show the namespace of who opens them.
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("set net/%s: %w", name, err)
		}
		return nil
	})
}

// Beat keeps fail-open zones enforced for ttl more.
func (k *Kernel) Beat(ctx context.Context, ttl time.Duration) error {
	return k.arm(ctx, armedBeat, ttl)
}

// arm sets how long an element of the set armed lives. Adding what is there
// does nothing and deleting what is not fails, so: add, delete, add.
func (k *Kernel) arm(_ context.Context, key uint32, ttl time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, err := k.conn()
	if err != nil {
		return err
	}
	s := armedSet(zoneTable(zone.Enforce))
	e := []nftables.SetElement{{Key: native32(key), Timeout: ttl}}
	if err := errors.Join(c.SetAddElements(s, e), c.SetDeleteElements(s, e), c.SetAddElements(s, e)); err != nil {
		return err
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("keep the ruleset armed: %w", err)
	}
	return nil
}

// log is where what nobody waits for is told.
func (k *Kernel) log() *slog.Logger { return k.cfg.Log }
