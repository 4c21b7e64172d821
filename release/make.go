package release

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/deid"
	"github.com/cordon-health/cordon/ocsf"
)

// making is one run of Make.
type making struct {
	*Broker
	r      *Release
	recipe Recipe
	dir    string
	seen   func(step string, done, total int)

	source *os.File
	marks  *Marks
}

// Make produces the recipient's copy, measures it and attacks it. The release
// is then measured, or blocked with the reasons. Only a failure of this machine
// is an error; the release may then be made again.
func (b *Broker) Make(ctx context.Context, id string, seen func(step string, done, total int)) (Release, error) {
	r, err := b.change(ctx, id, []string{Requested, Blocked}, func(r *Release) error {
		r.State, r.Failure, r.Trial, r.Measured, r.Deidentified, r.Counted, r.Level = Making, nil, nil, nil, nil, nil, 0
		r.Marked, r.Honey, r.Proven, r.MarksHash = nil, 0, 0, ""
		return nil
	})
	if err != nil {
		return r, err
	}
	m := &making{Broker: b, r: &r, seen: seen}
	if m.seen == nil {
		m.seen = func(string, int, int) {}
	}
	err = m.run(ctx)
	if err != nil && !b.blocks(&r, err) {
		_, back := b.change(context.WithoutCancel(ctx), id, []string{Making}, func(r *Release) error {
			r.State = Requested
			return nil
		})
		return r, errors.Join(err, back)
	}
	return b.change(context.WithoutCancel(ctx), id, []string{Making}, func(kept *Release) error {
		*kept = r
		kept.State = Measured
		if r.Failure != nil || r.Trial != nil && len(r.Trial.Refused) > 0 {
			kept.State = Blocked
		}
		return nil
	})
}

// blocks says whether an error is about the data set, not about this machine.
func (b *Broker) blocks(r *Release, err error) bool {
	var m Mistake
	switch {
	case errors.As(err, &m):
		r.Failure = &m.Text
	case errors.Is(err, ErrRefused), errors.Is(err, deid.ErrUsage):
		why := strings.ReplaceAll(strings.ReplaceAll(err.Error(), ErrRefused.Error()+": ", ""), deid.ErrUsage.Error()+": ", "")
		r.Failure = &ocsf.Text{EN: "It cannot be made by this recipe: " + why, ZH: "无法按该配方生成：" + why}
	default:
		return false
	}
	return true
}

