package normalize

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/statement"
)

// setClass decides what kind of event a device's record is, from the fields
// it has and, for sign-ins, removable media and databases, from its words.
func (d *device) setClass(e *ocsf.Event, action, words string) {
	d.setRequest(e)
	sql := d.take("sql", "sqltext", "statement", "sqlstatement", "dbstatement", "语句", "sql语句")
	file := d.file()
	switch {
	case e.Patient != nil:
		e.ClassUID, e.ActivityID = ocsf.WebResourcesActivity, accessVerb(action, words)
		d.setResources(e, file)
	case e.QueryInfo != nil:
		e.ClassUID, e.ActivityID = ocsf.WebResourcesActivity, ocsf.AccessSearch
		e.WebResources = []ocsf.Resource{{Type: "Patient"}}
	case sql != "" || d.has("dbname", "tablename", "数据库"):
		d.setDatabase(e, sql)
	case d.channel(e, file, words):
	case signIn(words):
		e.ClassUID, e.ActivityID = ocsf.Authentication, ocsf.AuthLogon
		if hasWord(words, "logoff", "logout", "log out", "log off", "session closed", "注销", "登出", "退出") {
			e.ActivityID = ocsf.AuthLogoff
		}
		if e.User == nil {
			u := e.Actor.User
			e.User = &u
		}
	case d.has("usbid", "usbserial", "vid"):
		e.ClassUID, e.ActivityID, e.File = ocsf.PeripheralActivity, peripheralVerb(words), file
	case file != nil:
		e.ClassUID, e.ActivityID, e.File = ocsf.FileSystemActivity, fileVerb(words), file
	case e.HTTPRequest != nil && (e.SrcEndpoint != ocsf.Endpoint{} || e.Actor.User.Account != ""):
		e.ClassUID, e.ActivityID = ocsf.WebResourcesActivity, accessVerb(action, words)
		d.setResources(e, nil)
	case e.SrcEndpoint.IP != "" && e.DstEndpoint.IP != "":
		e.ClassUID, e.ActivityID = ocsf.NetworkActivity, networkVerb(words)
	default:
		e.ClassUID, e.ActivityID = ocsf.BaseEvent, ocsf.ActivityOther
	}
}

// setRequest takes the HTTP request. Its query is not kept: it may hold a
// patient's data.
func (d *device) setRequest(e *ocsf.Event) {
	target := d.take("request", "requesturl", "url", "uri", "requesturi")
	if target == "" {
		return
	}
	method := d.take("requestmethod", "httpmethod", "method")
	path, _, _ := strings.Cut(target, "?")
	if u, err := url.Parse(target); err == nil && u.User != nil {
		u.User, u.RawQuery = nil, ""
		path = u.String()
	}
	e.HTTPRequest = &ocsf.HTTPRequest{
		Method: method, URL: path, UserAgent: d.take("requestclientapplication", "useragent"),
	}
}

