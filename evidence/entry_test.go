package evidence

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
)

// The format is public: these entries must be readable for ever.
func TestEntryFormat(t *testing.T) {
	data, err := os.ReadFile("testdata/entries.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		var entry []byte
		if _, err := fmt.Sscanf(string(text), "%x", &entry); err != nil {
			t.Fatal(err)
		}
		e, err := DecodeEntry(entry)
		if err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		again, err := e.Encode()
		if err != nil || !bytes.Equal(again, entry) {
			t.Errorf("entry %d comes back as\n%s\nnot\n%s", i, again, entry)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no line end":    `{"v":1,"kind":"x","time":1}`,
		"not JSON":       "{\n",
		"other form":     `{"v":2,"kind":"x","time":1}` + "\n",
		"tags missing":   `{"v":1,"kind":"x","time":1,"n":1}` + "\n1234567",
		"tags too many":  `{"v":1,"kind":"x","time":1}` + "\n12345678",
		"no root":        `{"v":1,"kind":"events","time":1,"key":"2026-01"}` + "\n",
		"rows":           `{"v":1,"kind":"records","time":1,"n":1,"first":1,"last":2,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}` + "\n12345678",
		"no genesis":     `{"v":1,"kind":"genesis","time":1}` + "\n",
		"no file":        `{"v":1,"kind":"file","time":1,"mark":1}` + "\n",
		"no mark number": `{"v":1,"kind":"gone","time":1,"gone":{"files":[],"reason":""}}` + "\n",
		"no erasure":     `{"v":1,"kind":"erase","time":1,"mark":1}` + "\n",
		"negative count": `{"v":1,"kind":"x","time":1,"n":-1}` + "\n",
	} {
		if e, err := DecodeEntry([]byte(text)); err == nil {
			t.Errorf("%s: accepted as %+v", name, e)
		}
	}
	if _, err := DecodeEntry([]byte(`{"v":1,"kind":"from a later version","time":1,"more":true}` + "\n")); err != nil {
		t.Errorf("an unknown kind: %v", err)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte(`{"v":1,"kind":"events","time":1,"seq":5,"key":"2026-01","n":1,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}` + "\n12345678"))
	f.Add([]byte(`{"v":1,"kind":"file","time":1,"mark":3,"file":{"name":"a","sha256":"b","rows":1,"first_seq":1,"last_seq":2}}` + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEntry(data)
		if err != nil {
			return
		}
		for i := range e.N {
			if len(e.Tag(i)) != TagSize {
				t.Fatal("a tag is short")
			}
		}
		v := &verifier{book: newStatement()}
		v.readEntry(0, data, false) // must not panic on anything that decodes
		again, err := e.Encode()
		if err != nil {
			return // escaping can make it longer than an entry may be
		}
		if _, err := DecodeEntry(again); err != nil {
			t.Fatalf("own encoding: %v", err)
		}
	})
}

// Our fold is RFC 6962's tree.
func TestRootAndPath(t *testing.T) {
	for n := range 70 {
		leaves := make([]Hash, n)
		reference := testonly.New(rfc6962.DefaultHasher)
		for i := range leaves {
			leaves[i] = Hash(rfc6962.DefaultHasher.HashLeaf([]byte{byte(i)}))
			reference.AppendData([]byte{byte(i)})
		}
		root := Root(append([]Hash(nil), leaves...))
		if !bytes.Equal(root[:], reference.Hash()) {
			t.Fatalf("root of %d leaves is wrong", n)
		}
		for i := range leaves {
			path := Path(append([]Hash(nil), leaves...), i)
			if err := CheckPath(leaves[i], uint64(i), uint64(n), path, root[:]); err != nil {
				t.Errorf("path %d of %d: %v", i, n, err)
			}
			if err := CheckPath(sha256.Sum256(nil), uint64(i), uint64(n), path, root[:]); err == nil {
				t.Errorf("path %d of %d proves anything", i, n)
			}
		}
	}
}

func TestRuns(t *testing.T) {
	got := runsOf([]Place{{2, 1}, {1, 5}, {1, 3}, {1, 4}, {2, 1}, {3, 0}})
	if want := "[[1 3 5] [2 1 1] [3 0 0]]"; fmt.Sprint(got) != want {
		t.Errorf("runs %v, want %s", got, want)
	}
}
