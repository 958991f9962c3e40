package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/grym-synth/grym-synth/services"
)

// Sizes of the progress line in characters, which stays below 80.
const (
	barWidth   = 20
	maxBarName = 24
)

// progress prints the progress of the work, as a bar on a terminal and as lines otherwise.
// If out is nil it prints nothing. It is the sink of the tasks, used by one at a time.
type progress struct {
	services.DiscardSink
	out io.Writer
	bar bool

	files, number int
	name          string
	began         time.Time
	// total, finished and current are numbers of bytes: of all files, of the finished ones,
	// and of the current one.
	total, finished, current int64
	shown                    int // per cent of the file, -1 for nothing yet
	drawn                    bool
}

// newProgress returns the progress of recordings.
func newProgress(out io.Writer, bar bool, recordings []*recording) *progress {
	p := &progress{out: out, bar: bar, files: len(recordings), began: time.Now()}
	for _, r := range recordings {
		p.total += max(r.size, 0)
	}
	return p
}

// start starts the next file.
func (p *progress) start(r *recording) {
	p.number++
	p.name, p.current, p.shown = r.path, max(r.size, 0), -1
}

// Progress implements services.Sink.
func (p *progress) Progress(fraction float64, _ string) { p.show(fraction, p.left(fraction)) }

// sent shows the sent fraction of an upload; the work itself is not measured.
func (p *progress) sent(fraction float64) { p.show(fraction, "sent") }

// show prints a line if it has changed.
func (p *progress) show(fraction float64, note string) {
	percent := int(100 * min(max(fraction, 0), 1))
	if p.out == nil || percent == p.shown {
		return
	}
	if p.bar {
		runes := []rune(p.name)
		if len(runes) > maxBarName {
			runes = append([]rune("…"), runes[len(runes)-maxBarName+1:]...)
		}
		full := percent * barWidth / 100
		fmt.Fprintf(p.out, "\r%d/%d %s [%s%s] %3d %% %s\x1b[K", p.number, p.files, string(runes),
			strings.Repeat("#", full), strings.Repeat(".", barWidth-full), percent, note)
		p.drawn = true
	} else if percent/10 > max(p.shown, 0)/10 && percent < 100 {
		p.line(strings.TrimSpace(fmt.Sprintf("%d %% %s", percent, note)))
	}
	p.shown = percent
}

// finish finishes the file.
func (p *progress) finish(err error) {
	p.clear()
	p.finished += p.current
	if p.out != nil && !p.bar && err == nil {
		p.line(strings.TrimSpace("done " + p.left(0)))
	}
	p.current = 0
}

func (p *progress) line(text string) {
	fmt.Fprintf(p.out, "%d/%d %s: %s\n", p.number, p.files, p.name, text)
}

// clear removes the bar, so that something else can be printed.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprintf(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

// left returns an estimate of the remaining time, from the bytes done so far, or "".
func (p *progress) left(fraction float64) string {
	done := float64(p.finished) + fraction*float64(p.current)
	elapsed := time.Since(p.began)
	if done <= 0 || elapsed <= 0 || done >= float64(p.total) {
		return ""
	}
	return "ETA " + clock(time.Duration(float64(elapsed)*(float64(p.total)-done)/done))
}

// clock formats a duration as minutes and seconds, with hours if there are any.
func clock(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
