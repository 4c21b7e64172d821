package deid

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-health/cordon/classify"
)

func TestVault(t *testing.T) {
	for _, suite := range []Suite{Standard, SM} {
		k := testKey(t, KeyOptions{Suite: suite})
		path := filepath.Join(t.TempDir(), "vault")
		v, err := OpenVault(path, k)
		if err != nil {
			t.Fatal(err)
		}
		job := testJob(t)
		job.Key, job.Vault = k, v
		rewrite(t, "hl7v2", []byte(admission), job)
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		sealed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(sealed), "0012") || strings.Contains(string(sealed), "person-name") {
			t.Error("the vault can be read without the key")
		}
		mrn := string(k.Pseudonym(classify.MRN, []byte("00123456")))
		id := string(k.Pseudonym(classify.ResidentID, []byte("110105194912310021")))
		phone := string(k.Pseudonym(classify.Phone, []byte("13800138000")))
		found, err := Reverse(k, path, []string{mrn, id, phone, "TAAAAAAAAAAAAAAA"})
		if err != nil || found[mrn] != "00123456" || found[phone] != "13800138000" || len(found) > 3 {
			t.Errorf("%s: %v, %v", suite, found, err)
		}
		// Gone on with, it does not grow by what it holds.
		if v, err = OpenVault(path, k); err != nil {
			t.Fatal(err)
		}
		job.Vault = v
		rewrite(t, "hl7v2", []byte(admission), job)
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err := os.ReadFile(path); err != nil || len(again) != len(sealed) {
			t.Errorf("%d bytes became %d", len(sealed), len(again))
		}
		other, err := NewKey(KeyOptions{Suite: suite})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenVault(path, other); err == nil {
			t.Error("another key opens it")
		}
	}
}

func TestReverseWithoutVault(t *testing.T) {
	k := testKey(t, KeyOptions{})
	for kind, value := range map[classify.Kind]string{classify.ResidentID: "11010519491231002X", classify.Mobile: "13800138000"} {
		p := string(k.Pseudonym(kind, []byte(value)))
		found, err := Reverse(k, filepath.Join(t.TempDir(), "none"), []string{p, "TAAAAAAAAAAAAAAA"})
		if err != nil || found[p] != value {
			t.Errorf("%s: %v, %v", p, found, err)
		}
	}
	if found, err := Reverse(k, "", []string{"+999123", "hello", "+9990000001", ""}); err != nil || len(found) > 1 {
		t.Errorf("%v, %v", found, err)
	}
}
