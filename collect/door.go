package collect

import (
	"context"
	"crypto/tls"
)

// Door is one way in that a collector holds open, as a sender finds it. It
// exists so that Cordon can send itself something, and see it come out at the
// other end.
type Door struct {
	// Name is the source's, with the transport where there are several.
	Name string
	// Format is what the door takes.
	Format string
	// Send hands one item in from outside and returns when the protocol says
	// that it was taken; where it has no answer, when it was sent.
	Send func(ctx context.Context, data []byte) error
	// NeedsCertificate is true where a sender must show one and there is none.
	NeedsCertificate bool
}

// Keeper is a collector whose doors can be knocked at. own is the certificate
// to show where one is demanded, or nil.
type Keeper interface {
	Doors(own *tls.Certificate) []Door
}
