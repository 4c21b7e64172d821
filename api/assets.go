package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/identity"
)

// AssetBook is the book of devices, and how what lists saw gets into it.
type AssetBook struct {
	Book *asset.Book
	// Publish hands what a list saw to the pipeline, as a sensor's word.
	Publish func(ctx context.Context, seen []asset.Observation) error
}

type (
	// DeviceFields is what somebody says of a device, field by field.
	DeviceFields struct {
		// Fields are set to their values, "" takes a value back; their names are
		// the columns of a list of devices, and into and apart to merge and split.
		Fields map[string]string `json:"fields"`
		Reason string            `json:"reason"`
	}
	deviceReason struct {
		Reason string `json:"reason"`
	}
	// DeviceWeaknesses are what a comparison of all software with lists of
	// vulnerabilities found, by device.
	DeviceWeaknesses struct {
		Found map[string][]asset.Weakness `json:"found"`
	}
	weaknessesKept struct {
		Devices int `json:"devices"`
	}
)

func (a *API) assetRoutes() []route {
	see, change := identity.SeeNetwork, identity.ChangeNetwork
	return []route{
		{method: "GET", path: "/api/v1/network/kinds", id: "listDeviceKinds", may: see, status: 200, answer: []DeviceKind{},
			about: "The kinds of devices there may be, medical ones first.", serve: (*call).deviceKinds},
		{method: "GET", path: "/api/v1/network/counts", id: "countDevices", may: see, status: 200, answer: []asset.Count{},
			about: "How many devices there are of each kind; unknown ones last.", serve: (*call).deviceCounts},
		{method: "POST", path: "/api/v1/network/devices/import", id: "importDevices", may: change, status: 200, answer: asset.Imported{},
			body: "application/octet-stream", most: a.Limits.Import, serve: (*call).devicesImport,
			params: []param{{"format", "What the body is.", []string{"csv", "cyclonedx", "nmap"}}, {"name", "What the list is called; a second import of one name takes its place.", nil},
				{"device", "The device that a bill of materials belongs to.", nil}, {"dry_run", "true tells what would change and changes nothing.", []string{"true", "false"}},
				{"overwrite", "true takes the list's word against people's.", []string{"true", "false"}}},
			about: "Take a list of devices in: CSV, a CycloneDX bill of materials, or the XML output of nmap. All of it or nothing. Content-Encoding gzip and zstd are opened."},
		{method: "GET", path: "/api/v1/network/devices/export", id: "exportDevices", may: see, status: 200, answer: "text/plain", serve: (*call).devicesExport,
			params: []param{{"format", "The form.", asset.Formats()}, {"site", "Name of the hospital's site in NetBox.", nil}},
			about:  "All devices: as the CSV that imports take, as NetBox takes them, or as lines of JSON."},
		{method: "GET", path: "/api/v1/network/software", id: "listSoftware", may: see, status: 200, answer: asset.Inventory{}, lines: true,
			about: "The software of all devices in use, from lists and as devices say themselves.", serve: (*call).software},
		{method: "POST", path: "/api/v1/network/weaknesses", id: "setWeaknesses", may: change, status: 200, body: DeviceWeaknesses{}, answer: weaknessesKept{}, most: a.Limits.Import,
			about: "Take in what a comparison with lists of vulnerabilities found, in place of what was known before.", serve: (*call).weaknessesSet},
		{method: "POST", path: "/api/v1/network/devices/{id}/fields", id: "setDeviceFields", may: change, status: 200, body: DeviceFields{}, answer: asset.Device{},
			about: "Say something of a device, field by field; also merge it into another (into) or keep it apart (apart). Each change is on record.", serve: (*call).deviceFields},
		{method: "POST", path: "/api/v1/network/devices/{id}/undo", id: "undoDeviceChange", may: change, status: 200, body: deviceReason{}, answer: asset.Device{},
			about: "Take the last change by hand of a device back; that too is on record.", serve: (*call).deviceUndo},
	}
}

// assetBook is the book, if this server keeps one.
func (c *call) assetBook() (*asset.Book, error) {
	if c.Assets.Book == nil {
		return nil, missing()
	}
	return c.Assets.Book, nil
}

