//go:build !unix

package evidence

import (
	"context"
	"errors"
)

func openDriver(context.Context, Config, siteKey, *witness) (*driver, error) {
	return nil, errors.New("open evidence log: this system can verify evidence but not write it; run the server on Linux")
}
