package ocsf

func (d *Decoder) metadata(m *Metadata, path string) {
	d.members(path, nil, func(name []byte) bool {
		switch string(name) {
		case "uid":
			m.UID = d.text(path, name)
		case "version":
			m.Version = d.text(path, name)
		case "product":
			m.Product = Product{}
			d.product(&m.Product, path+".product")
		case "log_name":
			m.LogName = d.text(path, name)
		case "log_provider":
			m.LogProvider = d.text(path, name)
		case "logged_time":
			m.LoggedTime = d.int64(path, name)
		case "original_time":
			m.OriginalTime = d.text(path, name)
		case "correlation_uid":
			m.CorrelationUID = d.text(path, name)
		case "profiles":
			m.Profiles = d.texts(path, name)
		case "event_code":
			m.EventCode = d.text(path, name)
		case "sequence":
			m.Sequence = d.int64(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) product(p *Product, path string) {
	d.members(path, &p.Name, func(name []byte) bool {
		switch string(name) {
		case "name":
			p.Name = d.text(path, name)
		case "vendor_name":
			p.VendorName = d.text(path, name)
		case "version":
			p.Version = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) actor(a *Actor, path string) {
	d.members(path, nil, func(name []byte) bool {
		switch string(name) {
		case "user":
			a.User = User{}
			d.user(&a.User, path+".user")
		case "app_name", "application": // OCSF 1.9.0 prefers the latter
			a.AppName = d.nameOf(path, name)
		case "session_uid", "session":
			a.Session = d.nameOf(path, name)
		case "on_behalf_of":
			a.OnBehalfOf = one(d, d.user, path+".on_behalf_of")
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) user(u *User, path string) {
	d.members(path, &u.Account, func(name []byte) bool {
		switch string(name) {
		case "uid":
			u.UID = d.text(path, name)
		case "name":
			u.Account = d.text(path, name)
		case "full_name":
			u.FullName = d.text(path, name)
		case "type":
			u.Type = d.text(path, name)
		case "roles":
			u.Roles = d.texts(path, name)
		case "org":
			u.Org = d.nameOf(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) endpoint(p *Endpoint, path string) {
	var address string
	d.members(path, &address, func(name []byte) bool {
		switch string(name) {
		case "ip":
			p.IP = d.text(path, name)
		case "hostname":
			p.Hostname = d.text(path, name)
		case "name":
			p.Name = d.text(path, name)
		case "uid":
			p.UID = d.text(path, name)
		case "mac":
			p.MAC = d.text(path, name)
		case "port":
			p.Port = d.integer(path, name)
		default:
			return false
		}
		return true
	})
	if address != "" {
		p.address(address)
	}
}

func (d *Decoder) api(a *API, path string) {
	d.members(path, &a.Operation, func(name []byte) bool {
		switch string(name) {
		case "operation":
			a.Operation = d.text(path, name)
		case "service":
			a.Service = d.nameOf(path, name)
		case "version":
			a.Version = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) httpRequest(r *HTTPRequest, path string) {
	d.members(path, &r.URL, func(name []byte) bool {
		switch string(name) {
		case "uid":
			r.UID = d.text(path, name)
		case "http_method":
			r.Method = d.text(path, name)
		case "url":
			r.URL = d.nameOf(path, name)
		case "user_agent":
			r.UserAgent = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) resource(r *Resource, path string) {
	d.members(path, &r.UID, func(name []byte) bool {
		switch string(name) {
		case "uid":
			r.UID = d.text(path, name)
		case "name":
			r.Name = d.text(path, name)
		case "type":
			r.Type = d.text(path, name)
		case "labels":
			r.Labels = d.texts(path, name)
		case "count":
			r.Count = d.int64(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) queryInfo(q *QueryInfo, path string) {
	d.members(path, &q.Text, func(name []byte) bool {
		switch string(name) {
		case "uid":
			q.UID = d.text(path, name)
		case "query_string":
			q.Text = d.text(path, name)
		case "rows":
			q.Rows = d.int64(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) named(n *Named, path string) {
	d.members(path, &n.Name, func(name []byte) bool {
		switch string(name) {
		case "name":
			n.Name = d.text(path, name)
		case "uid":
			n.UID = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) file(f *File, path string) {
	d.members(path, &f.Name, func(name []byte) bool {
		switch string(name) {
		case "name":
			f.Name = d.text(path, name)
		case "path":
			f.Path = d.text(path, name)
		case "size":
			f.Size = d.int64(path, name)
		case "type":
			f.Type = d.text(path, name)
		case "sha256":
			f.Hash = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) classification(c *DataClassification, path string) {
	d.members(path, &c.Category, func(name []byte) bool {
		switch string(name) {
		case "scheme":
			c.Scheme = d.text(path, name)
		case "level":
			c.Level = d.integer(path, name)
		case "category":
			c.Category = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) patient(p *Patient, path string) {
	d.members(path, &p.UID, func(name []byte) bool {
		switch string(name) {
		case "uid":
			p.UID = d.text(path, name)
		case "alt_uids":
			p.AltUIDs = d.texts(path, name)
		case "encounter_uid":
			p.Encounter = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) access(a *Access, path string) {
	d.members(path, nil, func(name []byte) bool {
		switch string(name) {
		case "purpose":
			a.Purpose = d.texts(path, name)
		case "break_glass":
			a.BreakGlass = d.flag(path, name)
		case "reason":
			a.Reason = d.text(path, name)
		case "incidental":
			a.Incidental = d.flag(path, name)
		case "half_of":
			a.HalfOf = d.text(path, name)
		case "document":
			a.Document = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) fact(f *Fact, path string) {
	d.members(path, nil, func(name []byte) bool {
		switch string(name) {
		case "kind":
			f.Kind = FactKind(d.text(path, name))
		case "patient":
			f.Patient = d.text(path, name)
		case "other":
			f.Other = d.text(path, name)
		case "encounter":
			f.Encounter = d.text(path, name)
		case "id":
			f.ID = d.text(path, name)
		case "person":
			f.Person = d.text(path, name)
		case "department":
			f.Department = d.text(path, name)
		case "ward":
			f.Ward = d.text(path, name)
		case "code":
			f.Code = d.text(path, name)
		case "from":
			f.From = d.int64(path, name)
		case "until":
			f.Until = d.int64(path, name)
		case "retract":
			f.Retract = d.flag(path, name)
		case "keys":
			f.Keys = all(d, d.key, path+".keys")
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) key(k *Key, path string) {
	d.members(path, nil, func(name []byte) bool {
		switch string(name) {
		case "kind":
			k.Kind = d.text(path, name)
		case "token":
			k.Token = d.text(path, name)
		default:
			return false
		}
		return true
	})
}

func (d *Decoder) explanation(x *Explanation, path string) {
	d.members(path, nil, func(name []byte) bool {
		switch string(name) {
		case "explained":
			x.Explained = d.flag(path, name)
		case "kind":
			x.Kind = d.text(path, name)
		case "weak":
			x.Weak = d.flag(path, name)
		case "because":
			x.Because = d.texts(path, name)
		case "args":
			x.Args = d.texts(path, name)
		case "at":
			x.At = d.int64(path, name)
		default:
			return false
		}
		return true
	})
}
