package node

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-health/cordon/canary"
	"github.com/cordon-health/cordon/collect"
	"github.com/cordon-health/cordon/detect"
	"github.com/cordon-health/cordon/incident"
	"github.com/cordon-health/cordon/internal/durable"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/playbook"
)

// openCanary makes the watcher of the alarm path over the doors of all
// collectors, and returns the readers that are its own.
func (n *Node) openCanary(ctx context.Context, collectors []collect.Collector) ([]collect.Collector, error) {
	own, err := n.canaryCertificate()
	if err != nil {
		return nil, err
	}
	var doors []canary.Door
	for _, c := range collectors {
		k, ok := c.(collect.Keeper)
		if !ok {
			continue
		}
		for _, d := range k.Doors(own) {
			doors = append(doors, knockAt(d))
		}
	}
	readers, twins, err := n.twins()
	if err != nil {
		return nil, err
	}
	doors = append(append(doors, twins...), n.webDoor())
	n.watcher, err = canary.New(ctx, canary.Parts{
		Config: n.cfg.Canary, Signer: canary.NewSigner(n.key), Doors: doors, DB: n.db,
		Progress: n.progress, Checks: n.checks, Raise: n.raise, Now: n.now, Log: n.log,
	})
	if err != nil {
		return nil, err
	}
	n.pipe.clerk.proven = n.watcher.Proven
	return readers, n.loadAlertTests(ctx)
}

func (n *Node) canaryCertificate() (*tls.Certificate, error) {
	if n.cfg.Canary.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(n.cfg.Canary.Cert, n.cfg.Canary.Key)
	if err != nil {
		return nil, fmt.Errorf("canary.cert: %w", err)
	}
	return &pair, nil
}

// knockAt makes a canary's door of a collector's.
func knockAt(d collect.Door) canary.Door {
	out := canary.Door{Name: d.Name}
	if d.NeedsCertificate {
		out.Closed = ocsf.Text{
			EN: "senders must show a certificate; give canary.cert and canary.key",
			ZH: "该入口要求客户端证书，请设置 canary.cert 与 canary.key",
		}
		return out
	}
	out.Send = func(ctx context.Context, mark string, at time.Time) error {
		data, ok := canary.Message(d.Format, mark, at)
		if !ok {
			return fmt.Errorf("there is no canary in format %s", d.Format)
		}
		return d.Send(ctx, data)
	}
	return out
}

// progress is how far the pipeline is, and how far it should be.
func (n *Node) progress() (done, last uint64) {
	done = n.pipe.clerk.done.Load()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, last, err := n.bus.Span(ctx, topic)
	if err != nil {
		return done, done // a bus that does not answer is no queue
	}
	return done, last
}

// raise opens a case about the alarm path itself, past the pipeline, and wakes
// the playbooks.
func (n *Node) raise(ctx context.Context, t canary.Trouble) error {
	n.log.Error("the alarm path is not proven", "trouble", t.ID, "text", t.Text.EN)
	var changes []incident.Change
	err := n.db.Update(ctx, func(tx *sql.Tx) (err error) {
		changes, err = n.desk.Add(tx, []ocsf.Finding{finding(t)})
		return err
	})
	if err == nil {
		n.runner.Notice(changes)
	}
	return err
}

func finding(t canary.Trouble) ocsf.Finding {
	which := strconv.FormatInt(t.Since, 10)
	if strings.HasPrefix(t.ID, "self-check:") { // found anew by every check, and told once
		which = t.Text.EN
	}
	return ocsf.Finding{
		UID: detect.UID("alarm-path:"+t.ID, which), ClassUID: ocsf.DetectionFinding, Analytic: "alarm-path", Type: "behavior",
		Subject: "cordon:" + t.ID, Time: t.Since, Title: t.Text, Why: t.Advice, SeverityID: ocsf.SeverityCritical, Risk: 90,
	}
}

// checks finds what is wrong with the alarm path beside its doors.
func (n *Node) checks() []canary.Trouble {
	var out []canary.Trouble
	for _, s := range n.pipe.detectors().Stopped() {
		out = append(out, canary.Trouble{ID: "detector:" + s.Detector,
			Text: ocsf.Text{
				EN: fmt.Sprintf("Detector %s failed and was stopped: %s", s.Detector, s.Reason),
				ZH: fmt.Sprintf("检测器 %s 出错，已停止：%s", s.Detector, s.Reason),
			},
			Advice: ocsf.Text{
				EN: "The others go on. Restart Cordon to start it again; report the error with the log.",
				ZH: "其余检测器不受影响。重启 Cordon 可恢复；请连同日志一起报告该错误。",
			}})
	}
	out = append(append(out, n.diskTrouble()...), n.checkTroubles()...)
	for _, t := range n.alertTests() {
		if !t.OK {
			out = append(out, alertTrouble(t))
		}
	}
	if err := n.evidence.Err(); err != nil {
		out = append(out, canary.Trouble{ID: "evidence",
			Text:   ocsf.Text{EN: "Evidence is not written: " + err.Error(), ZH: "证据日志无法写入：" + err.Error()},
			Advice: ocsf.Text{EN: "Look at the disk and the witness; events wait until it works again.", ZH: "请检查磁盘与见证服务；恢复前事件将排队等待。"}})
	}
	return out
}

// diskLeast is how many bytes of the data folder's disk must be free before
// Cordon warns: well before anything has to wait.
const diskLeast = 2 << 30

func (n *Node) diskTrouble() []canary.Trouble {
	free, err := durable.Free(n.cfg.Data)
	if err != nil || free >= diskLeast {
		return nil
	}
	return []canary.Trouble{{ID: "disk",
		Text: ocsf.Text{
			EN: "The disk of the data folder is nearly full: less than 2 GiB are free",
			ZH: "数据目录所在磁盘即将写满：剩余不足 2 GiB",
		},
		Advice: ocsf.Text{
			EN: "Make room or add a disk. When it is full, senders are held back; nothing is lost that was accepted.",
			ZH: "请清理或扩容磁盘。写满后将拒收新数据，但已接收的数据不会丢失。",
		}}}
}

func alertTrouble(t playbook.AlertTest) canary.Trouble {
	return canary.Trouble{ID: "alert:" + t.Action, Since: t.At,
		Text: ocsf.Text{
			EN: fmt.Sprintf("Warnings do not get out by %s: %s", t.Action, t.Why),
			ZH: fmt.Sprintf("告警通道 %s 不通：%s", t.Action, t.Why),
		},
		Advice: ocsf.Text{
			EN: "Mend its settings under playbook and test again on the overview.",
			ZH: "请修正 playbook 下的相应设置，并在总览页重新测试。",
		}}
}
