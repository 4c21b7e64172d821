package ocsf

import (
	"strconv"

	"github.com/cordon-health/cordon/internal/jsonscan"
)

// AppendJSON appends the canonical JSON of e to dst: members in the order of
// the fields, absent ones left out, as few escapes as JSON allows, bytes that
// are not UTF-8 replaced. Evidence hashes these bytes; a change here changes
// every hash, so a golden test holds them.
func (e *Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"class_uid":`...)
	dst = strconv.AppendUint(dst, uint64(e.ClassUID), 10)
	dst = append(dst, `,"category_uid":`...)
	dst = strconv.AppendUint(dst, uint64(e.ClassUID.Category()), 10)
	dst = append(dst, `,"type_uid":`...)
	dst = strconv.AppendUint(dst, e.ClassUID.TypeUID(e.ActivityID), 10)
	dst = appendInt(dst, `"activity_id":`, int64(e.ActivityID))
	dst = appendInt(dst, `"severity_id":`, int64(e.SeverityID))
	dst = optInt(dst, `"status_id":`, int64(e.StatusID))
	dst = optText(dst, `"status_code":`, e.StatusCode)
	dst = optText(dst, `"status_detail":`, e.StatusDetail)
	dst = appendInt(dst, `"time":`, e.Time)
	dst = optText(dst, `"message":`, e.Message)
	dst = e.Metadata.append(key(dst, `"metadata":`))
	dst = optObject(dst, `"actor":`, &e.Actor)
	dst = pointer(dst, `"user":`, e.User)
	dst = optObject(dst, `"src_endpoint":`, &e.SrcEndpoint)
	dst = optObject(dst, `"dst_endpoint":`, &e.DstEndpoint)
	dst = optObject(dst, `"device":`, &e.Device)
	dst = pointer(dst, `"api":`, e.API)
	dst = pointer(dst, `"http_request":`, e.HTTPRequest)
	dst = list(dst, `"web_resources":`, e.WebResources)
	dst = list(dst, `"resources":`, e.Resources)
	dst = pointer(dst, `"query_info":`, e.QueryInfo)
	dst = pointer(dst, `"database":`, e.Database)
	dst = pointer(dst, `"table":`, e.Table)
	dst = pointer(dst, `"file":`, e.File)
	dst = list(dst, `"data_classifications":`, e.DataClassifications)
	dst = pointer(dst, `"patient":`, e.Patient)
	dst = pointer(dst, `"access":`, e.Access)
	dst = list(dst, `"care":`, e.Care)
	dst = pointer(dst, `"explanation":`, e.Explanation)
	if len(e.Unmapped) > 0 {
		dst = append(key(dst, `"unmapped":`), e.Unmapped...)
	}
	dst = optText(dst, `"raw_data":`, e.RawData)
	for _, m := range e.Extra {
		if !topLevel(m.Name) && len(m.Value) > 0 {
			dst = append(dst, ',')
			dst = append(jsonscan.AppendString(dst, m.Name), ':')
			dst = append(dst, m.Value...)
		}
	}
	return append(dst, '}')
}

// key begins a member; name holds quotes and colon.
func key(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(dst, name...)
}

func appendInt(dst []byte, name string, v int64) []byte {
	return strconv.AppendInt(key(dst, name), v, 10)
}

func optInt(dst []byte, name string, v int64) []byte {
	if v == 0 {
		return dst
	}
	return appendInt(dst, name, v)
}

func appendText(dst []byte, name, v string) []byte {
	return jsonscan.AppendString(key(dst, name), v)
}

func optText(dst []byte, name, v string) []byte {
	if v == "" {
		return dst
	}
	return appendText(dst, name, v)
}

func optTrue(dst []byte, name string, v bool) []byte {
	if !v {
		return dst
	}
	return append(key(dst, name), "true"...)
}

func optTexts(dst []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(key(dst, name), '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, v)
	}
	return append(dst, ']')
}

// object is a part of an event that can write itself as a JSON object.
type object interface{ append(dst []byte) []byte }

// optObject writes an object unless it is empty.
func optObject(dst []byte, name string, o object) []byte {
	before := len(dst)
	dst = key(dst, name)
	start := len(dst)
	dst = o.append(dst)
	if len(dst) == start+len("{}") {
		return dst[:before]
	}
	return dst
}

// pointer writes an object unless the pointer is nil.
func pointer[T any, P interface {
	*T
	object
}](dst []byte, name string, p P) []byte {
	if p == nil {
		return dst
	}
	return p.append(key(dst, name))
}

// list writes an array of objects unless it is empty.
func list[T any, P interface {
	*T
	object
}](dst []byte, name string, items []T) []byte {
	if len(items) == 0 {
		return dst
	}
	dst = append(key(dst, name), '[')
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = P(&items[i]).append(dst)
	}
	return append(dst, ']')
}

func (m *Metadata) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, `"uid":`, m.UID)
	dst = appendText(dst, `"version":`, m.Version)
	dst = m.Product.append(key(dst, `"product":`))
	dst = optText(dst, `"log_name":`, m.LogName)
	dst = optText(dst, `"log_provider":`, m.LogProvider)
	dst = optInt(dst, `"logged_time":`, m.LoggedTime)
	dst = optText(dst, `"original_time":`, m.OriginalTime)
	dst = optText(dst, `"correlation_uid":`, m.CorrelationUID)
	dst = optTexts(dst, `"profiles":`, m.Profiles)
	dst = optText(dst, `"event_code":`, m.EventCode)
	dst = optInt(dst, `"sequence":`, m.Sequence)
	return append(dst, '}')
}

func (p *Product) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"name":`, p.Name)
	dst = optText(dst, `"vendor_name":`, p.VendorName)
	dst = optText(dst, `"version":`, p.Version)
	return append(dst, '}')
}

