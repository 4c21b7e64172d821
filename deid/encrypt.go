package deid

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
)

// Recipients reads the public keys outputs are encrypted to, "age1…": what is
// written for them only they can read, with the program age or [Decrypt].
func Recipients(texts []string) ([]age.Recipient, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	all, err := age.ParseRecipients(strings.NewReader(strings.Join(texts, "\n")))
	if err != nil {
		return nil, fmt.Errorf("%w: a recipient is no public key of age (age1…); make one with age-keygen", ErrUsage)
	}
	return all, nil
}

// leastPassphrase is the fewest characters a passphrase may have.
const leastPassphrase = 12

// Passphrase reads a passphrase from a file's first line, for outputs whose
// receiver has no key.
func Passphrase(path string) ([]age.Recipient, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	line = strings.TrimRight(line, "\r")
	if len(line) < leastPassphrase {
		return nil, fmt.Errorf("%w: the passphrase is shorter than %d characters", ErrUsage, leastPassphrase)
	}
	r, err := age.NewScryptRecipient(line)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	return []age.Recipient{r}, nil
}

// seal gives the writer whose text is encrypted into out; Close ends it. With
// no recipients it is out itself.
func seal(out io.Writer, to []age.Recipient) (io.WriteCloser, error) {
	if len(to) == 0 {
		return notSealed{out}, nil
	}
	w, err := age.Encrypt(out, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return w, nil
}

type notSealed struct{ io.Writer }

func (notSealed) Close() error { return nil }

// ErrNotForUs means that a file is not encrypted to the identity given.
var ErrNotForUs = errors.New("it is not encrypted for this key")

// Decrypt opens what was encrypted for an identity of age.
func Decrypt(in io.Reader, identities ...age.Identity) (io.Reader, error) {
	r, err := age.Decrypt(in, identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrNotForUs
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return r, nil
}
