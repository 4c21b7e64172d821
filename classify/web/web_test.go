package web

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"mime/multipart"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/cordon-health/cordon/classify/classifytest"
)

func TestRequest(t *testing.T) {
	raw := "POST /upload/list.csv?name=%E5%BC%A0%E4%B8%89&x= HTTP/1.1\r\nHost: chat.example\r\nContent-Type: text/csv\r\nContent-Length: 11\r\n\r\n病案号,1\n"
	got := classifytest.Read(message{}, "message.http", []byte(raw))
	if got.Err != nil || len(got.Gaps) > 0 {
		t.Fatal(got.Err, got.Gaps)
	}
	if p := got.Part("query name"); string(p.Text) != "张三" || p.Field != "name" {
		t.Errorf("query: %q", p.Text)
	}
	if len(got.Members) != 1 || got.Members[0].Name != "body.csv" || string(got.Members[0].Data) != "病案号,1\n" {
		t.Errorf("members: %+v", got.Members)
	}
}

func TestEncodings(t *testing.T) {
	const text = "患者张三"
	pack := map[string]func(*bytes.Buffer){
		"gzip":    func(b *bytes.Buffer) { w := gzip.NewWriter(b); w.Write([]byte(text)); w.Close() },
		"deflate": func(b *bytes.Buffer) { w := zlib.NewWriter(b); w.Write([]byte(text)); w.Close() },
		"br":      func(b *bytes.Buffer) { w := brotli.NewWriter(b); w.Write([]byte(text)); w.Close() },
		"zstd":    func(b *bytes.Buffer) { w, _ := zstd.NewWriter(b); w.Write([]byte(text)); w.Close() },
	}
	for name, write := range pack {
		var b bytes.Buffer
		b.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: " + name + "\r\n\r\n")
		write(&b)
		got := classifytest.Read(message{}, "message.http", b.Bytes())
		if len(got.Members) != 1 || string(got.Members[0].Data) != text {
			t.Errorf("%s: %+v %v", name, got.Members, got.Gaps)
		}
	}
	got := classifytest.Read(message{}, "message.http", []byte("HTTP/1.1 200 OK\r\nContent-Encoding: secret\r\n\r\nxyz"))
	if len(got.Gaps) != 1 {
		t.Errorf("an unknown encoding was passed by: %+v", got)
	}
}

func multipartBody(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.WriteField("note", "患者张三"); err != nil {
		t.Fatal(err)
	}
	f, err := w.CreateFormFile("file", "a.csv")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("x,y\n"))
	w.Close()
	return b.Bytes()
}

func TestForm(t *testing.T) {
	data := multipartBody(t)
	if !(form{}).Claims("form.multipart", data) {
		t.Fatal("a form is not claimed")
	}
	got := classifytest.Read(form{}, "form.multipart", data)
	if p := got.Part("note"); string(p.Text) != "患者张三" {
		t.Errorf("field: %q", p.Text)
	}
	if len(got.Members) != 1 || got.Members[0].Name != "a.csv" {
		t.Errorf("members: %+v", got.Members)
	}
}

func TestQuery(t *testing.T) {
	got := classifytest.Read(query{}, "form.urlencoded", []byte("id=11010519491231002X&name=Zhang+San"))
	if p := got.Part("name"); string(p.Text) != "Zhang San" {
		t.Errorf("field: %q", p.Text)
	}
}

func FuzzReaders(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\n\r\nx"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"))
	f.Add([]byte("--a\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n--a--\r\n"))
	f.Add([]byte("a=b&c=%zz"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, r := range Readers() {
			if len(data) > 0 {
				classifytest.Read(r, "x", data)
			}
		}
	})
}
