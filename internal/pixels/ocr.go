package pixels

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// OCR finds words in a picture.
type OCR interface {
	Words(ctx context.Context, g *Grey) ([]Word, error)
}

// Word is a word, and where it stands.
type Word struct {
	Rect
	Text string
}

// ocrTime is how long one picture may take.
const ocrTime = 30 * time.Second

// tesseract is the program of that name.
type tesseract struct{ path, languages string }

// Tesseract finds the program tesseract; an error says that it is not there.
// Pictures go to its standard input, and nothing is written to disk.
func Tesseract() (OCR, error) {
	path, err := exec.LookPath("tesseract")
	if err != nil {
		return nil, errors.New("the program tesseract is not installed (package tesseract-ocr)")
	}
	languages := "eng"
	if out, err := exec.Command(path, "--list-langs").Output(); err == nil && strings.Contains(string(out), "chi_sim") {
		languages = "eng+chi_sim"
	}
	return &tesseract{path, languages}, nil
}

// Words gives the words and their places, a little larger.
func (t *tesseract) Words(ctx context.Context, g *Grey) ([]Word, error) {
	ctx, cancel := context.WithTimeout(ctx, ocrTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.path, "-", "-", "--psm", "11", "-l", t.languages, "tsv")
	cmd.Env = append(cmd.Environ(), "OMP_THREAD_LIMIT=1")
	picture := fmt.Appendf(nil, "P5\n%d %d\n255\n", g.Width, g.Height)
	cmd.Stdin = bytes.NewReader(append(picture, g.Pix...))
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tesseract could not read the image: %w", err)
	}
	return words(out), nil
}

// words reads the table that tesseract prints: level 5 is a word, columns 6 to
// 9 its place, 10 how sure it is.
func words(tsv []byte) (found []Word) {
	lines := bufio.NewScanner(bytes.NewReader(tsv))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) < 12 || f[0] != "5" || len(strings.TrimSpace(f[11])) < 2 {
			continue
		}
		var n [5]int
		for i := range n {
			v, _ := strconv.ParseFloat(f[6+i], 64) // no number: 0, too small or unsure
			n[i] = int(v)
		}
		if n[4] >= 30 && n[2] > 0 && n[3] > 0 {
			found = append(found, Word{Rect{n[0] - pad, n[1] - pad, n[0] + n[2] + pad, n[1] + n[3] + pad}, strings.TrimSpace(f[11])})
		}
	}
	return found
}
