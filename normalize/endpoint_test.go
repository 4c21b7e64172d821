package normalize

import (
	"strings"
	"testing"
)

// TestChannels: the ways out of a hospital, as data leak prevention, endpoint
// agents, proxies and the Windows event log tell of them.
func TestChannels(t *testing.T) {
	const ps = `"Channel":"Microsoft-Windows-PrintService/Operational"`
	for name, c := range map[string]struct{ line, want, channel string }{
		"DLP, USB":        {`CEF:0|V|DLP|1|usb|USB storage connected|6|suser=li src=10.1.1.5 shost=PC-7 act=connect`, "1010/1 li 10.1.1.5PC-7 ?", "usb"},
		"DLP, copy":       {`CEF:0|V|DLP|1|5|File copied to removable disk|7|suser=li shost=PC-7 fname=a.xlsx fsize=1048576 act=copy`, "1010/99 li PC-7 a.xlsx:1048576 ?", "usb"},
		"DLP in Chinese":  {`用户=li 操作=插入U盘 终端=PC-7 结果=成功`, "1010/1 li PC-7 ok", "usb"},
		"DLP, mail":       {`CEF:0|V|DLP|1|9|File attached to webmail|7|suser=li src=10.1.1.5 fname=a.zip fsize=2000000 dhost=mail.qq.com act=upload`, "6006/1 li 10.1.1.5 a.zip:2000000 ?", "mail"},
		"DLP, chat":       {`CEF:0|V|DLP|1|9|IM file sent|7|suser=li src=10.1.1.5 fname=a.zip fsize=2000000 sproc=WeChat.exe act=send`, "6006/1 li 10.1.1.5 a.zip:2000000 ?", "im"},
		"chat in Chinese": {`用户名=li 操作=微信外发文件 文件名=a.zip 源IP=10.1.1.5`, "6006/1 li 10.1.1.5 a.zip:0 ?", "im"},
		"chat, received":  {`CEF:0|V|DLP|1|9|File saved|7|suser=li src=10.1.1.5 fname=a.zip sproc=WeChat.exe act=create`, "1001/1 li 10.1.1.5 a.zip:0 ?", ""},
		"proxy, cloud":    {"LEEF:1.0|V|Proxy|1|web|usrName=li\tsrc=10.1.1.5\turl=https://pan.baidu.com/upload?token=1\tmethod=POST\tout=5242880", "4002/6 li 10.1.1.5 :5242880 ?", "cloud"},
		"proxy, news":     {`CEF:0|V|Proxy|1|web|Web request|1|suser=li src=10.1.1.5 request=https://news.example.cn/x?y=1 requestMethod=GET out=300`, "4002/3 li 10.1.1.5 :300 ?", ""},
		"proxy, tunnel":   {`CEF:0|V|Proxy|1|web|Web request|1|suser=li src=10.1.1.5 request=drive.google.com:443 requestMethod=CONNECT out=900000`, "4002/1 li 10.1.1.5 :900000 ?", "cloud"},
		"6416, a stick":   {`<13>1 2026-11-22T08:00:00Z h a - - - {"EventID":6416,"Channel":"Security","EventRecordID":7,"SubjectUserName":"li","Computer":"PC-7","ClassName":"DiskDrive","DeviceId":"USBSTOR\\x"}`, "1010/1 li PC-7 ?", "usb"},
		"6416, a mouse":   {`<13>1 2026-11-22T08:00:00Z h a - - - {"EventID":6416,"Channel":"Security","EventRecordID":7,"SubjectUserName":"li","Computer":"PC-7","ClassName":"Mouse"}`, "0/99 li PC-7 ?", ""},
		"winlogbeat 4663": {`<13>1 2026-11-22T08:00:00Z h a - - - {"winlog":{"event_id":4663,"channel":"Security","record_id":8,"computer_name":"PC-7","event_data":{"SubjectUserName":"li","ObjectName":"E:\\out\\a.csv"}},"event":{"action":"File System written"}}`, "1001/99 li PC-7 a.csv:0 ?", ""},
		"Sysmon 11":       {`<13>1 2026-11-22T08:00:00Z h a - - - {"Event":{"System":{"EventID":11,"Channel":"Microsoft-Windows-Sysmon/Operational","EventRecordID":9,"Computer":"PC-7"},"EventData":{"User":"li","TargetFilename":"E:\\a.csv","Image":"C:\\x.exe"}}}`, "1001/99 li PC-7 a.csv:0 ?", ""},
		"a print job":     {`<13>1 2026-11-22T08:00:00Z h a - - - {"EventID":307,` + ps + `,"Message":"Document 1, 张伟 owned by li","Param1":"1","Param2":"张伟","Param3":"li","Param4":"PC-7","Param7":"52000","Param8":"12"}`, "6001/7 li PC-7 print job:52000 ?", "print"},
	} {
		e := oneOf(t, "syslog", c.line)
		check(t, name, brief(e), c.want)
		text := string(e.AppendJSON(nil))
		if has := strings.Contains(text, `"way_out":"`+c.channel+`"`); c.channel != "" && !has {
			t.Errorf("%s: not marked as %s: %s", name, c.channel, text)
		}
		if c.channel == "" && strings.Contains(text, `"way_out":"`) {
			t.Errorf("%s: marked as a channel: %s", name, text)
		}
		if strings.Contains(text, "张伟") || strings.Contains(text, "token=1") {
			t.Errorf("%s: a name or a query is kept: %s", name, text)
		}
	}
}

// TestWindowsIDs: two events of one kind on one machine are two events.
func TestWindowsIDs(t *testing.T) {
	line := `<13>1 2026-11-22T08:00:00Z h a - - - {"EventID":6416,"Channel":"Security","EventRecordID":7,"Computer":"PC-7"}`
	a, b := oneOf(t, "syslog", line), oneOf(t, "syslog", strings.Replace(line, "7,", "8,", 1))
	if a.Metadata.UID == b.Metadata.UID || a.Metadata.EventCode != "6416" {
		t.Errorf("%s %s %s", a.Metadata.UID, b.Metadata.UID, a.Metadata.EventCode)
	}
}
