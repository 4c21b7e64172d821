package release

import (
	"context"
	"fmt"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/ocsf"
)

// Trial is the attack on the output before it may leave: it is searched like
// any other file, matched against the hospital's own patients, and linked to
// what it was made from.
type Trial struct {
	// Found counts direct identifiers by kind that a new search finds.
	Found map[string]int64 `json:"found"`
	// Same counts values that stand in the output as they stood in the source.
	Same map[string]int64 `json:"same_as_source"`
	// Patients and Honey are distinct patients of the hospital's own index.
	Patients int  `json:"patients"`
	Honey    int  `json:"honey"`
	Indexed  bool `json:"indexed"`
	// Unread parts could not be searched.
	Unread int64 `json:"unread"`
	// Linked is the share of rows that stand alone when all that is kept of
	// them, but for what is sensitive, is known; Columns are those.
	Linked  float64  `json:"linked"`
	Columns []string `json:"linked_by,omitempty"`
	// NamesInCommon counts names of the output that occur in the source, where
	// the profile invents names: an invented one may be somebody's by chance.
	NamesInCommon int64 `json:"names_in_common,omitempty"`
	names         int64 // of the output, where the profile invents them
	// Refused says what stands in the way; none lets it go.
	Refused []ocsf.Text `json:"refused,omitempty"`
}

func (t *Trial) refuse(en, zh string, args ...any) {
	t.Refused = append(t.Refused, ocsf.Text{EN: fmt.Sprintf(en, args...), ZH: fmt.Sprintf(zh, args...)})
}

// sureFrom is how sure a finding must be to count, in percent.
const sureFrom = 60

// mostTokens bounds the values of the source that are remembered.
const mostTokens = 20_000_000

// tokensOf are the tokens of direct identifiers in a source.
func tokensOf(ctx context.Context, in *classify.Inspector, src classify.Source) (map[string]struct{}, error) {
	tokens := map[string]struct{}{}
	_, err := in.Inspect(ctx, src, func(f *classify.Finding) error {
		if direct(f) && f.Token != "" && len(tokens) < mostTokens {
			tokens[f.Kind+" "+f.Token] = struct{}{}
		}
		return nil
	})
	return tokens, err
}

// direct says whether a finding names a person by itself.
func direct(f *classify.Finding) bool {
	k, ok := classify.KindOf(f.Kind)
	if !ok {
		return f.Confidence >= sureFrom // a kind of the hospital's own
	}
	switch k {
	case classify.Organization, classify.URL, classify.Unique, classify.BurnedIn, classify.FaceImage, classify.USCC:
		return false
	}
	return f.Confidence >= sureFrom && pointsAtPerson(k)
}

// attack searches the output. invented says of a finding that pseudonyms stand
// where it was found, so that only values of the source count there.
func attack(ctx context.Context, in *classify.Inspector, source map[string]struct{}, out classify.Source, invented func(*classify.Finding) bool) (Trial, error) {
	t := Trial{Found: map[string]int64{}, Same: map[string]int64{}, Indexed: in.Patients != nil}
	sum, err := in.Inspect(ctx, out, func(f *classify.Finding) error {
		if !direct(f) {
			return nil
		}
		_, same := source[f.Kind+" "+f.Token]
		same = same && f.Token != ""
		if invented(f) && f.Kind == classify.Name.String() {
			t.names++
		}
		switch {
		case same && invented(f) && f.Kind == classify.Name.String():
			t.NamesInCommon++
		case same:
			t.Same[f.Kind]++
		case !invented(f):
			t.Found[f.Kind]++
		}
		return nil
	})
	if err != nil {
		return t, err
	}
	t.Patients, t.Honey, t.Unread = sum.Patients, sum.Honey, sum.Unread
	t.judge()
	return t, nil
}

func (t *Trial) same(found map[string]int64) {
	for _, kind := range sorted(found) {
		t.refuse("%d values of kind %s stand in the output as in the source", "输出中有 %d 处与原始数据相同的内容（%s）", found[kind], kind)
	}
}

func (t *Trial) judge() {
	t.same(t.Same)
	if t.NamesInCommon >= fewNames && 2*t.NamesInCommon > t.names {
		t.refuse("%d of %d names are those of the source", "输出中的 %d 个姓名（共 %d 个）与原始数据相同", t.NamesInCommon, t.names)
	}
	for _, kind := range sorted(t.Found) {
		t.refuse("a new search finds %d values of kind %s", "复扫发现 %d 处 %s", t.Found[kind], kind)
	}
	if t.Patients > 0 {
		t.refuse("%d of the hospital's own patients are in it", "输出中可精确匹配到本院患者 %d 人", t.Patients)
	}
	if t.Honey > 0 {
		t.refuse("%d planted patients are in it", "输出中含有诱饵患者 %d 名", t.Honey)
	}
	if t.Unread > 0 {
		t.refuse("%d parts could not be searched", "有 %d 个部分无法检查", t.Unread)
	}
}

// link counts the rows that what is kept of them singles out.
func (t *Trial) link(table *Table, r Recipe) error {
	t.Columns = r.knowable(table)
	if len(t.Columns) == 0 || table.Rows() == 0 {
		return nil
	}
	risk, err := Measure(table, t.Columns, UsualThreshold, nil, 0)
	if err != nil {
		return err
	}
	t.Linked = float64(risk.SampleUnique) / float64(table.Rows())
	if most := r.mostLinked(); t.Linked > most {
		t.refuse("%.1f %% of the rows stand alone by what is kept of them, more than %.1f %%: generalise or leave out more columns",
			"有 %.1f%% 的行仅凭保留的列即可唯一区分，超过 %.1f%%：请对更多列泛化或删除", 100*t.Linked, 100*most)
	}
	return nil
}
