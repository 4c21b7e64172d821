package wireless

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/internal/dot11"
)

// The ARPHRD numbers of 802.11 interfaces. Source: linux/if_arp.h.
const (
	hwBare     = 801
	hwPrism    = 802
	hwRadiotap = 803
)

// retryEvery is how often an interface that went away is looked for, and a
// delivery that failed tried again.
const retryEvery = time.Second

// live listens on the interface. One that goes away is waited for.
func (c *Collector) live(ctx context.Context, sink collect.Sink) error {
	fd, link, err := open(c.cfg.Interface)
	if err != nil {
		return err
	}
	for {
		err := c.listen(ctx, sink, fd, link)
		_ = unix.Close(fd)
		if ctx.Err() != nil {
			return nil
		}
		c.log.Warn("wireless interface lost", "interface", c.cfg.Interface, "error", err)
		if fd, link, err = c.reopen(ctx); err != nil {
			return nil // the context ended
		}
	}
}

func (c *Collector) reopen(ctx context.Context) (fd, link int, err error) {
	for {
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(retryEvery):
		}
		if fd, link, err = open(c.cfg.Interface); err == nil {
			return fd, link, nil
		}
	}
}

// open binds a socket to the interface; what is not 802.11 is refused.
func open(name string) (fd, link int, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, 0, fmt.Errorf("wireless: interface %s is not there; 'ip link' lists those that are: %w", name, err)
	}
	all := int(unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8&0xff00)
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, fmt.Errorf("wireless: open a packet socket (needs CAP_NET_RAW): %w", err)
	}
	// Room for bursts; the kernel may grant less.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
	tv := unix.NsecToTimeval(int64(100 * time.Millisecond))
	err = errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: i.Index}))
	var own unix.Sockaddr
	if err == nil {
		own, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, 0, fmt.Errorf("wireless: listen on %s: %w", name, err)
	}
	if ll, ok := own.(*unix.SockaddrLinklayer); ok {
		link = linkOf(ll.Hatype)
	}
	if link == 0 {
		_ = unix.Close(fd)
		return 0, 0, fmt.Errorf("wireless: %s is not in monitor mode; set it with 'iw dev %s set type monitor'", name, name)
	}
	return fd, link, nil
}

func linkOf(hw uint16) int {
	switch hw {
	case hwRadiotap:
		return dot11.LinkRadiotap
	case hwPrism:
		return dot11.LinkPrism
	case hwBare:
		return dot11.LinkBare
	}
	return 0
}

// listen reads frames until something is wrong with the socket. What was heard
// is delivered at once: an alarm may be among it.
func (c *Collector) listen(ctx context.Context, sink collect.Sink, fd, link int) error {
	buf := make([]byte, 16<<10)
	told, again := c.now(), time.Time{}
	for ctx.Err() == nil {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		at := c.now()
		switch {
		case err == nil:
			c.watch.Frame(link, at.UnixNano(), n, buf[:n])
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		default:
			return fmt.Errorf("read frames: %w", err)
		}
		if at.Sub(told) >= time.Second {
			c.watch.Tick(at.UnixNano())
			told = at
		}
		if at.Before(again) {
			continue // what failed is tried again after a while
		}
		if err := c.deliver(ctx, sink); err != nil && ctx.Err() == nil {
			again = at.Add(retryEvery)
			c.log.Warn("wireless events wait", "count", len(c.queue.evs), "lost", c.queue.lost, "error", err)
		}
	}
	return nil
}
