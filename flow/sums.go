package flow

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// mostSummed is how many sums are remembered, some 70 MB: the last day by the
// hour and a week by the day of a network with 2,000 devices.
const mostSummed = 150_000

const dayHours = int64(24 * time.Hour / time.Hour)

// span is an hour, or a day of UTC.
type span struct{ first, hours int64 }

// summed are the conversations of a span, remembered.
type summed struct {
	list []Conversation
	used int64 // when it was asked for last
}

// sums remembers spans that were read, until one of their hours changes.
type sums struct {
	spans   map[span]*summed
	size    int
	clock   int64
	applied int64           // counts what was applied
	changed map[int64]int64 // by hour: applied, as it was then
}

// touch forgets what an hour is part of.
func (s *sums) touch(hour int64) {
	s.applied++
	if s.changed == nil {
		s.changed, s.spans = map[int64]int64{}, map[span]*summed{}
	}
	s.changed[hour] = s.applied
	s.drop(span{hour, 1})
	s.drop(span{hour - hour%dayHours, dayHours})
	if len(s.changed) > 2*int(Keep.Hours()) {
		for h := range s.changed {
			if h < hour-int64(Keep.Hours()) {
				delete(s.changed, h)
			}
		}
	}
}

func (s *sums) drop(k span) {
	if old := s.spans[k]; old != nil {
		s.size -= len(old.list)
		delete(s.spans, k)
	}
}

// put remembers a span that did not change since before; what was not asked
// for the longest goes.
func (s *sums) put(k span, list []Conversation, before int64) {
	for h := k.first; h < k.first+k.hours; h++ {
		if s.changed[h] > before {
			return
		}
	}
	if s.spans == nil {
		s.changed, s.spans = map[int64]int64{}, map[span]*summed{}
	}
	s.drop(k)
	s.clock++
	s.spans[k], s.size = &summed{list, s.clock}, s.size+len(list)
	for s.size > mostSummed && len(s.spans) > 1 {
		oldest := k
		for other, x := range s.spans {
			if x.used < s.spans[oldest].used {
				oldest = other
			}
		}
		s.drop(oldest)
	}
}

// Sums gives what was seen from one moment until another (ms), whole days as
// one conversation for each key, other hours as [Book.Conversations] does. What
// it gives must not be changed: it is remembered.
func (b *Book) Sums(ctx context.Context, from, until int64) iter.Seq2[*Conversation, error] {
	return func(yield func(*Conversation, error) bool) {
		end := (until + hourMS - 1) / hourMS
		for hour := from / hourMS; hour < end; {
			k := span{hour, 1}
			if hour%dayHours == 0 && hour+dayHours <= end {
				k.hours = dayHours
			}
			hour += k.hours
			list, err := b.sum(ctx, k)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range list {
				if !yield(&list[i], nil) {
					return
				}
			}
		}
	}
}

// Changed tells what was applied to an hour (since 1970) before from what was
// applied later: whoever remembers something of the hour remembers this too.
func (b *Book) Changed(hour int64) int64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sums.changed[hour]
}

// sum is one span's conversations, remembered where nothing changed meanwhile.
func (b *Book) sum(ctx context.Context, k span) ([]Conversation, error) {
	b.mu.Lock()
	if old := b.sums.spans[k]; old != nil {
		b.sums.clock++
		old.used = b.sums.clock
		b.mu.Unlock()
		return old.list, nil
	}
	before := b.sums.applied
	b.mu.Unlock()
	list, err := b.read(ctx, k)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums.put(k, list, before)
	return list, nil
}

func (b *Book) read(ctx context.Context, k span) (list []Conversation, err error) {
	if k.hours == 1 {
		for c, err := range b.Conversations(ctx, k.first*hourMS, (k.first+1)*hourMS) {
			if err != nil {
				return nil, err
			}
			list = append(list, c)
		}
		return list, nil
	}
	list, ok, err := b.day(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("read a day's conversations: %w", err)
	}
	if ok {
		return list, nil
	}
	return b.addHours(ctx, k)
}

// addHours sums the hours of a span.
func (b *Book) addHours(ctx context.Context, k span) (list []Conversation, err error) {
	at := map[Key]int{}
	for c, err := range b.Conversations(ctx, k.first*hourMS, (k.first+k.hours)*hourMS) {
		if err != nil {
			return nil, err
		}
		if i, some := at[c.Key]; some {
			list[i].Add(c)
			continue
		}
		at[c.Key] = len(list)
		list = append(list, c)
	}
	return slices.Clip(list), nil
}
