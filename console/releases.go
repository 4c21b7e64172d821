package console

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/cordon-health/cordon/identity"
	"github.com/cordon-health/cordon/ocsf"
	"github.com/cordon-health/cordon/release"
)

// releasesFile is the page of data sets that leave.
type releasesFile struct {
	All    []release.Release
	May    bool
	Sample string
}

// mostReleases is how many the page lists.
const mostReleases = 200

// sampleRecipe is what the form begins with.
const sampleRecipe = `kind: table
anonymize:
  k: 5
  max_suppression: 0.05
  columns:
    mrn: {kind: identifying}
    name: {kind: identifying}
    age: {kind: quasi, hierarchy: {intervals: [5, 10, 20], over: 89}}
    sex: {kind: quasi}
    postcode: {kind: quasi, hierarchy: {prefix: [4, 2]}}
    diagnosis: {kind: sensitive, l: {l: 3}}
    cost: {kind: sensitive}
mark: {honey: 10}
`

func (q *request) releasesPage() error {
	all, err := q.Releases.List(q.r.Context(), mostReleases, 0)
	if err != nil {
		return err
	}
	p := q.page("nav.releases")
	return q.show(p, releasesPage(p, releasesFile{All: all, May: q.ses.User.May(identity.RequestReleases), Sample: sampleRecipe}))
}

// releaseFile is the page of one.
type releaseFile struct {
	release.Release
	May, Decide, Take bool
}

func (q *request) releasePage() error {
	r, err := q.Releases.Get(q.r.Context(), q.r.PathValue("id"))
	if err != nil {
		return err
	}
	u := q.ses.User
	m := releaseFile{Release: r, May: u.May(identity.RequestReleases),
		Decide: r.State == release.Measured && u.May(identity.ApproveActions) && !strings.EqualFold(u.Human(), r.Requester),
		Take:   r.State == release.Approved && u.May(identity.RequestReleases)}
	p := q.page("nav.releases")
	return q.show(p, releasePage(p, m))
}

// mostUpload is the largest data set handed in by the browser, in bytes;
// larger ones come by the command.
const mostUpload = 2 << 30

// upload is a form whose last field is a file, which is read as it comes.
type upload struct {
	name string
	file io.Reader
}

// uploadForm reads the fields up to the file. The fields are then those of the
// request's form.
func (q *request) uploadForm() error {
	kind, params, err := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return q.r.ParseForm()
	}
	parts := multipart.NewReader(q.r.Body, params["boundary"])
	q.r.Form, q.r.PostForm = url.Values{}, url.Values{}
	for range 100 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if part.FileName() != "" {
			q.upload = &upload{path.Base(part.FileName()), part}
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(part, 1<<20))
		if err != nil {
			return err
		}
		q.r.Form.Set(part.FormName(), string(text))
	}
	return nil
}

func (q *request) requestRelease() error {
	if q.upload == nil {
		return q.refused(http.StatusBadRequest, "release.nofile")
	}
	w := release.Wish{Title: q.text("title"), Purpose: q.text("purpose"), Basis: q.text("basis"), Recipient: q.text("recipient"),
		Contact: q.text("contact"), Until: q.text("until"), Recipe: q.r.FormValue("recipe"), File: q.upload.name, AgeKey: q.text("age_key")}
	w.Recipe = strings.ReplaceAll(w.Recipe, "\r\n", "\n")
	r, err := q.RequestRelease(q.r.Context(), q.ses.User, w, q.upload.file)
	if err != nil {
		return err
	}
	if _, err := q.Releases.Make(background(q.r.Context()), r.ID, nil); err != nil {
		q.Log.Error("release not made", "release", r.ID, "error", err)
	}
	return q.redirect("/releases/" + r.ID)
}

func (q *request) changeRelease() error {
	id, ctx := q.r.PathValue("id"), q.r.Context()
	var err error
	switch q.r.PathValue("what") {
	case "approve", "refuse":
		_, err = q.DecideRelease(ctx, q.ses.User, id, q.r.PathValue("what") == "approve", q.text("reason"))
	case "withdraw":
		_, err = q.WithdrawRelease(ctx, q.ses.User, id, q.text("reason"))
	case "make":
		if !q.ses.User.May(identity.RequestReleases) {
			return q.refused(http.StatusForbidden, "error.role")
		}
		_, err = q.Releases.Make(background(ctx), id, nil)
	case "take":
		r, err := q.Releases.Get(ctx, id)
		if err != nil {
			return err
		}
		w := &download{w: q.w, kind: "application/octet-stream", name: r.OutputName()}
		return w.whole(q.TakeRelease(ctx, q.ses.User, id, w))
	default:
		return q.refused(http.StatusNotFound, "error.nothing")
	}
	if err != nil {
		return err
	}
	return q.redirect("/releases/" + id)
}

func (q *request) releaseProof() error {
	id := q.r.PathValue("id")
	if _, err := q.Releases.Get(q.r.Context(), id); err != nil {
		return err
	}
	w := &download{w: q.w, kind: "application/zip", name: "release-" + id + "-proof.zip"}
	return w.whole(q.ReleaseProof(q.r.Context(), id, q.lang, w))
}

// traceForm is the page that asks whose copy a fragment is.
type traceForm struct {
	Verdict *release.Verdict
}

func (q *request) tracePage() error {
	p := q.page("trace.title")
	return q.show(p, tracePage(p, traceForm{}))
}

func (q *request) trace() error {
	if q.upload == nil {
		return q.refused(http.StatusBadRequest, "release.nofile")
	}
	v, err := q.TraceFragment(q.r.Context(), q.ses.User, q.upload.file)
	if err != nil {
		return err
	}
	p := q.page("trace.title")
	return q.show(p, tracePage(p, traceForm{&v}))
}

// stateChip is the colour of a state.
func releaseChip(state string) string {
	switch state {
	case release.Approved:
		return "good"
	case release.Blocked, release.Refused:
		return "bad"
	case release.Measured:
		return "warn"
	}
	return ""
}

// level42460 says a level of identifiability in words.
func level42460(n int) ocsf.Text {
	switch n {
	case 1:
		return ocsf.Text{EN: "Level 1: identifies people directly", ZH: "1 级：含直接标识"}
	case 2:
		return ocsf.Text{EN: "Level 2: risk above the threshold", ZH: "2 级：重标识风险高于阈值"}
	case 3:
		return ocsf.Text{EN: "Level 3: risk below the threshold", ZH: "3 级：重标识风险低于阈值"}
	case 4:
		return ocsf.Text{EN: "Level 4: aggregated", ZH: "4 级：聚合数据"}
	}
	return ocsf.Text{EN: "Not measured: files, not a table", ZH: "未度量：非表格数据"}
}

// risk is a probability as people read it.
func risk(f float64) string { return strconv.FormatFloat(f, 'f', 3, 64) }

func total(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
