package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
)

func gbk(s string) string {
	out, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		panic(err)
	}
	return out
}

func letter() []byte {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	text := `From: =?GB2312?B?` + b64(gbk("张三丰")) + `?= <zhang@example.cn>
To: li@example.org
Subject: =?utf-8?Q?=E7=97=85=E5=8E=86?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b1"

--b1
Content-Type: multipart/alternative; boundary=b2

--b2
Content-Type: text/plain; charset=gb2312
Content-Transfer-Encoding: base64

` + b64(gbk("患者张三丰，电话13800138000")) + `
--b2
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>=E6=82=A3=E8=80=85</p>
--b2--
--b1
Content-Type: application/octet-stream; name="=?GBK?B?` + b64(gbk("病历.xlsx")) + `?="
Content-Disposition: attachment
Content-Transfer-Encoding: base64

` + b64("PK attached") + `
--b1
Content-Type: message/rfc822

From: inner@example.org
Subject: inner

inside
--b1
Content-Type: application/ms-tnef; name=winmail.dat

x
--b1
Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m

x
--b1--
`
	return []byte(strings.ReplaceAll(text, "\n", "\r\n"))
}

func read(t *testing.T, name string, data []byte) classifytest.Recording {
	t.Helper()
	for _, r := range Readers() {
		if r.Claims(name, data[:min(len(data), 4096)]) {
			return classifytest.Read(r, name, data)
		}
	}
	t.Fatalf("no reader claims %s", name)
	return classifytest.Recording{}
}

func TestMessage(t *testing.T) {
	rec := read(t, "x", letter())
	if rec.Err != nil {
		t.Fatal(rec.Err)
	}
	for field, want := range map[string]string{"From": "张三丰 <zhang@example.cn>", "Subject": "病历", "To": "li@example.org"} {
		if got := rec.Field(field); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q", field, got)
		}
	}
	if p := rec.Part("body"); string(p.Text) != "患者张三丰，电话13800138000" {
		t.Errorf("body %q", p.Text)
	}
	var members []string
	for _, m := range rec.Members {
		members = append(members, m.Name+"="+strings.TrimSpace(string(m.Data)))
	}
	want := []string{"body.html=<p>患者</p>", "病历.xlsx=PK attached", "message.eml=From: inner@example.org\r\nSubject: inner\r\n\r\ninside"}
	if fmt.Sprint(members) != fmt.Sprint(want) {
		t.Errorf("members %q", members)
	}
	if len(rec.Gaps) != 2 || !errors.Is(rec.Gaps[1].Why, classify.Encrypted) {
		t.Errorf("gaps %v", rec.Gaps)
	}
}

func TestBodyWithoutCharset(t *testing.T) {
	for _, head := range []string{"Content-Type: text/plain\r\n", "Content-Type: text/plain; charset=x-unheard-of\r\n", ""} {
		rec := read(t, "a.eml", []byte("From: a@b.c\r\nSubject: "+gbk("病历编号")+"\r\n"+head+"\r\n"+gbk("患者的姓名是张三丰")+"\r\n"))
		if p := rec.Part("body"); !strings.HasPrefix(string(p.Text), "患者的姓名是张三丰") {
			t.Errorf("%q: %q, %v %v", head, p.Text, rec.Err, rec.Gaps)
		}
	}
}

func TestMbox(t *testing.T) {
	one := "From a@b.c Thu Jan  1 00:00:00 2026\nFrom: a@b.c\nTo: d@e.f\nSubject: n%d\n\nbody %d\n>From here\n\n"
	var b bytes.Buffer
	for n := range 300 {
		fmt.Fprintf(&b, one, n, n)
	}
	rec := read(t, "inbox", b.Bytes())
	if got := rec.Field("Subject"); rec.Err != nil || len(got) != 300 || got[299] != "n299" {
		t.Errorf("%v, %d messages", rec.Err, len(got))
	}
	if p := rec.Part("message 7 body"); p.Record != 7 || !strings.HasPrefix(string(p.Text), "body 6") {
		t.Errorf("seventh %+v", p)
	}
}

func TestManyAndDeepParts(t *testing.T) {
	var b strings.Builder
	b.WriteString("From: a@b.c\r\nTo: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")
	for n := range 10_000 {
		fmt.Fprintf(&b, "--b\r\n\r\npart %d\r\n", n)
	}
	if rec := read(t, "a.eml", []byte(b.String()+"--b--")); rec.Err != nil || len(rec.Parts) < 10_000 {
		t.Errorf("many: %v, %d parts", rec.Err, len(rec.Parts))
	}
	b.Reset()
	b.WriteString("From: a@b.c\r\nTo: x\r\n")
	for n := range 1000 {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", n, n)
	}
	if rec := read(t, "a.eml", []byte(b.String())); len(rec.Gaps) == 0 {
		t.Errorf("deep: %v %v", rec.Err, rec.Gaps)
	}
}

func TestNotesAreNoMail(t *testing.T) {
	for _, text := range []string{"姓名: 张三\n电话: 138\n", "From: here on\nTo: the end\n\n", "{\"From\": 1}\n"} {
		if (messageReader{}).Claims("note.txt", []byte(text)) {
			t.Errorf("%q is claimed", text)
		}
	}
}

func TestHostile(t *testing.T) { classifytest.Hostile(t, messageReader{}, "a.eml", letter()) }

func FuzzMail(f *testing.F) {
	f.Add(letter())
	f.Add([]byte("From x\nFrom: a@b.c\n\nbody\nFrom y\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		classifytest.Read(messageReader{}, "a.eml", data)
		classifytest.Read(mboxReader{}, "a.mbox", data)
	})
}
