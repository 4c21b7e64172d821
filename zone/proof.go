package zone

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cordon-health/cordon/evidence"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/store"
)

// StandKind is the kind of the records of a policy's life. The id is the place.
const StandKind = "zone"

// Book keeps stands as evidence.
type Book struct {
	DB    *store.DB
	Log   *evidence.Log
	Place string
}

var _ Journal = Book{}

// Load reads the newest stand.
func (b Book) Load(ctx context.Context) (s Stand, found bool, err error) {
	rec, err := b.Log.Get(ctx, StandKind, b.Place)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		err = json.Unmarshal(rec.Body, &s)
	}
	if err != nil {
		return s, false, fmt.Errorf("read where the zone policy stands: %w", err)
	}
	return s, true, nil
}

// Save writes a version.
func (b Book) Save(ctx context.Context, s Stand) error {
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write where the zone policy stands: %w", err)
	}
	return b.DB.Update(ctx, func(tx *sql.Tx) error {
		_, err := b.Log.Put(tx, evidence.Record{Kind: StandKind, ID: b.Place, Time: s.At, Person: s.By, Status: string(s.Life), Ref: s.Hash, Body: body})
		return err
	})
}

// LifeTitle is a stage in words.
func LifeTitle(l Life) ocsf.Text {
	switch l {
	case Draft:
		return title("draft", "草稿")
	case Staged:
		return title("staged: records what it would drop", "试运行：只记录将被阻断的流量")
	case Waiting:
		return title("enforced, waits for confirmation", "已生效，等待确认")
	case Enforced:
		return title("enforced", "已生效")
	case RolledBack:
		return title("rolled back", "已回退")
	}
	return title(string(l), string(l))
}

// DescribeProof says one version of a stand, or one isolation, in a sentence.
func DescribeProof(r evidence.Record) ocsf.Text {
	if r.Kind == IsolationKind {
		return describeIsolation(r)
	}
	var s Stand
	if r.Kind != StandKind || json.Unmarshal(r.Body, &s) != nil {
		return ocsf.Text{}
	}
	t := LifeTitle(s.Life)
	var en, zh strings.Builder
	fmt.Fprintf(&en, "%s, policy %s, ruleset %.12s: %s, by %s", s.Place, s.Policy, s.Hash, t.EN, s.By)
	fmt.Fprintf(&zh, "%s，策略 %s，规则集 %.12s：%s，操作人 %s", s.Place, s.Policy, s.Hash, t.ZH, s.By)
	say := func(e, z string, args ...any) {
		fmt.Fprintf(&en, e, args...)
		fmt.Fprintf(&zh, z, args...)
	}
	if s.Forced {
		say("; forced", "；强制执行")
	}
	if s.Reason != "" {
		say(" (%s)", "（%s）", s.Reason)
	}
	if x := s.Simulation; x != nil {
		say("; simulated on %d sessions, %d would fail, %d effects", "；已按 %d 次会话仿真，%d 次将失败，影响 %d 项", x.Sessions, x.DeniedSessions, len(x.Effects))
	}
	if a := s.Applied; a != nil {
		say("; %d elements loaded in %s, %d conversations ended", "；加载 %d 条，用时 %s，终止会话 %d 个", a.Elements, a.Took, a.Ended)
	}
	if v := s.Verified; v != nil {
		say("; verified: %d probes, %d not as expected, %d differences in the kernel", "；核验：探测 %d 次，不符 %d 次，内核差异 %d 处", len(v.Probes), v.Bad(), len(v.Faults))
	}
	if c := s.Counters; c != nil {
		say("; kernel counted %d denied, %d would be denied", "；内核计数：阻断 %d，将阻断 %d", c.Denied, c.Would)
	}
	if l := s.Log; l != nil {
		say("; %d denials recorded, %d lost", "；阻断记录 %d 条，丢失 %d 条", l.Records, l.Lost)
	}
	return ocsf.Text{EN: en.String(), ZH: zh.String()}
}
