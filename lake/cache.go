package lake

import (
	"container/list"
	"sync"
)

// A cache keeps values that can be made again, up to a number of bytes; the
// ones used longest ago go first. Values are immutable.
type cache struct {
	mu    sync.Mutex
	max   int64
	size  int64
	order *list.List // of *cached, most recent first
	items map[cacheKey]*list.Element
}

type cacheKey struct{ name, kind string }

type cached struct {
	key   cacheKey
	value any
	size  int64
}

func newCache(max int64) *cache {
	return &cache{max: max, order: list.New(), items: map[cacheKey]*list.Element{}}
}

// get returns nil when there is no such value.
func (c *cache) get(name, kind string) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[cacheKey{name, kind}]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).value
}

func (c *cache) put(name, kind string, value any, size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := cacheKey{name, kind}
	if e := c.items[key]; e != nil {
		c.evict(e)
	}
	c.items[key] = c.order.PushFront(&cached{key, value, size})
	c.size += size
	for c.size > c.max && c.order.Len() > 1 {
		c.evict(c.order.Back())
	}
}

func (c *cache) evict(e *list.Element) {
	x := c.order.Remove(e).(*cached)
	delete(c.items, x.key)
	c.size -= x.size
}

// drop forgets all values of a name.
func (c *cache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kind := range []string{kindFilters, kindUIDs} {
		if e := c.items[cacheKey{name, kind}]; e != nil {
			c.evict(e)
		}
	}
}

// The kinds of values that are kept for a file.
const (
	kindFilters = "filters"
	kindUIDs    = "uids"
)
