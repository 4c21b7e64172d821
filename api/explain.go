package api

import (
	"context"
	"errors"
	"time"

	"github.com/cordon-health/cordon/lake"
	"github.com/cordon-health/cordon/ocsf"
)

type explainWish struct {
	// Events are the events' own ids as given by the source.
	Events []string `json:"events,omitempty"`
	All    bool     `json:"all,omitempty"`
}

// explained is one line of "cordon explain --json".
type explained struct {
	EventUID  string `json:"event_uid"`
	Explained bool   `json:"explained"`
	// Kind is one of care.PublicKinds, Detail Cordon's own finer one, where
	// there is one.
	Kind     string   `json:"kind,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	Sentence string   `json:"sentence"`
	Because  []string `json:"because"`
	// Error says why there is nothing to say about the id.
	Error string `json:"error,omitempty"`
}

func (c *call) explanations() error {
	wish, err := read[explainWish](c)
	if err != nil {
		return err
	}
	if wish.All == (len(wish.Events) > 0) {
		return bad(`give {"events":[...]} or {"all":true}`, `请给出 {"events":[...]} 或 {"all":true}`)
	}
	if err := c.Watch(c.r.Context(), c.user, LookedAtReasons, "", "", ""); err != nil {
		return err
	}
	out := c.lines()
	if wish.All {
		err = c.explainAll(out)
	} else {
		err = c.explainSome(out, wish.Events)
	}
	if err != nil {
		return err
	}
	return out.end()
}

func (c *call) explainSome(out *lines, uids []string) error {
	for _, uid := range uids {
		line, err := c.explained(uid)
		if err != nil {
			return err
		}
		if err := out.value(line); err != nil {
			return err
		}
	}
	return nil
}

// explained answers for one event.
func (c *call) explained(uid string) (explained, error) {
	x, err := c.Explanation(c.r.Context(), uid)
	switch {
	case errors.Is(err, lake.ErrNotFound):
		return explained{EventUID: uid, Because: []string{}, Error: lake.ErrNotFound.Error()}, nil
	case err != nil:
		return explained{}, err
	case x == nil:
		return explained{EventUID: uid, Because: []string{}, Error: "not an access to one patient's data, so there is nothing to explain"}, nil
	}
	return c.line(uid, *x, c.lang), nil
}

// Explanation is that of an access; nil for an event that needs none. The
// second record of an access that two systems recorded answers with the first
// one's.
func (s *Services) Explanation(ctx context.Context, uid string) (*ocsf.Explanation, error) {
	ev, err := s.Lake.Event(ctx, uid)
	if err != nil {
		return nil, err
	}
	if ev.Access != nil && ev.Access.HalfOf != "" {
		if ev, err = s.Lake.Event(ctx, ev.Access.HalfOf); err != nil {
			return nil, err
		}
	}
	return ev.Explanation, nil
}

func (s *Services) line(uid string, x ocsf.Explanation, lang string) explained {
	kind, detail := s.publicKind(x.Kind)
	return explained{EventUID: uid, Explained: x.Explained, Kind: kind, Detail: detail, Because: append([]string{}, x.Because...), Sentence: s.Care.Sentence(x, lang)}
}

// explainAll streams from the lake's own views: first the accesses, then the
// second records of accesses that two systems recorded.
func (c *call) explainAll(out *lines) error {
	for _, sql := range []string{
		`SELECT uid, explained, kind, because, args FROM explanations`,
		`SELECT r.uid, e.explained, e.kind, e.because, e.args FROM records r JOIN explanations e ON e.uid = r.half_of WHERE r.half_of IS NOT NULL`,
	} {
		if err := c.explainRows(out, sql); err != nil {
			return err
		}
	}
	return nil
}

// explainTime bounds the list of all accesses, which takes longer than an
// ordinary query.
const explainTime = time.Hour

func (c *call) explainRows(out *lines, sql string) error {
	ctx, cancel := context.WithTimeout(c.r.Context(), explainTime)
	defer cancel()
	rows, err := c.Lake.SQL(ctx, sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r := rows.Row()
		yes, _ := r[1].(bool)
		x := ocsf.Explanation{Explained: yes, Kind: word(r[2]), Because: lake.SplitList(word(r[3])), Args: lake.SplitList(word(r[4]))}
		if err := out.value(c.line(word(r[0]), x, c.lang)); err != nil {
			return err
		}
	}
	return rows.Err()
}

func word(v any) string {
	s, _ := v.(string)
	return s
}

// publicKind is a kind as it is given out, and Cordon's own finer one where
// that is another.
func (s *Services) publicKind(kind string) (public, detail string) {
	if public = s.Care.Kinds().Public(kind); public != kind {
		detail = kind
	}
	return public, detail
}
