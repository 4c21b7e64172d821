package evidence

import "sync"

// salts caches the salt keys of months.
type salts struct {
	mu   sync.Mutex
	keys map[string][]byte
}

func (s *salts) get(id string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok := s.keys[id]
	return key, ok
}

func (s *salts) put(id string, key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string][]byte{}
	}
	s.keys[id] = key
}

func (s *salts) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}