// Restart gives back what was being made when the process stopped, and removes
// what a hard end left of it in the folder for work in progress: it is in clear.
func (b *Broker) Restart(ctx context.Context) error {
	left, err := filepath.Glob(filepath.Join(b.Temp, "release-*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what is left of a release that was being made: %w", err)
		}
	}
	all, err := b.List(ctx, 1<<30, 0)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.State != Making {
			continue
		}
		if _, err := b.change(ctx, r.ID, []string{Making}, func(r *Release) error { r.State = Requested; return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (m *making) run(ctx context.Context) (err error) {
	if m.recipe, err = ReadRecipe([]byte(m.r.Recipe)); err != nil {
		return mistake(err.Error(), "配方有误："+err.Error())
	}
	if m.dir, err = os.MkdirTemp(m.Temp, "release-*"); err != nil {
		return err
	}
	defer os.RemoveAll(m.dir)
	if err := m.fetch(ctx); err != nil {
		return err
	}
	defer m.source.Close()
	out, err := os.OpenFile(filepath.Join(m.dir, "output"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	produce := m.table
	switch m.recipe.Kind {
	case FileSet:
		produce = m.files
	case CountSet:
		produce = m.counts
	}
	if err := produce(ctx, out); err != nil {
		return err
	}
	return m.keep(ctx, out)
}

// fetch brings the source to a file and makes sure that it is the one that was
// handed in.
func (m *making) fetch(ctx context.Context) error {
	in, err := m.unseal(ctx, sourceName(m.r.ID))
	if err != nil {
		return err
	}
	defer in.Close()
	if m.source, err = os.OpenFile(filepath.Join(m.dir, "source"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(m.source, sum), in); err != nil {
		return fmt.Errorf("fetch the data set: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != m.r.SourceHash {
		return errors.New("the kept data set is not the one that was handed in; restore the blob folder from a backup")
	}
	return nil
}

// keep attacks the output and puts it away with its fingerprint.
func (m *making) keep(ctx context.Context, out *os.File) error {
	m.seen("attack", 0, 0)
	if err := m.try(ctx, out); err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var err error
	if m.r.OutputHash, m.r.OutputSize, err = m.seal(ctx, outputName(m.r.ID), out); err != nil || m.marks == nil {
		return err
	}
	body, err := json.Marshal(m.marks)
	if err != nil {
		return err
	}
	m.r.Marked, m.r.Honey, m.r.Proven, m.r.MarksHash = m.marks.Changed, m.marks.Honey, m.marks.Proven, hashOf(body)
	return m.DB.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO release_mark (id, made, body) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET made = $2, body = $3`, m.r.ID, m.Now().UnixMilli(), string(body))
		return err
	})
}

// try compares the output with the source, with the patient index and with
// what the search finds.
func (m *making) try(ctx context.Context, out *os.File) error {
	in := m.Inspector()
	if in.Key == nil {
		return errors.New("the search has no key, so the output cannot be compared with the source")
	}
	source, err := named(m.source, m.r.File)
	if err != nil {
		return err
	}
	tokens, err := tokensOf(ctx, in, source)
	if err != nil {
		return err
	}
	made, err := named(out, m.r.File)
	if err != nil {
		return err
	}
	t, err := attack(ctx, in, tokens, made, func(f *classify.Finding) bool {
		return m.recipe.Kind == FileSet && m.recipe.Profile != "text-redact" || slices.Contains(m.recipe.Pseudonyms, f.Field)
	})
	if err != nil {
		return err
	}
	if m.r.Measured != nil {
		if err := m.survived(&t); err != nil {
			return err
		}
		if err := t.link(m.r.Measured.Table, m.recipe); err != nil {
			return err
		}
		if risk := m.r.Measured.Risk; risk.Prosecutor.Highest > risk.Threshold && m.recipe.Anonymize.K > 1 && m.recipe.Anonymize.Risk.Threshold > 0 {
			t.refuse("the highest risk of a row is %.3f, above the threshold of %.3f: raise k", "单行最高风险为 %.3f，高于阈值 %.3f：请提高 k", risk.Prosecutor.Highest, risk.Threshold)
		}
	}
	m.r.Trial = &t
	return nil
}

// survived searches a table for the values of the source's own identifying
// columns.
func (m *making) survived(t *Trial) error {
	if _, err := m.source.Seek(0, io.SeekStart); err != nil {
		return err
	}
	values, err := m.recipe.identifying(m.source, m.Inspector().Engine)
	if err != nil {
		return tableFault(err)
	}
	found := values.find(m.r.Measured.Table, m.recipe.Pseudonyms)
	maps.Copy(t.Same, found)
	t.same(found)
	return nil
}

// namedSource gives a temporary file its own name again, by whose ending
// readers judge.
type namedSource struct {
	classify.Source
	name string
}

// Name implements classify.Source.
func (s namedSource) Name() string { return s.name }

func named(f *os.File, name string) (classify.Source, error) {
	src, err := classify.FileSource(f)
	return namedSource{src, filepath.Base(name)}, err
}

// table de-identifies, generalises, measures and marks.
func (m *making) table(ctx context.Context, out *os.File) error {
	in := m.source
	if !m.recipe.Deidentify.IsZero() {
		f, err := m.deidentified(ctx)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	job := Job{Config: *m.recipe.Anonymize, Engine: m.Inspector().Engine, Pseudonyms: m.recipe.Pseudonyms, Now: m.Now, Seen: m.seen,
		Files: func(string) (io.ReadCloser, error) {
			return nil, mistake("a recipe cannot name files: write the hierarchy into it", "配方不能引用文件：请将泛化层级直接写入配方")
		}}
	report, err := job.Run(ctx, in, io.Discard)
	if err != nil {
		return tableFault(err)
	}
	if report.Table.Rows() == 0 {
		return mistake("nothing of the table is left: allow more general levels, a smaller k, or fewer quasi-identifying columns", "表中没有可保留的行：请允许更高的泛化层级、减小 k 或减少准标识列")
	}
	m.r.Measured, m.r.Level = &report, report.Risk.Level
	m.seen("mark", 0, 0)
	marked, marks, err := Marker{
		Secret: m.Secret, Share: m.recipe.Mark.Share, Keep: m.recipe.Mark.Keep, Honey: m.recipe.Mark.Honey,
		Quasi: m.recipe.quasi(report.Table), K: m.recipe.Anonymize.K, Exists: m.Exists,
	}.Mark(report.Table, m.r.ID, m.r.Recipient)
	if err != nil {
		return tableFault(err)
	}
	m.marks, m.r.Measured.Table = &marks, marked
	w := bufio.NewWriter(out)
	if err := marked.WriteCSV(w, ','); err != nil {
		return err
	}
	return w.Flush()
}

// tableFault is what the mathematics could not do with this table.
func tableFault(err error) error {
	var m Mistake
	if errors.As(err, &m) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// deidentified applies the recipe's table profile.
func (m *making) deidentified(ctx context.Context) (*os.File, error) {
	text, err := yaml.Marshal(&m.recipe.Deidentify)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(m.dir, "profile.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, err
	}
	profile, err := deid.Open("table:"+path, m.Setup)
	if err != nil {
		return nil, mistake("recipe: deidentify: "+err.Error(), "配方 deidentify 有误："+err.Error())
	}
	f, err := os.OpenFile(filepath.Join(m.dir, "deidentified"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	report, err := m.apply(ctx, profile, m.source, "table.csv", f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	m.r.Deidentified = &report
	return f, nil
}

func (m *making) apply(ctx context.Context, profile deid.Profile, in *os.File, name string, out io.Writer) (deid.Report, error) {
	key, err := m.Key()
	if err != nil {
		return deid.Report{}, err
	}
	src, err := named(in, name)
	if err != nil {
		return deid.Report{}, err
	}
	report, err := profile.Apply(ctx, src, out, m.job(key))
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return report, err
}

func (m *making) job(key *deid.Key) *deid.Job {
	return &deid.Job{Key: key, Scanner: m.Inspector().Engine, Today: m.Now(), Patients: deid.NewLinks()}
}

// Bounds of an archive of files.
const (
	mostFiles    = 100_000
	mostUnpacked = 64 << 30
)

// files de-identifies each file of an archive. A file that no profile can read
// refuses the whole: what is left out silently would be missed.
func (m *making) files(ctx context.Context, out *os.File) error {
	info, err := m.source.Stat()
	if err != nil {
		return err
	}
	in, err := zip.NewReader(m.source, info.Size())
	if err != nil || len(in.File) > mostFiles {
		return mistake("the data set is no ZIP archive of at most 100,000 files", "数据集不是 ZIP 压缩包，或文件数超过 100,000")
	}
	key, err := m.Key()
	if err != nil {
		return err
	}
	setup := m.Setup
	setup.Options = m.recipe.Options
	profile, err := deid.Open(m.recipe.Profile, setup)
	if err != nil {
		return mistake("recipe: profile: "+err.Error(), "配方 profile 有误："+err.Error())
	}
	m.r.Deidentified = &deid.Report{Profile: profile.Name(), Key: key.ID()}
	job := m.job(key)
	w := zip.NewWriter(out)
	left := int64(mostUnpacked)
	for i, f := range in.File {
		if f.FileInfo().IsDir() {
			continue
		}
		m.seen("de-identify", i, len(in.File))
		if err := m.file(ctx, w, f, i, profile, job, &left); err != nil {
			return err
		}
	}
	return w.Close()
}

// file de-identifies one. Its name may tell whose it is, so it gets a number.
func (m *making) file(ctx context.Context, w *zip.Writer, f *zip.File, n int, profile deid.Profile, job *deid.Job, left *int64) error {
	tmp, err := os.OpenFile(filepath.Join(m.dir, "member"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer tmp.Close()
	r, err := f.Open()
	if err != nil {
		return mistake(fmt.Sprintf("file %d of the archive cannot be opened", n+1), fmt.Sprintf("压缩包中第 %d 个文件无法打开", n+1))
	}
	defer r.Close()
	size, err := io.Copy(tmp, io.LimitReader(r, *left+1))
	if *left -= size; err != nil || *left < 0 {
		return mistake("the archive is broken, or larger than 64 GiB unpacked", "压缩包已损坏，或解压后超过 64 GiB")
	}
	src, err := named(tmp, f.Name)
	if err != nil {
		return err
	}
	to, err := w.Create(fmt.Sprintf("%06d%s", n+1, ending(f.Name)))
	if err != nil {
		return err
	}
	report, err := profile.Apply(ctx, src, to, job)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: file %d of the archive: %w", ErrRefused, n+1, err)
	}
	m.r.Deidentified.Add(report)
	return nil
}

// ending is a file name's ending, if it is an ordinary one.
func ending(name string) string {
	e := strings.ToLower(filepath.Ext(name))
	if len(e) < 2 || len(e) > 7 || strings.Trim(e[1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return e
}
