package sigma

import (
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// eventField finds a field of an event by its OCSF name. ok is false for a
// name that OCSF and the cordon extension do not have.
func eventField(ev *ocsf.Event, name string, out []value) (_ []value, ok bool) {
	head, rest, _ := strings.Cut(name, ".")
	switch head {
	case "class_uid":
		return appendInt(out, int64(ev.ClassUID)), true
	case "category_uid":
		return appendInt(out, int64(ev.ClassUID.Category())), true
	case "activity_id":
		return appendInt(out, int64(ev.ActivityID)), true
	case "severity_id":
		return appendInt(out, int64(ev.SeverityID)), true
	case "status_id":
		return appendInt(out, int64(ev.StatusID)), true
	case "status_code":
		return appendText(out, ev.StatusCode), true
	case "status_detail":
		return appendText(out, ev.StatusDetail), true
	case "time":
		return appendInt(out, ev.Time), true
	case "message":
		return appendText(out, ev.Message), true
	case "raw_data":
		return appendText(out, ev.RawData), true
	case "metadata":
		return metadataField(&ev.Metadata, rest, out)
	case "actor":
		return actorField(&ev.Actor, rest, out)
	case "user":
		return userField(ev.User, rest, out)
	case "src_endpoint":
		return endpointField(&ev.SrcEndpoint, rest, out)
	case "dst_endpoint":
		return endpointField(&ev.DstEndpoint, rest, out)
	case "device":
		return endpointField(&ev.Device, rest, out)
	case "web_resources":
		return resourceField(ev.WebResources, rest, out)
	case "resources":
		return resourceField(ev.Resources, rest, out)
	}
	return objectField(ev, head, rest, out)
}

func objectField(ev *ocsf.Event, head, rest string, out []value) ([]value, bool) {
	switch head {
	case "api":
		return apiField(ev.API, rest, out)
	case "http_request":
		return requestField(ev.HTTPRequest, rest, out)
	case "query_info":
		return queryField(ev.QueryInfo, rest, out)
	case "database":
		return namedField(ev.Database, rest, out)
	case "table":
		return namedField(ev.Table, rest, out)
	case "file":
		return fileField(ev.File, rest, out)
	case "patient":
		return patientField(ev.Patient, rest, out)
	case "access":
		return accessField(ev.Access, rest, out)
	case "explanation":
		return explanationField(ev.Explanation, rest, out)
	case "data_classifications":
		return classificationField(ev.DataClassifications, rest, out)
	}
	return out, false
}

func metadataField(m *ocsf.Metadata, name string, out []value) ([]value, bool) {
	switch name {
	case "uid":
		return appendText(out, m.UID), true
	case "log_name":
		return appendText(out, m.LogName), true
	case "log_provider":
		return appendText(out, m.LogProvider), true
	case "event_code":
		return appendText(out, m.EventCode), true
	case "correlation_uid":
		return appendText(out, m.CorrelationUID), true
	case "product.name":
		return appendText(out, m.Product.Name), true
	case "product.vendor_name":
		return appendText(out, m.Product.VendorName), true
	case "product.version":
		return appendText(out, m.Product.Version), true
	}
	return out, false
}

func actorField(a *ocsf.Actor, name string, out []value) ([]value, bool) {
	switch name {
	case "app_name":
		return appendText(out, a.AppName), true
	case "session_uid":
		return appendText(out, a.Session), true
	}
	if field, ok := strings.CutPrefix(name, "user."); ok {
		return userField(&a.User, field, out)
	}
	if field, ok := strings.CutPrefix(name, "on_behalf_of."); ok {
		return userField(a.OnBehalfOf, field, out)
	}
	return out, false
}

func userField(u *ocsf.User, name string, out []value) ([]value, bool) {
	if u == nil {
		u = &ocsf.User{}
	}
	switch name {
	case "uid":
		return appendText(out, u.UID), true
	case "name":
		return appendText(out, u.Account), true
	case "full_name":
		return appendText(out, u.FullName), true
	case "type":
		return appendText(out, u.Type), true
	case "roles":
		return appendText(out, u.Roles...), true
	case "org":
		return appendText(out, u.Org), true
	}
	return out, false
}

func endpointField(e *ocsf.Endpoint, name string, out []value) ([]value, bool) {
	switch name {
	case "ip":
		return appendText(out, e.IP), true
	case "hostname":
		return appendText(out, e.Hostname), true
	case "name":
		return appendText(out, e.Name), true
	case "uid":
		return appendText(out, e.UID), true
	case "mac":
		return appendText(out, e.MAC), true
	case "port":
		if e.Port != 0 {
			out = appendInt(out, int64(e.Port))
		}
		return out, true
	}
	return out, false
}

func resourceField(list []ocsf.Resource, name string, out []value) ([]value, bool) {
	ok := name == "uid" || name == "name" || name == "type" || name == "labels" || name == "count"
	for i := range list {
		r := &list[i]
		switch name {
		case "uid":
			out = appendText(out, r.UID)
		case "name":
			out = appendText(out, r.Name)
		case "type":
			out = appendText(out, r.Type)
		case "labels":
			out = appendText(out, r.Labels...)
		case "count":
			out = appendInt(out, max(1, r.Count))
		}
	}
	return out, ok
}

func apiField(a *ocsf.API, name string, out []value) ([]value, bool) {
	if a == nil {
		a = &ocsf.API{}
	}
	switch name {
	case "operation":
		return appendText(out, a.Operation), true
	case "service", "service.name":
		return appendText(out, a.Service), true
	case "version":
		return appendText(out, a.Version), true
	}
	return out, false
}

func requestField(r *ocsf.HTTPRequest, name string, out []value) ([]value, bool) {
	if r == nil {
		r = &ocsf.HTTPRequest{}
	}
	switch name {
	case "uid":
		return appendText(out, r.UID), true
	case "http_method":
		return appendText(out, r.Method), true
	case "url":
		return appendText(out, r.URL), true
	case "user_agent":
		return appendText(out, r.UserAgent), true
	}
	return out, false
}

func queryField(q *ocsf.QueryInfo, name string, out []value) ([]value, bool) {
	if q == nil {
		q = &ocsf.QueryInfo{}
	}
	switch name {
	case "uid":
		return appendText(out, q.UID), true
	case "query_string":
		return appendText(out, q.Text), true
	case "rows":
		if q.Rows != 0 {
			out = appendInt(out, q.Rows)
		}
		return out, true
	}
	return out, false
}

func namedField(n *ocsf.Named, name string, out []value) ([]value, bool) {
	if n == nil {
		n = &ocsf.Named{}
	}
	switch name {
	case "name":
		return appendText(out, n.Name), true
	case "uid":
		return appendText(out, n.UID), true
	}
	return out, false
}

func fileField(f *ocsf.File, name string, out []value) ([]value, bool) {
	if f == nil {
		f = &ocsf.File{}
	}
	switch name {
	case "name":
		return appendText(out, f.Name), true
	case "path":
		return appendText(out, f.Path), true
	case "type":
		return appendText(out, f.Type), true
	case "sha256":
		return appendText(out, f.Hash), true
	case "size":
		if f.Size != 0 {
			out = appendInt(out, f.Size)
		}
		return out, true
	}
	return out, false
}

func patientField(p *ocsf.Patient, name string, out []value) ([]value, bool) {
	if p == nil {
		p = &ocsf.Patient{}
	}
	switch name {
	case "uid":
		return appendText(out, p.UID), true
	case "alt_uids":
		return appendText(out, p.AltUIDs...), true
	case "encounter_uid":
		return appendText(out, p.Encounter), true
	}
	return out, false
}

func accessField(a *ocsf.Access, name string, out []value) ([]value, bool) {
	if a == nil {
		a = &ocsf.Access{}
	}
	switch name {
	case "purpose":
		return appendText(out, a.Purpose...), true
	case "break_glass":
		return appendBool(out, a.BreakGlass), true
	case "incidental":
		return appendBool(out, a.Incidental), true
	case "reason":
		return appendText(out, a.Reason), true
	case "document":
		return appendText(out, a.Document), true
	}
	return out, false
}

func explanationField(x *ocsf.Explanation, name string, out []value) ([]value, bool) {
	if x == nil {
		x = &ocsf.Explanation{}
	}
	switch name {
	case "explained":
		return appendBool(out, x.Explained), true
	case "weak":
		return appendBool(out, x.Weak), true
	case "kind":
		return appendText(out, x.Kind), true
	}
	return out, false
}

func classificationField(list []ocsf.DataClassification, name string, out []value) ([]value, bool) {
	ok := name == "scheme" || name == "level" || name == "category"
	for i := range list {
		d := &list[i]
		switch name {
		case "scheme":
			out = appendText(out, d.Scheme)
		case "level":
			out = appendInt(out, int64(d.Level))
		case "category":
			out = appendText(out, d.Category)
		}
	}
	return out, ok
}