// file takes the file named by the record, if any.
func (d *device) file() *ocsf.File {
	name := d.take("fname", "filename", "file", "objectname", "文件名", "文件")
	path := d.take("filepath", "fpath", "path", "文件路径")
	if name == "" && path == "" {
		return nil
	}
	if i := strings.LastIndexAny(name, `/\`); i >= 0 && path == "" {
		name, path = name[i+1:], name
	}
	f := &ocsf.File{Name: name, Path: path, Type: d.take("filetype", "文件类型"), Hash: d.take("filehash", "sha256")}
	size := strings.ReplaceAll(d.take("fsize", "filesize", "size", "文件大小"), ",", "")
	if n, err := strconv.ParseInt(size, 10, 64); err == nil && n > 0 {
		f.Size = n
	}
	return f
}

// setResources says what was touched: the document, file or page.
func (d *device) setResources(e *ocsf.Event, file *ocsf.File) {
	switch {
	case file != nil:
		e.File = file
		e.WebResources = []ocsf.Resource{{Name: file.Name, Type: "file"}}
	case e.HTTPRequest != nil:
		e.WebResources = []ocsf.Resource{{Name: e.HTTPRequest.URL, Type: "url"}}
	case e.Patient != nil:
		r := ocsf.Resource{UID: e.Patient.UID, Type: "Patient"}
		if e.Access != nil {
			r.Name = e.Access.Document
		}
		e.WebResources = []ocsf.Resource{r}
	}
	count := d.take("count", "rows", "recordcount", "records", "数量", "记录数", "导出数量")
	if n, err := strconv.ParseInt(count, 10, 64); err == nil && n > 0 && len(e.WebResources) > 0 {
		e.WebResources[0].Count = n
	}
}

// setDatabase reads the record of a database audit. Texts that may name a
// patient are taken out of the statement.
func (d *device) setDatabase(e *ocsf.Event, sql string) {
	e.ClassUID = ocsf.DatastoreActivity
	e.ActivityID = statementVerb(sql)
	if sql != "" {
		e.QueryInfo = &ocsf.QueryInfo{Text: d.n.statementText(sql, statement.DialectOf(d.product+" "+d.vendor)), UID: d.n.key.Token("query", sql)}
		rows := d.take("rows", "rowcount", "affectedrows", "returnrows", "行数", "返回行数", "影响行数")
		if n, err := strconv.ParseInt(rows, 10, 64); err == nil {
			e.QueryInfo.Rows = n
		}
	}
	if name := d.take("dbname", "database", "db", "instance", "schema", "数据库", "库名"); name != "" {
		e.Database = &ocsf.Named{Name: name}
	}
	if name := d.take("tablename", "table", "表名"); name != "" {
		e.Table = &ocsf.Named{Name: name}
	}
}

// statementVerb is the activity of Datastore Activity (6005) of a statement:
// 1 read, 2 update, 4 query, 5 write, 6 create, 7 delete. Source: OCSF 1.9.0.
func statementVerb(sql string) int {
	verb, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(sql)), " ")
	switch verb {
	case "select", "with", "show", "call", "exec", "execute":
		return 4
	case "update", "merge", "alter":
		return 2
	case "insert", "load", "copy":
		return 5
	case "create":
		return 6
	case "delete", "drop", "truncate":
		return 7
	}
	return ocsf.ActivityOther
}

// signIn says whether words tell of a sign-in or sign-out.
func signIn(words string) bool {
	return hasWord(words, "login", "logon", "log on", "log in", "logged in", "logged on", "logoff", "logout", "log out",
		"log off", "signin", "sign in", "authenticat", "accepted password", "failed password", "session opened",
		"session closed", "登录", "登陆", "注销", "登出", "认证")
}

// accessVerb is the activity of Web Resources Activity that a device's word
// for an action stands for; a record of a patient without a word is a read.
func accessVerb(action, words string) int {
	if n := activityOfCode(action); n != ocsf.ActivityUnknown {
		return n
	}
	for _, text := range []string{strings.ToLower(action), words} {
		switch {
		case hasWord(text, "export", "print", "download", "copy", "导出", "打印", "下载", "复制", "拷贝"):
			return ocsf.AccessExport
		case hasWord(text, "share", "send", "disclos", "分享", "共享", "发送", "外发"):
			return ocsf.AccessShare
		case hasWord(text, "search", "query", "检索", "搜索", "查询"):
			return ocsf.AccessSearch
		case hasWord(text, "delete", "remove", "删除"):
			return ocsf.AccessDelete
		case hasWord(text, "update", "modify", "edit", "write", "change", "sign", "修改", "更新", "编辑", "签名"):
			return ocsf.AccessUpdate
		case hasWord(text, "create", "add", "new", "insert", "新增", "新建", "创建", "书写"):
			return ocsf.AccessCreate
		case hasWord(text, "import", "upload", "导入", "上传"):
			return ocsf.AccessImport
		case hasWord(text, "view", "read", "open", "access", "browse", "get", "查看", "浏览", "调阅", "打开", "阅读"):
			return ocsf.AccessRead
		}
	}
	return ocsf.AccessRead
}

// fileVerb is the activity of File System Activity (1001): 1 create, 2 read,
// 3 update, 4 delete, 5 rename, 10 encrypt, 14 open. Source: OCSF 1.9.0.
func fileVerb(words string) int {
	switch {
	case hasWord(words, "delet", "remove", "删除"):
		return 4
	case hasWord(words, "renam", "move", "重命名", "移动文件"):
		return 5
	case hasWord(words, "encrypt", "加密"):
		return 10
	case hasWord(words, "creat", "copy", "download", "upload", "新建", "创建", "复制", "拷贝", "下载"):
		return 1
	case hasWord(words, "modif", "writ", "update", "chang", "修改", "写入"):
		return 3
	case hasWord(words, "open", "打开"):
		return 14
	case hasWord(words, "read", "access", "view", "读取", "访问"):
		return 2
	}
	return ocsf.ActivityOther
}

// peripheralVerb is the activity of Peripheral Activity (1010): 1 connect,
// 2 disconnect, 3 enable, 4 disable. Source: OCSF 1.9.0.
func peripheralVerb(words string) int {
	switch {
	case hasWord(words, "disconnect", "unplug", "eject", "remove ", "removed", "detach", "拔出", "弹出", "断开"):
		return 2
	case hasWord(words, "disable", "block", "禁用", "阻断"):
		return 4
	case hasWord(words, "connect", "plug", "insert", "mount", "attach", "插入", "接入", "连接"):
		return 1
	}
	return ocsf.ActivityOther
}

// networkVerb is the activity of Network Activity (4001): 1 open, 2 close,
// 4 fail, 5 refuse, 6 traffic. Source: OCSF 1.9.0.
func networkVerb(words string) int {
	switch {
	case hasWord(words, "deny", "denied", "block", "drop", "reject", "refus", "阻断", "拒绝"):
		return 5
	case hasWord(words, "close", "end", "teardown", "关闭", "结束"):
		return 2
	case hasWord(words, "open", "start", "built", "accept", "allow", "permit", "放行", "建立"):
		return 1
	}
	return 6
}
