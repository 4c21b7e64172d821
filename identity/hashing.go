package identity

import "context"

// atOnce is how many passwords are hashed at the same time. Each takes 46 MiB,
// so that a flood of sign-ins costs waiting, not the server's memory.
const atOnce = 2

// hashing does the costly work f when it is its turn, or not at all when ctx
// ends before.
func (s *Users) hashing(ctx context.Context, f func()) error {
	select {
	case s.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turns }()
	f()
	return nil
}
