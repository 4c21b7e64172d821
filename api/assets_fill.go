package api

import (
	"context"
	"io/fs"
	"strconv"

	"github.com/cordon-health/cordon/asset"
)

// Fill sets what the book answers of what pages ask of the network. Zones and
// bindings are put on top by who knows them.
func (a AssetBook) Fill(n *Network) {
	b := a.Book
	n.Devices = func(context.Context) ([]asset.Device, error) {
		list, _ := b.Devices(asset.Filter{Retired: true})
		return list, nil
	}
	n.Device = func(_ context.Context, key string) (asset.Device, error) {
		if d, ok := b.Device(key); ok {
			return d, nil
		}
		if d, ok := b.ByAddress(key, 0); ok {
			return d, nil
		}
		return asset.Device{}, fs.ErrNotExist
	}
	n.Kinds = func() []DeviceKind { return DeviceKinds(b) }
	n.Edit = func(ctx context.Context, id string, e DeviceEdit, by string) error {
		_, err := b.Edit(ctx, asset.Edit{Device: id, Fields: e.fields(), By: by})
		return err
	}
	n.Facts = func(_ context.Context, name asset.FactName) ([]DeviceFact, error) {
		out := []DeviceFact{}
		for _, f := range b.Facts(name) {
			out = append(out, DeviceFact{f.Device, f.KnownFact})
		}
		return out, nil
	}
	n.Had = func(_ context.Context, address string, at int64) ([]AddressUse, error) {
		out := []AddressUse{}
		for _, u := range b.Had(address, at) {
			out = append(out, AddressUse{Device: u.Device, Name: u.Name, Address: u.Address})
		}
		return out, nil
	}
}

// fields are those that an edit sets, as the book names them.
func (e DeviceEdit) fields() map[string]string {
	out := map[string]string{}
	for name, v := range map[string]*string{"name": e.Name, "kind": e.Kind, "vendor": e.Vendor, "model": e.Model, "owner": e.Owner, "department": e.Department,
		"location": e.Location, "end_of_life": e.EndOfLife, "support_ends": e.SupportEnds, "notes": e.Notes} {
		if v != nil {
			out[name] = *v
		}
	}
	for name, v := range map[string]*bool{"life_support": e.LifeSupport, "retired": e.Retired} {
		if v != nil {
			out[name] = map[bool]string{true: "yes"}[*v]
		}
	}
	if e.Criticality != nil {
		out["criticality"] = ""
		if *e.Criticality != 0 {
			out["criticality"] = strconv.Itoa(*e.Criticality)
		}
	}
	return out
}
