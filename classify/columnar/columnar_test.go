package columnar

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/classify/classifytest"
)

type person struct {
	ID     int64  `parquet:"id"`
	Name   string `parquet:"姓名"`
	Phone  string `parquet:"phone,optional,dict"`
	Birth  int32  `parquet:"birth,date"`
	Photo  []byte `parquet:"photo"`
	Weight float64
	Tags   []string `parquet:"tags,list"`
}

func parquetFile(t testing.TB, rows int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[person](&b, parquet.Compression(&parquet.Zstd))
	for n := range rows {
		p := person{ID: int64(100_000 + n), Name: fmt.Sprintf("张%d", n), Phone: "13800138000", Birth: -7306, Photo: append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 20)...), Weight: 61.5, Tags: []string{"a", "b"}}
		if _, err := w.Write([]person{p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestParquet(t *testing.T) {
	rec := classifytest.Read(parquetReader{}, "a.parquet", parquetFile(t, 200))
	if rec.Err != nil || len(rec.Gaps) > 0 {
		t.Errorf("%v %v", rec.Err, rec.Gaps)
	}
	for field, want := range map[string]string{"姓名": "张199", "phone": "13800138000", "id": "100199", "birth": "1949-12-31"} {
		if got := rec.Field(field); len(got) != 200 || got[199] != want {
			t.Errorf("%s: %d values, %q", field, len(got), got[len(got)-1:])
		}
	}
	if len(rec.Members) != 200 || rec.Members[199].Name != "photo[200]" {
		t.Errorf("%d members", len(rec.Members))
	}
	if got := rec.Field("tags"); len(got) != 400 {
		t.Errorf("tags %d", len(got))
	}
}

func sqliteFile(t testing.TB, pragma string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		pragma, `CREATE TABLE "patient list" (id INTEGER PRIMARY KEY, 姓名 TEXT, phone, scan BLOB)`,
		`INSERT INTO "patient list" VALUES (100001, '张三', '13800138000', x'25504446000102030405060708090a0bff'), (100002, '李四', 13900139000, NULL)`,
		`CREATE VIEW v AS SELECT * FROM "patient list"`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSQLite(t *testing.T) {
	rec := classifytest.Read(sqliteReader{}, "a.db", sqliteFile(t, "PRAGMA user_version = 1"))
	if rec.Err != nil || len(rec.Gaps) > 0 {
		t.Errorf("%v %v", rec.Err, rec.Gaps)
	}
	for field, want := range map[string][]string{"姓名": {"张三", "李四"}, "phone": {"13800138000", "13900139000"}} {
		if got := rec.Field(field); !slices.Equal(got, want) {
			t.Errorf("%s: %q", field, got)
		}
	}
	if p := rec.Part("patient list.phone"); p.Record != 1 || !p.Column {
		t.Errorf("%+v", p)
	}
	if len(rec.Members) != 1 || rec.Members[0].Name != "patient list.scan[1]" {
		t.Errorf("members %v", rec.Members)
	}
	rec = classifytest.Read(sqliteReader{}, "a.db", sqliteFile(t, "PRAGMA journal_mode = WAL"))
	if len(rec.Gaps) != 1 || len(rec.Field("phone")) != 2 {
		t.Errorf("wal: %v %v, %d phones", rec.Err, rec.Gaps, len(rec.Field("phone")))
	}
}

// TestOriginalStaysAlone reads a file that is open elsewhere, in a folder that
// cannot be written.
func TestOriginalStaysAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.db")
	data := sqliteFile(t, "PRAGMA user_version = 1")
	if err := os.WriteFile(path, data, 0o400); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := classify.FileSource(f)
	if err != nil {
		t.Fatal(err)
	}
	in := classify.Inspector{Readers: Readers()}
	if in.Engine, err = classify.New(classify.Config{}); err != nil {
		t.Fatal(err)
	}
	sum, err := in.Inspect(t.Context(), src, func(*classify.Finding) error { return nil })
	if err != nil || sum.Format != "sqlite" || sum.Level == 0 {
		t.Errorf("%+v %v", sum, err)
	}
	entries, err := os.ReadDir(dir)
	after, _ := os.ReadFile(path)
	if err != nil || len(entries) != 1 || !bytes.Equal(after, data) {
		t.Errorf("%v, changed %v", entries, !bytes.Equal(after, data))
	}
}

func TestWhatIsNotReadIsSaid(t *testing.T) {
	for name, data := range map[string]string{"a.avro": "Obj\x01\x04\xff\xfe", "a.orc": "ORC\n\xff\xfe\x00"} {
		for _, r := range Readers() {
			if r.Claims(name, []byte(data)) {
				if rec := classifytest.Read(r, name, []byte(data)); rec.Err == nil {
					t.Errorf("%s is silent", name)
				}
			}
		}
	}
	if (unreadable{"orc", "ORC"}).Claims("x.txt", []byte("ORCHIDS grow")) {
		t.Error("a text is claimed as ORC")
	}
	bad := append([]byte("PAR1"), bytes.Repeat([]byte{0xff}, 40)...)
	bad = append(bad, 0xff, 0xff, 0xff, 0x7f, 'P', 'A', 'R', '1')
	if rec := classifytest.Read(parquetReader{}, "a.parquet", bad); !errors.Is(rec.Err, classify.TooLarge) {
		t.Errorf("footer: %v", rec.Err)
	}
}

func TestHostile(t *testing.T) {
	classifytest.Hostile(t, parquetReader{}, "a.parquet", parquetFile(t, 3))
	classifytest.Hostile(t, sqliteReader{}, "a.db", sqliteFile(t, "PRAGMA user_version = 1"))
}

func FuzzColumnar(f *testing.F) {
	f.Add(parquetFile(f, 2))
	f.Add(sqliteFile(f, "PRAGMA page_size = 512"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		for _, r := range Readers() {
			if r.Claims("a", data[:min(len(data), 4096)]) {
				classifytest.Read(r, "a", data)
			}
		}
	})
}
