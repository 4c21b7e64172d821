package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/evidence/bundle"
	evidencefolder "github.com/cordon-health/cordon/evidence/folder"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/store"
	"github.com/cordon-health/cordon/store/sqlite"
	"github.com/cordon-health/cordon/zone"
	"github.com/cordon-health/cordon/zone/nft"
)

// ZoneRouter is the zone policy of the machine it runs on, with evidence of its
// own in a folder: for a router without a server.
type ZoneRouter struct {
	*zone.Manager
	place  string
	now    func() time.Time
	kernel *nft.Kernel
	lock   io.Closer
	db     *store.DB
	log    *evidence.Log
}

// ZoneRouterOptions say where.
type ZoneRouterOptions struct {
	// Data is the folder; it is made where it is not there.
	Data string
	// Place names the router in evidence. Default: the host's name.
	Place string
	// NetNS is a network namespace; empty is that of the process.
	NetNS  string
	Strict bool
	// Look mends nothing that somebody changed in the kernel.
	Look bool
	Site *time.Location
	Now  func() time.Time
	Log  *slog.Logger
}

// OpenZoneRouter opens the folder and makes kernel and journal agree.
func OpenZoneRouter(ctx context.Context, o ZoneRouterOptions) (z *ZoneRouter, err error) {
	if o.Place == "" {
		if o.Place, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("name of this machine: %w", err)
		}
	}
	z = &ZoneRouter{place: o.Place, now: o.Now}
	if err := z.open(ctx, o); err != nil {
		return nil, errors.Join(err, z.Close(ctx))
	}
	z.Manager = zone.NewManager(zone.ManagerParts{Place: o.Place, Enforcer: z.kernel, Journal: zone.Book{DB: z.db, Log: z.log, Place: o.Place},
		Site: o.Site, Prober: nft.Prober{}, Strict: o.Strict, Now: o.Now, Log: o.Log})
	agree := z.Recover
	if o.Look {
		agree = z.Overdue
	}
	if _, err := agree(ctx); err != nil {
		return nil, errors.Join(err, z.Close(ctx))
	}
	return z, nil
}

func (z *ZoneRouter) open(ctx context.Context, o ZoneRouterOptions) (err error) {
	if z.kernel, err = nft.Open(nft.Options{NetNS: o.NetNS, Log: o.Log}); err != nil {
		return err
	}
	if err := durable.MkdirAll(o.Data, 0o700); err != nil {
		return err
	}
	if z.lock, err = durable.Lock(filepath.Join(o.Data, "lock")); err != nil {
		return err
	}
	if z.db, err = sqlite.Open(ctx, evidencefolder.StorePath(o.Data)); err != nil {
		return err
	}
	z.log, err = evidence.Open(ctx, evidence.Config{Dir: filepath.Join(o.Data, "evidence"), KeyDir: filepath.Join(o.Data, "keys")}, z.db, o.Now, o.Log)
	return err
}

// Close signs what was done.
func (z *ZoneRouter) Close(ctx context.Context) error {
	var errs []error
	if z.log != nil {
		errs = append(errs, z.log.Close(ctx))
	}
	if z.db != nil {
		errs = append(errs, z.db.Close())
	}
	if z.kernel != nil {
		errs = append(errs, z.kernel.Close())
	}
	if z.lock != nil {
		errs = append(errs, z.lock.Close())
	}
	return errors.Join(errs...)
}

// Proof writes the proof of segmentation: everything that became of policies
// here, signed; cordon verify checks it.
func (z *ZoneRouter) Proof(ctx context.Context, lang string, w io.Writer) error {
	rec, err := z.log.Get(ctx, zone.StandKind, z.place)
	if err != nil {
		return err
	}
	return bundle.Export(ctx, w, z.log, bundle.Input{Incident: rec, Made: z.now().UnixMilli(), Lang: lang, Describe: zone.DescribeProof})
}

// ZoneLoaded says what the kernel enforces now; it needs no folder.
func ZoneLoaded(ctx context.Context, netNS string) (zone.Loaded, error) {
	k, err := nft.Open(nft.Options{NetNS: netNS})
	if err != nil {
		return zone.Loaded{}, err
	}
	l, err := k.Loaded(ctx, nil, zone.Enforce)
	return l, errors.Join(err, k.Close())
}

// The times of WatchZones.
const (
	zoneBeat     = 10 * time.Second
	zoneBeatLife = 30 * time.Second
	zoneMend     = time.Minute
)

// WatchZones works until ctx ends: it has the kernel hold what is enforced,
// also after a start of the machine, keeps fail-open zones enforced, rolls back
// what nobody confirmed, and tells denials. The folder stays free for other
// commands.
func WatchZones(ctx context.Context, o ZoneRouterOptions, out func(zone.Denial)) error {
	k, err := nft.Open(nft.Options{NetNS: o.NetNS, Log: o.Log})
	if err != nil {
		return err
	}
	denials := k.NewDenials(o.Now, out)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() { ended <- denials.Run(ctx, func() {}) }()
	err = watchZones(ctx, o, k, ended)
	cancel()
	if s := denials.Stats(); s.Lost > 0 {
		o.Log.Warn("the kernel could not deliver all denials", "read", s.Records, "lost", s.Lost)
	}
	return errors.Join(err, k.Close())
}

func watchZones(ctx context.Context, o ZoneRouterOptions, k *nft.Kernel, ended <-chan error) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := time.Duration(0); ; n += time.Second {
		if n%zoneMend == 0 || n%zoneBeat == 0 {
			if err := mendZones(ctx, o, k, n%zoneMend == 0); err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case err := <-ended:
			return err
		case <-tick.C:
		}
	}
}

func mendZones(ctx context.Context, o ZoneRouterOptions, k *nft.Kernel, mend bool) error {
	l, err := k.Loaded(ctx, nil, zone.Enforce)
	if err != nil {
		return err
	}
	if over := l.Mode == zone.Trial && l.Armed == 0; mend || over {
		z, err := OpenZoneRouter(ctx, o)
		switch {
		case errors.Is(err, durable.ErrLocked): // another command works on it
		case err != nil:
			return err
		default:
			if err := z.Close(ctx); err != nil {
				return err
			}
			if l, err = k.Loaded(ctx, nil, zone.Enforce); err != nil {
				return err
			}
		}
	}
	if !l.Present {
		return nil
	}
	return k.Beat(ctx, zoneBeatLife)
}
