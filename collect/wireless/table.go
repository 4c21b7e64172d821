package wireless

// table remembers the newest entries, in the order in which they were made or
// moved; the oldest gives way.
type table[K comparable, V any] struct {
	most  int
	items map[K]*V
	order []K
	next  int
}

func newTable[K comparable, V any](most int) table[K, V] {
	return table[K, V]{most: most, items: map[K]*V{}}
}

func (t *table[K, V]) get(k K) *V { return t.items[k] }

// at is the entry of a key, made if there is none.
func (t *table[K, V]) at(k K) (v *V, made bool) {
	if v := t.items[k]; v != nil {
		return v, false
	}
	if len(t.order) < t.most {
		t.order = append(t.order, k)
	} else {
		delete(t.items, t.order[t.next])
		t.order[t.next] = k
		t.next = (t.next + 1) % t.most
	}
	v = new(V)
	t.items[k] = v
	return v, true
}

func (t *table[K, V]) each(visit func(K, *V)) {
	for _, k := range t.order {
		if v := t.items[k]; v != nil {
			visit(k, v)
		}
	}
}

func (t *table[K, V]) len() int { return len(t.items) }