func (a *Actor) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optObject(dst, `"user":`, &a.User)
	dst = optText(dst, `"app_name":`, a.AppName)
	dst = optText(dst, `"session_uid":`, a.Session)
	dst = pointer(dst, `"on_behalf_of":`, a.OnBehalfOf)
	return append(dst, '}')
}

func (u *User) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"uid":`, u.UID)
	dst = optText(dst, `"name":`, u.Account)
	dst = optText(dst, `"full_name":`, u.FullName)
	dst = optText(dst, `"type":`, u.Type)
	dst = optTexts(dst, `"roles":`, u.Roles)
	dst = optText(dst, `"org":`, u.Org)
	return append(dst, '}')
}

func (p *Endpoint) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"ip":`, p.IP)
	dst = optText(dst, `"hostname":`, p.Hostname)
	dst = optText(dst, `"name":`, p.Name)
	dst = optText(dst, `"uid":`, p.UID)
	dst = optText(dst, `"mac":`, p.MAC)
	dst = optInt(dst, `"port":`, int64(p.Port))
	return append(dst, '}')
}

func (a *API) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"operation":`, a.Operation)
	dst = optText(dst, `"service":`, a.Service)
	dst = optText(dst, `"version":`, a.Version)
	return append(dst, '}')
}

func (r *HTTPRequest) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"uid":`, r.UID)
	dst = optText(dst, `"http_method":`, r.Method)
	dst = optText(dst, `"url":`, r.URL)
	dst = optText(dst, `"user_agent":`, r.UserAgent)
	return append(dst, '}')
}

func (r *Resource) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"uid":`, r.UID)
	dst = optText(dst, `"name":`, r.Name)
	dst = optText(dst, `"type":`, r.Type)
	dst = optTexts(dst, `"labels":`, r.Labels)
	dst = optInt(dst, `"count":`, r.Count)
	return append(dst, '}')
}

func (q *QueryInfo) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"uid":`, q.UID)
	dst = optText(dst, `"query_string":`, q.Text)
	dst = optInt(dst, `"rows":`, q.Rows)
	return append(dst, '}')
}

func (n *Named) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"name":`, n.Name)
	dst = optText(dst, `"uid":`, n.UID)
	return append(dst, '}')
}

func (f *File) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"name":`, f.Name)
	dst = optText(dst, `"path":`, f.Path)
	dst = optInt(dst, `"size":`, f.Size)
	dst = optText(dst, `"type":`, f.Type)
	dst = optText(dst, `"sha256":`, f.Hash)
	return append(dst, '}')
}

func (c *DataClassification) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optText(dst, `"scheme":`, c.Scheme)
	dst = optInt(dst, `"level":`, int64(c.Level))
	dst = optText(dst, `"category":`, c.Category)
	return append(dst, '}')
}

func (p *Patient) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, `"uid":`, p.UID)
	dst = optTexts(dst, `"alt_uids":`, p.AltUIDs)
	dst = optText(dst, `"encounter_uid":`, p.Encounter)
	return append(dst, '}')
}

func (a *Access) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = optTexts(dst, `"purpose":`, a.Purpose)
	dst = optTrue(dst, `"break_glass":`, a.BreakGlass)
	dst = optText(dst, `"reason":`, a.Reason)
	dst = optTrue(dst, `"incidental":`, a.Incidental)
	dst = optText(dst, `"half_of":`, a.HalfOf)
	dst = optText(dst, `"document":`, a.Document)
	return append(dst, '}')
}

func (f *Fact) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, `"kind":`, string(f.Kind))
	dst = appendText(dst, `"patient":`, f.Patient)
	dst = optText(dst, `"other":`, f.Other)
	dst = optText(dst, `"encounter":`, f.Encounter)
	dst = optText(dst, `"id":`, f.ID)
	dst = optText(dst, `"person":`, f.Person)
	dst = optText(dst, `"department":`, f.Department)
	dst = optText(dst, `"ward":`, f.Ward)
	dst = optText(dst, `"code":`, f.Code)
	dst = optInt(dst, `"from":`, f.From)
	dst = optInt(dst, `"until":`, f.Until)
	dst = optTrue(dst, `"retract":`, f.Retract)
	dst = list(dst, `"keys":`, f.Keys)
	return append(dst, '}')
}

func (k *Key) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, `"kind":`, k.Kind)
	dst = appendText(dst, `"token":`, k.Token)
	return append(dst, '}')
}

func (x *Explanation) append(dst []byte) []byte {
	dst = append(dst, `{"explained":`...)
	dst = strconv.AppendBool(dst, x.Explained)
	dst = optText(dst, `"kind":`, x.Kind)
	dst = optTrue(dst, `"weak":`, x.Weak)
	dst = optTexts(dst, `"because":`, x.Because)
	dst = optTexts(dst, `"args":`, x.Args)
	dst = optInt(dst, `"at":`, x.At)
	return append(dst, '}')
}
