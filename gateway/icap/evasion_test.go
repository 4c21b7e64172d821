package icap

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/archive"
	"github.com/cordon-health/cordon/classify/table"
	"github.com/cordon-health/cordon/classify/web"
	"github.com/cordon-health/cordon/gateway"
)

func packed(t *testing.T, text string) (br, zipped string) {
	t.Helper()
	var b, z bytes.Buffer
	w := brotli.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a := zip.NewWriter(&z)
	f, err := a.Create("a.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), z.String()
}

// stored is a zip of three megabytes, the text at its end.
func stored(t *testing.T, text string) string {
	t.Helper()
	var z bytes.Buffer
	a := zip.NewWriter(&z)
	f, err := a.CreateHeader(&zip.FileHeader{Name: "a.txt", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(strings.Repeat("a quiet line\n", 250_000) + text)); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return z.String()
}

// TestEvasion sends the same number in the shapes in which a sender who knows
// the reader would hide it.
func TestEvasion(t *testing.T) {
	g := guard(t, blocking())
	in := *g.Inspector()
	in.Readers = slices.Concat(archive.Readers(), web.Readers(), table.Readers())
	g.Inspector = func() *classify.Inspector { return &in }
	br, zipped := packed(t, "身份证号 "+someID+strings.Repeat(" the quick brown fox jumps over 0987654321 lazy dogs", 20))
	code := base64.StdEncoding.EncodeToString([]byte(zipped))
	large := base64.StdEncoding.EncodeToString([]byte(stored(t, "身份证号 "+someID)))
	var escaped strings.Builder
	for i := range len(someID) {
		fmt.Fprintf(&escaped, "%%%02X", someID[i])
	}
	const line = "POST http://e.example/x HTTP/1.1"
	const form = "Content-Type: multipart/form-data; boundary=BB"
	message := func(line, body string, fields ...string) string {
		return line + "\r\nHost: e.example\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n" + body
	}
	part := func(head, data string) string { return "--BB\r\n" + head + "\r\n\r\n" + data + "\r\n--BB--\r\n" }
	file := `Content-Disposition: form-data; name="f"; filename="a.zip"`
	for name, text := range map[string]string{
		"two encodings":         message(line, br, "Content-Encoding: identity", "Content-Encoding: br"),
		"a long address":        message("POST http://e.example/?a="+strings.Repeat("a", 70_000)+" HTTP/1.1", br, "Content-Encoding: br"),
		"a method in lowercase": message("post http://e.example/x HTTP/1.1", br, "Content-Encoding: br"),
		"a long method":         message(strings.Repeat("A", 25)+" /x HTTP/1.1", br, "Content-Encoding: br"),
		"another version":       message("POST /x HTTP/2", br, "Content-Encoding: br"),
		"a broken field":        message(line, br, "Bad Name: x", "Content-Encoding: br"),
		"two lengths":           message(line, br, "Content-Length: 3", "Content-Length: 4", "Content-Encoding: br"),
		"an encoding that lies": message(line, "身份证号 "+someID, "Content-Encoding: gzip"),
		"the path":              message("GET http://e.example/q/"+someID+" HTTP/1.1", ""),
		"a query's only name":   message("GET http://e.example/q?"+someID+" HTTP/1.1", ""),
		"a query's name":        message("GET http://e.example/q?"+someID+"=1 HTTP/1.1", ""),
		"a field of the header": message(line, "", "X-Data: "+someID),
		"a form with a name":    message(line, "a="+escaped.String(), "Content-Type: application/x-www-form-urlencoded", "Content-Disposition: attachment; filename=a.txt"),
		"a preamble":            message(line, "hello\r\n"+part(file, zipped), form),
		"a long part header":    message(line, part("X-A: "+strings.Repeat("a", 600)+"\r\n"+file, zipped), form),
		"another multipart":     message(line, part("Content-Type: application/zip", zipped), "Content-Type: multipart/related; boundary=BB"),
		"a wrong boundary":      message(line, part(file, zipped), "Content-Type: multipart/form-data; boundary=CC"),
		"a file's name":         message(line, part(`Content-Disposition: form-data; name="f"; filename="`+someID+`.txt"`, "x"), form),
		"a field's name":        message(line, part(`Content-Disposition: form-data; name="`+someID+`"`, "x"), form),
		"a file without a name": message(line, part(`Content-Disposition: form-data; name="f"`, zipped), form),
		"base64 of a part":      message(line, part("Content-Disposition: form-data; name=\"f\"\r\nContent-Transfer-Encoding: base64", base64.StdEncoding.EncodeToString([]byte(zipped))), form),
		"a zip in JSON":         message(line, `{"n":1,"file":"`+code+`"}`, "Content-Type: application/json"),
		"slashes escaped":       message(line, `{"file":"`+strings.ReplaceAll(code, "/", `\/`)+`"}`, "Content-Type: application/json"),
		"a large zip in JSON":   message(line, `{"file":"`+large+`"}`, "Content-Type: application/json"),
		"a data URI in JSON":    message(line, `[{"url":"data:application/zip;base64,`+code+`"}]`, "Content-Type: application/json"),
		"the other alphabet":    message(line, `{"file":"`+base64.RawURLEncoding.EncodeToString([]byte(zipped))+`"}`),
		"a data URI in XML":     message(line, `<?xml version="1.0"?><a href="data:application/zip;base64,`+code+`"/>`, "Content-Type: text/xml"),
		"base64 in XML":         message(line, `<?xml version="1.0"?><a>`+code+`</a>`, "Content-Type: text/xml"),
		"base64 in a form":      message(line, "a="+base64.RawURLEncoding.EncodeToString([]byte(zipped)), "Content-Type: application/x-www-form-urlencoded"),
		"base64 alone":          message(line, code),
		"a key of JSON":         message(line, `{"list":[{"`+someID+`":1}]}`, "Content-Type: application/json"),
		"unseen characters":     message(line, someID[:6]+"\u200b"+someID[6:14]+"\u200b"+someID[14:]),
		"unseen in JSON":        message(line, `{"a":"`+someID[:6]+`\u200b`+someID[6:14]+"\u00ad"+someID[14:]+`"}`, "Content-Type: application/json"),
		"unseen in a key":       message(line, `{"`+someID[:6]+`\u200b`+someID[6:]+`":1}`, "Content-Type: application/json"),
	} {
		o := g.Judge(t.Context(), gateway.Item{Door: gateway.Web, From: "a", To: []string{"e.example"}, Source: classify.BytesSource("message.http", []byte(text))})
		if o.Action != gateway.Block {
			t.Errorf("%s: %s %+v", name, o.Action, o.Summary)
		}
		for _, f := range o.Findings {
			if strings.Contains(fmt.Sprintf("%+v", f), someID) {
				t.Errorf("%s: the finding tells the value: %+v", name, f)
			}
		}
	}
}
