package binding

// cache remembers the latest entries of each key, at most `most` of them. What
// was used once is displaced before what was used again, so that a flood of
// invented keys displaces itself.
type cache[K comparable, V any] struct {
	most  int
	items map[K]*item[K, V]
	// once and again are rings around a node without a value; the newest is
	// behind it, the oldest before it.
	once, again   item[K, V]
	nOnce, nAgain int
}

type item[K comparable, V any] struct {
	key        K
	value      V
	next, prev *item[K, V]
	again      bool
}

func newCache[K comparable, V any](most int) *cache[K, V] {
	c := &cache[K, V]{most: max(most, 4), items: map[K]*item[K, V]{}}
	c.once.next, c.once.prev = &c.once, &c.once
	c.again.next, c.again.prev = &c.again, &c.again
	return c
}

// get is the entry of a key that exists, nil otherwise. It counts as a use.
func (c *cache[K, V]) get(k K) *V {
	i := c.items[k]
	if i == nil {
		return nil
	}
	c.use(i)
	return &i.value
}

// peek is get without counting as a use.
func (c *cache[K, V]) peek(k K) *V {
	if i := c.items[k]; i != nil {
		return &i.value
	}
	return nil
}

// at is the entry of a key, made if there is none.
func (c *cache[K, V]) at(k K) (v *V, made bool) {
	if i := c.items[k]; i != nil {
		c.use(i)
		return &i.value, false
	}
	if c.nOnce+c.nAgain >= c.most {
		c.displace()
	}
	i := &item[K, V]{key: k}
	c.items[k] = i
	i.after(&c.once)
	c.nOnce++
	return &i.value, true
}

func (c *cache[K, V]) use(i *item[K, V]) {
	i.cut()
	if !i.again {
		i.again = true
		c.nOnce--
		c.nAgain++
	}
	i.after(&c.again)
	// What was used again may fill three quarters; then its oldest has to
	// prove itself once more.
	if c.nAgain > c.most*3/4 {
		o := c.again.prev
		o.cut()
		o.again = false
		o.after(&c.once)
		c.nAgain--
		c.nOnce++
	}
}

func (c *cache[K, V]) displace() {
	o := c.once.prev
	if o == &c.once {
		o = c.again.prev
		c.nAgain--
	} else {
		c.nOnce--
	}
	o.cut()
	delete(c.items, o.key)
}

func (i *item[K, V]) cut() { i.prev.next, i.next.prev = i.next, i.prev }

func (i *item[K, V]) after(head *item[K, V]) {
	i.next, i.prev = head.next, head
	head.next.prev = i
	head.next = i
}

// each visits all entries, from the newest of those used once to the oldest of
// those used again.
func (c *cache[K, V]) each(visit func(K, *V)) {
	for _, head := range [2]*item[K, V]{&c.once, &c.again} {
		for i := head.next; i != head; i = i.next {
			visit(i.key, &i.value)
		}
	}
}

func (c *cache[K, V]) len() int { return c.nOnce + c.nAgain }
