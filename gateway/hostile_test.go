package gateway

import (
	"testing"

	"github.com/cordon-health/cordon/classify"
)

// TestEnvelope hides a number in a field of a mail's header that is none of
// the transport's.
func TestEnvelope(t *testing.T) {
	for part, want := range map[string]bool{"header From": true, "header X-Data": true, "header Subject": false, "body": false} {
		if envelope(&classify.Finding{Part: part, Kind: classify.Email.String()}) != want {
			t.Errorf("an address in %s: %v", part, !want)
		}
		if envelope(&classify.Finding{Part: part, Kind: classify.ResidentID.String()}) {
			t.Errorf("a number in %s does not count", part)
		}
	}
}

// TestApprovedUnread resends another unreadable content under an approval.
func TestApprovedUnread(t *testing.T) {
	g := &Guard{}
	id := func(action Action, door Door, text string) string {
		it := Item{Door: door, From: "a", To: []string{"b"}, Source: classify.BytesSource("x", []byte(text))}
		return g.passID(it, &sight{summary: classify.Summary{Unread: 1}}, &Outcome{Action: action})
	}
	if id(Hold, Mail, "one") == id(Hold, Mail, "two") {
		t.Error("an approval covers another content")
	}
	if id(Coach, Mail, "one") != id(Coach, Mail, "two") {
		t.Error("a coached mail cannot be sent again")
	}
	form := func(boundary string) string {
		return "POST / HTTP/1.1\r\nX: " + boundary + "\r\n\r\n--" + boundary + "\r\n\r\nsecret\r\n--" + boundary + "--\r\n"
	}
	if id(Hold, Web, form("b1")) != id(Hold, Web, form("b2")) {
		t.Error("an approved form cannot be sent again")
	}
}
