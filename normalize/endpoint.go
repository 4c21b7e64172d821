package normalize

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// The activities of File Hosting Activity (6006) used here. Source: OCSF 1.9.0.
const (
	hostingUpload = 1
	hostingShare  = 12
)

// printed is the Windows event of a document that was printed.
const printed = "307"

// windows brings an event of the Windows event log (as NXLog, Winlogbeat and
// others forward it in JSON) to the keys of other devices. Its event id is a
// kind, not an identity; the record number is one.
func (d *device) windows() {
	code := d.windowsCode()
	if code == "" {
		return
	}
	for i := range d.fields {
		f := &d.fields[i]
		for _, prefix := range []string{"winlogeventdata", "winlog", "eventeventdata", "eventsystem", "eventdata"} {
			if rest, ok := strings.CutPrefix(f.name, prefix); ok && rest != "" {
				f.name = rest
				break
			}
		}
		f.name = windowsName(code, f.name)
		if code == printed && hasWord(f.name, "message", "msg") {
			f.value = "" // quotes the document's name
		}
	}
	d.signature = code
}

// windowsCode is the event's id in the Windows log, "" for other records.
func (d *device) windowsCode() string {
	code, windows := "", false
	for _, f := range d.fields {
		switch f.name {
		case "eventid", "winlogeventid", "eventsystemeventid", "eventcode":
			if _, err := strconv.ParseUint(f.value, 10, 16); err == nil {
				code = f.value
			}
		case "channel", "winlogchannel", "eventsystemchannel", "providername", "sourcename", "winlogprovidername":
			windows = windows || strings.Contains(f.value, "Windows") || f.value == "Security" || f.value == "System"
		}
	}
	if !windows {
		return ""
	}
	return code
}

// windowsName is a field's name among other devices' names.
func windowsName(code, name string) string {
	switch name {
	case "eventid", "eventcode":
		return "windowsid"
	case "eventrecordid", "recordnumber", "recordid":
		return "recordid"
	case "subjectusername", "user", "targetusername":
		return "suser"
	case "computer", "computername":
		return "shost"
	case "image", "processname":
		return "sproc"
	case "targetfilename", "objectname":
		return "fname"
	case "destinationhostname", "queryname":
		return "dhost"
	case "systemtime", "utctime", "timecreated":
		return "time"
	}
	if code == printed {
		switch name {
		case "param2":
			return "name" // the document's, which may name a patient: kept as a token only
		case "param3":
			return "suser"
		case "param4":
			return "shost"
		}
	}
	return name
}

// channel makes the event of a way out of the hospital: removable media, files
// handed to web, mail, chat and cloud services, requests through a proxy, print
// jobs. False where the record tells of none.
func (d *device) channel(e *ocsf.Event, file *ocsf.File, words string) bool {
	switch way := d.way(e, words); {
	case d.signature == printed && d.has("windowsid"):
		d.setPrint(e)
	case removable(words) || d.signature == "6416" && d.has("windowsid") && storage(d):
		e.ClassUID, e.ActivityID, e.File = ocsf.PeripheralActivity, peripheralVerb(words), file
		if d.signature == "6416" {
			e.ActivityID = 1
		}
		d.note("usb")
	case way != "" && file != nil && handsOver(words):
		e.ClassUID, e.ActivityID, e.File = ocsf.FileHostingActivity, hostingUpload, file
		if hasWord(words, "share", "分享", "共享") {
			e.ActivityID = hostingShare
		}
		d.note(way)
	case proxied(e):
		e.ClassUID, e.ActivityID = ocsf.HTTPActivity, httpVerb(e.HTTPRequest.Method)
		if n, err := strconv.ParseInt(d.take("out", "bytesout", "sentbytes", "sentbyte", "csbytes", "uploadbytes", "上行流量"), 10, 64); err == nil && n > 0 {
			e.File = &ocsf.File{Size: n}
		}
		if way != "" {
			d.note(way)
		}
	default:
		return false
	}
	return true
}

