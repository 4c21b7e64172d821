// Package radius ends sessions of 802.1X and Wi-Fi, or moves them to another
// network, by telling the switch or access point that let them in: Disconnect
// and CoA requests of RFC 5176.
//
// Every request carries an Event-Timestamp and a Message-Authenticator, without
// which equipment that is set up well does not listen; the answer's own
// authenticators are checked. A request without an answer is sent again,
// unchanged, so that the equipment knows it for the same one. A refusal is an
// error that says the equipment's reason (Error-Cause) in words.
//
// It does not keep sessions: which device is let in by which equipment is known
// from RADIUS accounting.
package radius

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"layeh.com/radius"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packet"
)

// NAS is equipment that lets devices in: a switch, a wireless controller.
type NAS struct {
	// Address is host or host:port; the port is 3799 unless given.
	Address string
	Secret  string
	// Wait is how long an answer may take, tries included. Default: 3s.
	Wait time.Duration
	// Retry is how long to wait before sending again. Default: 500ms.
	Retry time.Duration
	Now   func() time.Time
}

// Session names whom a request means; give what is known of it.
type Session struct {
	// Device is the MAC address (Calling-Station-Id).
	Device packet.MAC
	// ID is the Acct-Session-Id, User the User-Name.
	ID, User string
	// Port is the NAS-Port-Id.
	Port string
}

// Change is what a CoA request asks for.
type Change struct {
	// VLAN moves the session (Tunnel-Private-Group-ID), Filter names an access
	// list that the equipment has (Filter-Id).
	VLAN   int
	Filter string
}

// The attributes used. Source: RFC 2865, 2868, 2869, 3580, 5176.
const (
	attrUserName         = 1
	attrFilterID         = 11
	attrCallingStation   = 31
	attrAcctSessionID    = 44
	attrEventTimestamp   = 55
	attrTunnelType       = 64
	attrTunnelMedium     = 65
	attrMessageAuth      = 80
	attrTunnelGroup      = 81
	attrNASPortID        = 87
	attrErrorCause       = 101
	tunnelVLAN           = 13
	tunnelMedium802      = 6
	sessionNotFoundCause = 503
)

// ErrNoSession means that the equipment knows no such session: the device is
// not there, or no longer.
var ErrNoSession = errors.New("no such session")

// Disconnect ends a session.
func (n NAS) Disconnect(ctx context.Context, s Session) error {
	p, err := n.request(radius.CodeDisconnectRequest, s)
	if err != nil {
		return err
	}
	return n.exchange(ctx, p, radius.CodeDisconnectACK)
}

// Move changes what a session may do.
func (n NAS) Move(ctx context.Context, s Session, c Change) error {
	p, err := n.request(radius.CodeCoARequest, s)
	if err != nil {
		return err
	}
	if c.VLAN < 0 || c.VLAN > 4094 || c.VLAN == 0 && c.Filter == "" {
		return errors.New("change a session: give a VLAN from 1 to 4094, or a filter")
	}
	if c.VLAN > 0 {
		p.Add(attrTunnelType, []byte{0, 0, 0, tunnelVLAN})
		p.Add(attrTunnelMedium, []byte{0, 0, 0, tunnelMedium802})
		p.Add(attrTunnelGroup, fmt.Append(nil, c.VLAN))
	}
	if c.Filter != "" {
		p.Add(attrFilterID, []byte(c.Filter))
	}
	return n.exchange(ctx, p, radius.CodeCoAACK)
}

// request begins a packet that names the session.
func (n NAS) request(code radius.Code, s Session) (*radius.Packet, error) {
	if n.Secret == "" || n.Address == "" {
		return nil, errors.New("the equipment's address or secret is not set")
	}
	if s.Device == (packet.MAC{}) && s.ID == "" && s.User == "" {
		return nil, errors.New("name a session: by MAC address, session id or user")
	}
	p := radius.New(code, []byte(n.Secret))
	if s.Device != (packet.MAC{}) {
		p.Add(attrCallingStation, []byte(strings.ToUpper(strings.ReplaceAll(asset.MACText(s.Device), ":", "-"))))
	}
	for _, a := range []struct {
		kind radius.Type
		text string
	}{{attrAcctSessionID, s.ID}, {attrUserName, s.User}, {attrNASPortID, s.Port}} {
		if len(a.text) > 253 {
			return nil, errors.New("a name of the session is longer than 253 bytes")
		}
		if a.text != "" {
			p.Add(a.kind, []byte(a.text))
		}
	}
	p.Add(attrEventTimestamp, binary.BigEndian.AppendUint32(nil, uint32(n.Now().Unix())))
	return p, nil
}

// exchange signs and sends a request and judges the answer.
func (n NAS) exchange(ctx context.Context, p *radius.Packet, want radius.Code) error {
	if err := sign(p); err != nil {
		return err
	}
	wait, retry, address := n.Wait, n.Retry, n.Address
	if wait == 0 {
		wait = 3 * time.Second
	}
	if retry == 0 {
		retry = 500 * time.Millisecond
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(strings.Trim(address, "[]"), "3799")
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	answer, err := (&radius.Client{Retry: retry}).Exchange(ctx, p, address)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s from %s; is it set up to take requests from here, with this secret: %w", wait, address, err)
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", address, err)
	}
	if answer.Code == want {
		return nil
	}
	return refusal(answer)
}

// sign adds the Message-Authenticator: HMAC-MD5 over the packet with zeros in
// place of it and of the request authenticator, RFC 5176, 3.4.
func sign(p *radius.Packet) error {
	var zeros [16]byte
	p.Authenticator = zeros
	p.Add(attrMessageAuth, zeros[:])
	b, err := p.MarshalBinary()
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	mac := hmac.New(md5.New, p.Secret)
	mac.Write(b)
	p.Set(attrMessageAuth, mac.Sum(nil))
	return nil
}

func refusal(answer *radius.Packet) error {
	cause := uint32(0)
	if v, ok := answer.Lookup(attrErrorCause); ok && len(v) == 4 {
		cause = binary.BigEndian.Uint32(v)
	}
	if cause == sessionNotFoundCause {
		return fmt.Errorf("the equipment refuses: %w (error cause 503)", ErrNoSession)
	}
	return fmt.Errorf("the equipment refuses: %s (error cause %d)", causeText(cause), cause)
}

// causeText says an Error-Cause, RFC 5176, 3.5.
func causeText(cause uint32) string {
	switch cause {
	case 0:
		return "without a reason"
	case 401:
		return "an attribute is not supported"
	case 402:
		return "an attribute is missing"
	case 403:
		return "the request does not name this equipment"
	case 404:
		return "invalid request"
	case 405:
		return "the service is not supported"
	case 406:
		return "the extension is not supported"
	case 407:
		return "an attribute has an invalid value"
	case 501:
		return "administratively prohibited"
	case 502:
		return "the request cannot be routed"
	case 504:
		return "the session cannot be removed"
	case 505:
		return "another proxy error"
	case 506:
		return "resources are not available"
	case 508:
		return "more than one session is meant"
	}
	return "another reason"
}
