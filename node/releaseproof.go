package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/evidence/bundle"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/release"
)

// releaseProof writes the proof of a release: all versions of its record, from
// the request to the last hand-out, with what was measured, tried and decided,
// bound into the log and signed.
func (n *Node) releaseProof(ctx context.Context, id, lang string, w io.Writer) error {
	rec, err := n.evidence.Get(ctx, release.Kind, id)
	if err != nil {
		return err
	}
	return bundle.Export(ctx, w, n.evidence, bundle.Input{Incident: rec, Made: n.now().UnixMilli(), Lang: lang, Describe: describeRelease, Name: n.name})
}

// describeRelease says one version of a release in a sentence.
func describeRelease(r evidence.Record) ocsf.Text {
	var x release.Release
	if r.Kind != release.Kind || json.Unmarshal(r.Body, &x) != nil {
		return ocsf.Text{}
	}
	en, zh := x.Title+" → "+x.Recipient+": "+x.State, x.Title+" → "+x.Recipient+"："+release.StateTitle(x.State).ZH
	if x.Level > 0 {
		en += fmt.Sprintf(", GB/T 42460 level %d", x.Level)
		zh += fmt.Sprintf("，GB/T 42460 %d 级", x.Level)
	}
	if x.Measured != nil {
		en += fmt.Sprintf(", k = %d, highest risk %.4f, loss %.4f", x.Measured.K, x.Measured.Risk.Prosecutor.Highest, x.Measured.Loss)
		zh += fmt.Sprintf("，k = %d，最高风险 %.4f，信息损失 %.4f", x.Measured.K, x.Measured.Risk.Prosecutor.Highest, x.Measured.Loss)
	}
	if x.Approver != "" {
		en, zh = en+", decided by "+x.Approver, zh+"，审批人 "+x.Approver
	}
	if x.OutputHash != "" {
		en, zh = en+", output SHA-256 "+x.OutputHash, zh+"，输出 SHA-256 "+x.OutputHash
	}
	return ocsf.Text{EN: en, ZH: zh}
}
