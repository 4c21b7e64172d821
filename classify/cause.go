package classify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cordon-health/cordon/ocsf"
)

// Cause is why something could not be read, for people. Only causes are shown
// as they are; of any other error the text may hold a value of the file, and
// so it becomes [Damaged].
type Cause struct{ ocsf.Text }

// Error is the English text.
func (c *Cause) Error() string { return c.EN }

// Because makes a cause. The texts follow "could not be read because …" and
// 无法读取：… and hold no value of the file.
func Because(en, zh string) *Cause { return &Cause{ocsf.Text{EN: en, ZH: zh}} }

// The usual causes.
var (
	Encrypted   = Because("it is encrypted", "内容已加密")
	Damaged     = Because("its content is damaged or not what its format demands", "内容已损坏或不符合其格式")
	Truncated   = Because("it ends too early", "内容不完整，提前结束")
	Unsupported = Because("this variant of its format is not supported", "不支持此格式变体")
	TooLarge    = Because("a part of it is larger than may be kept in memory", "其中一部分超过内存上限")
	TooDeep     = Because("it is nested too deeply", "嵌套层数过多")
	NoOCR       = Because("it is an image and text recognition is off", "内容为图像，且未启用文字识别")
)

// capped says which cap was reached.
func capped(en, zh string, limit any) *Cause {
	return Because(fmt.Sprintf("%s (%v)", en, limit), fmt.Sprintf("%s（%v）", zh, limit))
}

// causeOf makes any error fit to be shown.
func causeOf(err error) *Cause {
	var c *Cause
	switch {
	case errors.As(err, &c):
		return c
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Truncated
	case errors.Is(err, context.DeadlineExceeded):
		return Because("it took longer than may be", "读取超过时限")
	}
	return Damaged
}
