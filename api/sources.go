package api

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/directory"
	"github.com/cordon-health/cordon/quarantine"
)

// taken is the answer of the HTTP collector, for the description.
type taken struct {
	Accepted int `json:"accepted"`
	Rejected int `json:"rejected"`
	Errors   []struct {
		Index  int    `json:"index"`
		Reason string `json:"reason"`
	} `json:"errors,omitempty"`
}

// imported is how an import went. The rejected rows themselves are personal
// data and stay away.
type imported struct {
	Read        int           `json:"read"`
	Accepted    int           `json:"accepted"`
	Duplicate   int           `json:"duplicate"`
	Quarantined int           `json:"quarantined"`
	Warnings    []string      `json:"warnings"`
	Rejects     []rejectedRow `json:"rejects"`
}

type rejectedRow struct {
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

func (c *call) importList() error {
	kind := c.r.PathValue("kind")
	if !slices.Contains(ImportKinds(), kind) {
		return refuse(http.StatusNotFound, "lists to import are "+strings.Join(ImportKinds(), ", "), "可导入的清单："+strings.Join(ImportKinds(), "、"))
	}
	body, done, err := opened(c.r, c.Limits.Import)
	if err != nil {
		return err
	}
	defer done()
	n, err := c.Import(c.r.Context(), kind, body, nil)
	if errors.Is(err, errUnpacked) {
		return refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("the unpacked list is larger than %d bytes; split it", c.Limits.Import),
			fmt.Sprintf("解压后的清单超过 %d 字节；请拆分后导入", c.Limits.Import))
	}
	if err != nil {
		return bad("not imported: "+err.Error(), "未导入："+err.Error())
	}
	return c.answer(http.StatusOK, importedOf(n))
}

func importedOf(n directory.Counts) imported {
	out := imported{Read: n.Read, Accepted: n.Accepted, Duplicate: n.Duplicate, Quarantined: n.Quarantined,
		Warnings: append([]string{}, n.Warnings...), Rejects: []rejectedRow{}}
	for _, r := range n.Rejects {
		out.Rejects = append(out.Rejects, rejectedRow{r.Line, r.Reason})
	}
	return out
}

var errUnpacked = errors.New("the unpacked body is too large")

// atMost fails after left bytes, as a small packed body may become very large.
type atMost struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (a *atMost) Read(p []byte) (int, error) {
	if int64(len(p)) > a.left+1 {
		p = p[:a.left+1]
	}
	n, err := a.r.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, errUnpacked
	}
	return n, err
}

// opened is the body without its compression, of most bytes at most.
func opened(r *http.Request, most int64) (io.Reader, func(), error) {
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		return r.Body, func() {}, nil
	case "gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, nil, bad("the body is not gzip", "内容不是 gzip 格式")
		}
		return &atMost{z, most}, func() {}, nil
	case "zstd":
		z, err := zstd.NewReader(r.Body, zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, nil, bad("the body is not zstd", "内容不是 zstd 格式")
		}
		return &atMost{z, most}, z.Close, nil
	}
	return nil, nil, refuse(http.StatusUnsupportedMediaType, "content encoding is not known; use gzip, zstd or none", "不支持的压缩方式；请使用 gzip、zstd 或不压缩")
}

// setAside is a quarantined record without its bytes.
type setAside struct {
	ID       string `json:"id"`
	Source   string `json:"source"`
	Format   string `json:"format"`
	Mapping  string `json:"mapping,omitempty"`
	Reason   string `json:"reason"`
	Received int64  `json:"received"`
	Bytes    int    `json:"bytes"`
	State    string `json:"state"`
	Tries    int    `json:"tries"`
	By       string `json:"by,omitempty"`
}

type setAsideData struct {
	setAside
	Data []byte `json:"data"`
}

type mended struct {
	// Data are the mended bytes (base64); none replays the record as it is.
	Data []byte `json:"data,omitempty"`
}

func setAsideOf(i quarantine.Item) setAside {
	return setAside{ID: i.ID, Source: i.Source, Format: i.Format, Mapping: i.Mapping, Reason: i.Reason, Received: i.Received,
		Bytes: len(i.Data), State: i.State, Tries: i.Tries, By: i.By}
}

func (c *call) quarantined() error {
	state, err := c.oneOf("state", quarantine.Open, quarantine.Replayed, quarantine.Discarded)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", 0, 1<<30)
	if err != nil {
		return err
	}
	if state == "" {
		state = quarantine.Open
	}
	out := c.lines()
	const batch = 200
	for offset := 0; ; offset += batch {
		items, err := c.Quarantine.List(c.r.Context(), state, batch, offset)
		if err != nil {
			return err
		}
		for _, i := range items {
			if err := out.value(setAsideOf(i)); err != nil {
				return err
			}
			if limit--; limit == 0 {
				return out.end()
			}
		}
		if len(items) < batch {
			return out.end()
		}
	}
}

func (c *call) quarantinedOne() error {
	i, err := c.Quarantine.Get(c.r.Context(), c.id())
	if err != nil {
		return err
	}
	if err := c.Watch(c.r.Context(), c.user, LookedAtRecord, "Quarantine", i.ID, ""); err != nil {
		return err
	}
	return c.answer(http.StatusOK, setAsideData{setAsideOf(i), i.Data})
}

func (c *call) replay() error {
	b, err := read[mended](c)
	if err != nil {
		return err
	}
	if err := c.ReplayItem(c.r.Context(), c.user, c.id(), b.Data); err != nil {
		return err
	}
	return c.quarantinedState()
}

func (c *call) discard() error {
	if err := c.DiscardItem(c.r.Context(), c.user, c.id()); err != nil {
		return err
	}
	return c.quarantinedState()
}

func (c *call) quarantinedState() error {
	i, err := c.Quarantine.Get(c.r.Context(), c.id())
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, setAsideOf(i))
}