func (c *call) deviceKinds() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, DeviceKinds(b))
}

// DeviceKinds lists the kinds a book knows, medical ones first.
func DeviceKinds(b *asset.Book) []DeviceKind {
	out := []DeviceKind{}
	for _, k := range b.Knowledge().Kinds() {
		out = append(out, DeviceKind{k.Name, k.Title, k.Medical})
	}
	slices.SortStableFunc(out, func(x, y DeviceKind) int {
		switch {
		case x.Medical == y.Medical:
			return 0
		case x.Medical:
			return -1
		}
		return 1
	})
	return out
}

func (c *call) deviceCounts() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	list := b.Counts()
	if list == nil {
		list = []asset.Count{}
	}
	return c.answer(http.StatusOK, list)
}

func (c *call) devicesImport() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	body, done, err := opened(c.r, c.Limits.Import)
	if err != nil {
		return err
	}
	defer done()
	name := strings.TrimSpace(q.Get("name"))
	if name == "" {
		name = q.Get("format")
	}
	list, err := asset.ReadList(body, q.Get("format"), name, q.Get("device"))
	if err != nil {
		return unreadable(err)
	}
	wish := asset.Wish{By: c.user.Human(), Dry: q.Get("dry_run") == "true", Overwrite: q.Get("overwrite") == "true"}
	out, err := b.Import(c.r.Context(), list, wish)
	if m := (asset.Mistake{}); errors.As(err, &m) {
		return unreadable(err) // with the line
	}
	if err != nil {
		return err
	}
	if !wish.Dry && len(out.Observations) > 0 && c.Assets.Publish != nil {
		if err := c.Assets.Publish(c.r.Context(), out.Observations); err != nil {
			return fmt.Errorf("take in what a list saw: %w", err)
		}
	}
	return c.answer(http.StatusOK, out)
}

// unreadable tells what is wrong with a list. Errors of parsers name the place
// and no values of the list.
func unreadable(err error) error {
	var m asset.Mistake
	switch {
	case errors.Is(err, errUnpacked):
		return refuse(http.StatusRequestEntityTooLarge, "the unpacked list is too large; split it", "解压后的清单过大；请拆分后导入")
	case errors.As(err, &m):
		return bad("not imported: "+err.Error(), "未导入："+m.ZH)
	}
	return bad("not imported: "+err.Error(), "未导入："+err.Error())
}

func (c *call) devicesExport() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	q := c.r.URL.Query()
	format, err := c.oneOf("format", asset.Formats()...)
	if err != nil {
		return err
	}
	if format == "" {
		format = "csv"
	}
	list, _ := b.Devices(asset.Filter{Retired: true})
	var out bytes.Buffer
	if err := asset.Export(&out, list, format, q.Get("site")); err != nil {
		return err
	}
	kind := "text/csv; charset=utf-8"
	if strings.HasSuffix(format, "json") || format == "jsonl" {
		kind = "application/json"
	}
	c.w.Header().Set("Content-Type", kind)
	_, err = io.Copy(c.w, &out)
	return err
}

func (c *call) software() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	out := c.lines()
	for _, inv := range b.Inventories() {
		if err := out.value(inv); err != nil {
			return err
		}
	}
	return out.end()
}

func (c *call) weaknessesSet() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	found, err := read[DeviceWeaknesses](c)
	if err != nil {
		return err
	}
	if err := b.SetWeaknesses(c.r.Context(), found.Found); err != nil {
		return err
	}
	return c.answer(http.StatusOK, weaknessesKept{len(found.Found)})
}

func (c *call) deviceFields() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	wish, err := read[DeviceFields](c)
	if err != nil {
		return err
	}
	return reply[asset.Device](c)(b.Edit(c.r.Context(), asset.Edit{Device: c.id(), Fields: wish.Fields, By: c.user.Human(), Why: wish.Reason}))
}

func (c *call) deviceUndo() error {
	b, err := c.assetBook()
	if err != nil {
		return err
	}
	wish, err := read[deviceReason](c)
	if err != nil {
		return err
	}
	return reply[asset.Device](c)(b.Undo(c.r.Context(), c.id(), c.user.Human(), wish.Reason))
}
