package console

import "github.com/cordon-health/cordon/api"

// shows says which operation a page is that shows something about people and
// tells of it in no other way. known is false for a page nobody thought
// about; a test finds it. Pages whose operation is "" tell more in an event
// of their own, leave a record of the case, or show nobody. What keeps a page
// fresh (".../live") is the page's own look going on.
func shows(pattern string) (operation string, known bool) {
	switch pattern {
	case "GET /{$}", "GET /incidents", "POST /incidents":
		return api.LookedAtCases, true
	case "GET /exceptions":
		return api.LookedAtExceptions, true
	case "GET /exceptions/{id}":
		return api.LookedAtHidden, true
	case "GET /gateway":
		return api.LookedAtPasses, true
	case "GET /sources":
		return api.LookedAtQuarantine, true
	case "GET /incidents/{id}", "GET /incidents/{id}/bundle", "GET /people/{token}", "GET /patients/{token}", "GET /quarantine/{id}": // tell more
		return "", true
	case "POST /incidents/{id}/{what}", "POST /quarantine/{id}/{what}", "POST /patients/{token}/dispute", "POST /gateway/{id}/{what}", "POST /releases", "POST /releases/{id}/{what}", "POST /deid", "POST /deid/{id}/{what}": // leave a record
		return "", true
	case "GET /data", "GET /data/targets/{token}", "GET /data/objects", "GET /data/objects/{token}", "GET /data/export/{format}":
		return api.LookedAtData, true
	case "GET /network/addresses":
		return api.LookedAtAddresses, true
	case "POST /network/addresses/{what}", "POST /network/devices/{id}/{what}", "POST /network/zones/{what}", "POST /network/wireless/{what}": // tell more, or leave a record
		return "", true
	case "GET /network", "GET /network/devices", "GET /network/devices.csv", "GET /network/devices/{id}", "GET /network/zones", "GET /network/pair", "GET /network/proof", "GET /network/simulation", "GET /network/transport", "GET /network/wireless", "GET /network/sensors": // show machines
		return "", true
	case "POST /data/find", "GET /data/levels": // show nobody
		return "", true
	case "GET /overview/live", "GET /evidence/live", "GET /data/live", "GET /network/live", "GET /network/zones/live", "GET /network/simulation/live", "GET /network/sensors/live": // go on
		return "", true
	case "GET /patients", "POST /patients", "GET /detectors", "GET /rules", "GET /rules/{id}", "GET /quality", "GET /evidence", "POST /evidence/verify", "GET /releases", "GET /releases/{id}", "GET /releases/{id}/proof", "GET /trace", "POST /trace", "GET /deid": // show nobody
		return "", true
	}
	return "", false
}

// watch tells that a page was asked for, before it is given. The overview and
// the sources open even when that cannot be recorded: from there it is mended.
func (q *request) watch(r route) error {
	operation, _ := shows(r.pattern)
	if operation == "" || q.ses.User.Name == "" {
		return nil
	}
	err := q.Watch(q.r.Context(), q.ses.User, operation, "", "", "")
	if r.pattern == "GET /{$}" || r.pattern == "GET /sources" {
		return nil
	}
	return err
}
