package deid

import (
	"bytes"
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"

	"github.com/cordon-health/cordon/classify"
)

// testKey is a key that is the same in every test run.
func testKey(t testing.TB, o KeyOptions) *Key {
	t.Helper()
	secret := sha256.Sum256([]byte("a key for tests"))
	k, err := keyOf(secret, o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestFF1OfNIST runs all nine samples of "FF1 samples" that NIST publishes
// with SP 800-38G.
func TestFF1OfNIST(t *testing.T) {
	const (
		k128 = "2B7E151628AED2A6ABF7158809CF4F3C"
		k192 = k128 + "EF4359D8D580AA4F"
		k256 = k192 + "7F036D6F04FC6A94"
		tw10 = "39383736353433323130"
		tw36 = "3737373770717273373737"
	)
	for _, c := range []struct {
		key, tweak  string
		radix       int
		plain, want string
	}{
		{k128, "", 10, "0123456789", "2433477484"},
		{k128, tw10, 10, "0123456789", "6124200773"},
		{k128, tw36, 36, "0123456789abcdefghi", "a9tv40mll9kdu509eum"},
		{k192, "", 10, "0123456789", "2830668132"},
		{k192, tw10, 10, "0123456789", "2496655549"},
		{k192, tw36, 36, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"},
		{k256, "", 10, "0123456789", "6657667009"},
		{k256, tw10, 10, "0123456789", "1001623463"},
		{k256, tw36, 36, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"},
	} {
		block, err := aes.NewCipher(unhex(t, c.key))
		if err != nil {
			t.Fatal(err)
		}
		f := ff1{block, c.radix}
		x := numerals36(c.plain)
		if err := f.crypt(x, unhex(t, c.tweak), false); err != nil {
			t.Fatal(err)
		}
		if got := text36(x); got != c.want {
			t.Errorf("%d bit, tweak %q, radix %d: %s, want %s", len(c.key)*4, c.tweak, c.radix, got, c.want)
		}
		long := numerals36(c.plain)
		f.long(long, unhex(t, c.tweak), len(long)/2, false)
		if got := text36(long); got != c.want {
			t.Errorf("with big numbers: %s, want %s", got, c.want)
		}
		if err := f.crypt(x, unhex(t, c.tweak), true); err != nil || text36(x) != c.plain {
			t.Errorf("back: %s, %v", text36(x), err)
		}
	}
}

func numerals36(s string) []byte {
	x := make([]byte, len(s))
	for i := range s {
		x[i] = byte(strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyz", s[i]))
	}
	return x
}

func text36(x []byte) string {
	var b strings.Builder
	for _, c := range x {
		b.WriteByte("0123456789abcdefghijklmnopqrstuvwxyz"[c])
	}
	return b.String()
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSM holds the examples of GB/T 32905 (SM3) and GB/T 32907 (SM4).
func TestSM(t *testing.T) {
	sum := sm3.Sum([]byte("abc"))
	if got := hex.EncodeToString(sum[:]); got != "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" {
		t.Errorf("SM3 of abc is %s", got)
	}
	key := unhex(t, "0123456789abcdeffedcba9876543210")
	block, err := sm4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 16)
	block.Encrypt(out, key)
	if got := hex.EncodeToString(out); got != "681edf34d206965e86b3e94f536e4246" {
		t.Errorf("SM4 gives %s", got)
	}
}

// TestMAC compares with the standard library's HMAC in both suites.
func TestMAC(t *testing.T) {
	for _, suite := range []Suite{Standard, SM} {
		k := testKey(t, KeyOptions{Suite: suite})
		for n := range 500 {
			text := bytes.Repeat([]byte("x"), n)
			mac := hmac.New(k.hash(), k.token[:])
			mac.Write(append([]byte("code\x00"), text...))
			got := k.mac(&k.token, "code", text)
			if !bytes.Equal(got[:], mac.Sum(nil)) {
				t.Fatalf("%s: HMAC of %d bytes differs", suite, n)
			}
		}
	}
}

// TestLongFF1 compares the two ways of computing over all lengths that both
// can do, and goes there and back over those that only big numbers can.
func TestLongFF1(t *testing.T) {
	for _, suite := range []Suite{Standard, SM} {
		k := testKey(t, KeyOptions{Suite: suite})
		for n := 6; n < 80; n++ {
			f := ff1{k.fpe, 10}
			x := make([]byte, n)
			for i := range x {
				x[i] = byte(i*7) % 10
			}
			want := bytes.Clone(x)
			big := bytes.Clone(x)
			if err := f.crypt(x, []byte("tweak"), false); err != nil {
				t.Fatal(err)
			}
			f.long(big, []byte("tweak"), n/2, false)
			if !bytes.Equal(x, big) {
				t.Fatalf("%d digits: the two ways differ", n)
			}
			if err := f.crypt(x, []byte("tweak"), true); err != nil || !bytes.Equal(x, want) {
				t.Fatalf("%d digits do not come back", n)
			}
		}
	}
}

func TestSmallDomainsAreRefused(t *testing.T) {
	k := testKey(t, KeyOptions{})
	for _, s := range []string{"", "1", "12345", "A1Z", "a1z"} {
		if _, err := k.Encrypt("x", s); !errors.Is(err, ErrSmallDomain) || !strings.Contains(err.Error(), "pseudonym") {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"123456", "A1Z9", "ab1Z", "12-34-56", "AB-1234/5.6", "ＡＢ１２３４"} {
		out, err := k.Encrypt("x", s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := k.Decrypt("x", out)
		if err != nil || back != strings.ToUpper(strings.NewReplacer("ＡＢ１２３４", "AB1234").Replace(s)) && back != s {
			t.Errorf("%q -> %q -> %q, %v", s, out, back, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.key")
	k, err := NewKey(KeyOptions{Suite: SM, KeepWeekdays: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := k.Save(path); err == nil {
		t.Error("a key was overwritten")
	}
	again, err := ReadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID() != k.ID() || again.Suite() != SM || again.Token(classify.MRN, "7") != k.Token(classify.MRN, "7") || again.Shift("7")%7 != 0 {
		t.Error("another key came back")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key everybody reads: %v", err)
	}
}

func TestDamagedKeyIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.key")
	k, err := NewKey(KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	at := strings.Index(text, "secret: ") + 10
	for name, bad := range map[string]string{
		"another secret":  text[:at] + "AAAA" + text[at+4:],
		"another version": strings.Replace(text, "version: 1", "version: 2", 1),
		"another suite":   strings.Replace(text, "suite: standard", "suite: sm", 1),
		"unknown setting": text + "extra: 1\n",
		"cut":             text[:at],
		"no key":          "hello",
		"empty":           "",
	} {
		if _, err := parseKey([]byte(bad)); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

func TestShift(t *testing.T) {
	k, weeks := testKey(t, KeyOptions{}), testKey(t, KeyOptions{KeepWeekdays: true})
	seen := map[int]bool{}
	for i := range 20000 {
		patient := big.NewInt(int64(i)).String()
		n, w := k.Shift(patient), weeks.Shift(patient)
		if n == 0 || n < -maxShift || n > maxShift || w == 0 || w%7 != 0 || w < -maxShift || w > maxShift {
			t.Fatalf("patient %s moves by %d and %d", patient, n, w)
		}
		seen[n] = true
	}
	if len(seen) != 2*maxShift {
		t.Errorf("%d different shifts, want %d", len(seen), 2*maxShift)
	}
	if k.Shift("12345") != k.Shift(" 123-45 ") {
		t.Error("one patient moves in two ways")
	}
}

func BenchmarkToken(b *testing.B) {
	for _, suite := range []Suite{Standard, SM} {
		b.Run(string(suite), func(b *testing.B) {
			k := testKey(b, KeyOptions{Suite: suite})
			var room [64]byte
			value := []byte("00123456")
			for b.Loop() {
				k.appendToken(room[:0], "code", normalCode(value))
			}
		})
	}
}

func BenchmarkFF1(b *testing.B) {
	for _, suite := range []Suite{Standard, SM} {
		b.Run(string(suite), func(b *testing.B) {
			k := testKey(b, KeyOptions{Suite: suite})
			for b.Loop() {
				if _, err := k.Encrypt("value", "0123456789"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
