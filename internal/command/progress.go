package command

import (
	"fmt"
	"io"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// barWidth is in characters; maxBarName cuts the names before it, so that a line
// stays below 80.
const (
	barWidth   = 30
	maxBarName = 32
)

// progressBar draws how far a task is on one line of a terminal, over and over.
type progressBar struct {
	services.DiscardSink
	out   io.Writer
	name  string
	drawn int // per cent
}

func newProgressBar(out io.Writer, name string) *progressBar {
	runes := []rune(name)
	if len(runes) > maxBarName {
		runes = append([]rune("…"), runes[len(runes)-maxBarName+1:]...)
	}
	return &progressBar{out: out, name: string(runes), drawn: -1}
}

// Progress implements services.Sink. It draws when there is something new to see.
func (b *progressBar) Progress(fraction float64, _ string) {
	percent := int(100 * min(max(fraction, 0), 1))
	if percent == b.drawn {
		return
	}
	b.drawn = percent
	full := percent * barWidth / 100
	fmt.Fprintf(b.out, "\r%s [%s%s] %3d %%", b.name, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), percent)
}

// clear takes the line away.
func (b *progressBar) clear() {
	if b.drawn >= 0 {
		fmt.Fprintf(b.out, "\r\x1b[K")
	}
}