// setPrint makes an export of a print job: its size and pages.
func (d *device) setPrint(e *ocsf.Event) {
	e.ClassUID, e.ActivityID = ocsf.WebResourcesActivity, ocsf.AccessExport
	r := ocsf.Resource{Type: "print", Name: "print job"}
	if n, err := strconv.ParseInt(d.take("param8"), 10, 64); err == nil && n > 0 {
		r.Count = n
	}
	e.WebResources = []ocsf.Resource{r}
	if n, err := strconv.ParseInt(d.take("param7"), 10, 64); err == nil && n > 0 {
		e.File = &ocsf.File{Name: "print job", Size: n}
	}
	d.note("print")
}

// note keeps the way out beside the record's own fields, as way_out.
func (d *device) note(way string) {
	d.fields = append(d.fields, field{key: "way_out", name: "wayout", value: way})
}

func removable(words string) bool {
	return hasWord(words, "usb", "removable", "u盘", "移动存储", "移动硬盘", "外设")
}

// storage says whether a device that Windows recognised holds files; mice and
// keyboards do not.
func storage(d *device) bool {
	for _, f := range d.fields {
		if v := strings.ToLower(f.value); hasWord(v, "usbstor", "diskdrive", "wpd", "portable", "disk drive", "磁盘") {
			return true
		}
	}
	return false
}

// handsOver says that a file went out, not in.
func handsOver(words string) bool {
	return hasWord(words, "upload", "send", "sent", "attach", "share", "outbound", "exfil", "leak", "post", "外发", "上传", "发送", "附件", "分享", "共享", "泄")
}

// proxied says that a proxy or filter tells of a request to another site: an
// absolute address, or a tunnel.
func proxied(e *ocsf.Event) bool {
	r := e.HTTPRequest
	return r != nil && (e.SrcEndpoint != ocsf.Endpoint{} || e.Actor.User.Account != "") &&
		(strings.Contains(r.URL, "://") || r.Method == "CONNECT")
}

// way is the service a record speaks of: "cloud", "mail", "im" or "".
func (d *device) way(e *ocsf.Event, words string) string {
	host := strings.ToLower(e.DstEndpoint.Hostname)
	if r := e.HTTPRequest; r != nil {
		if u, err := url.Parse(r.URL); err == nil && u.Host != "" {
			host = strings.ToLower(u.Hostname())
			if e.DstEndpoint.Hostname == "" && e.DstEndpoint.IP == "" {
				e.DstEndpoint = endpointOf(host)
			}
		} else if r.Method == "CONNECT" {
			host, _, _ = strings.Cut(strings.ToLower(r.URL), ":")
		}
	}
	words += " " + strings.ToLower(e.Actor.AppName)
	switch {
	case inDomain(host, "wx.qq.com", "weixin.qq.com", "web.wechat.com", "dingtalk.com", "feishu.cn", "larksuite.com", "web.telegram.org",
		"web.whatsapp.com", "im.qq.com", "work.weixin.qq.com", "slack.com", "discord.com"),
		hasWord(words, "wechat", "weixin", "dingtalk", "feishu", "whatsapp", "telegram", "instant messag", "im file", "qq.exe", "微信", "钉钉", "飞书", "即时通讯", "聊天"):
		return "im"
	case inDomain(host, "mail.qq.com", "mail.163.com", "mail.126.com", "mail.sina.com.cn", "mail.google.com", "outlook.live.com", "outlook.office.com",
		"mail.yahoo.com", "mail.aliyun.com", "mail.139.com", "mail.ru", "proton.me"),
		strings.HasPrefix(host, "webmail."), hasWord(words, "webmail", "smtp", "e-mail", "email", "邮件", "邮箱"):
		return "mail"
	case inDomain(host, "pan.baidu.com", "pcs.baidu.com", "alipan.com", "aliyundrive.com", "weiyun.com", "pan.quark.cn", "115.com", "cloud.189.cn", "lanzou.com",
		"yun.139.com", "dropbox.com", "drive.google.com", "onedrive.live.com", "1drv.ms", "mega.nz", "wetransfer.com", "box.com", "icloud.com"),
		strings.HasPrefix(host, "pan."), hasWord(words, "cloud disk", "cloud storage", "netdisk", "file sharing", "云盘", "网盘", "云存储"):
		return "cloud"
	}
	return ""
}

// inDomain says whether a host is one of the domains or below it.
func inDomain(host string, domains ...string) bool {
	for _, d := range domains {
		if host == d || strings.HasSuffix(host, "."+d) {
			return true
		}
	}
	return false
}
