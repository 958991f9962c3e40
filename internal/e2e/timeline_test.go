package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// timeline is what a client sends and receives during a test. Safe for concurrent use.
type timeline struct {
	began time.Time
	// viewed is set if the test adds its requests itself, with what operators see then.
	viewed atomic.Bool

	mu    sync.Mutex
	lines []timelineLine
	asked int // requests
}

// timelineLine is a line, and how many equal ones follow each other.
type timelineLine struct {
	at    time.Duration
	text  string
	times int
}

// timelines has the timelines of the tests under way, by the name of the test.
var timelines sync.Map

// followed has the timelines of servers, by their ports.
var followed sync.Map

// recorder adds the requests to servers of tests with timelines.
type recorder struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.RoundTripper.RoundTrip(request)
	if found, ok := followed.Load(request.URL.Port()); ok && err == nil {
		found.(*timeline).answered(request, response) //nolint:forcetypeassert // as follow has stored it
	}
	return response, err
}

// follow adds the requests to a server from now on.
func (l *timeline) follow(address string) {
	if l != nil {
		followed.Store(address[strings.LastIndexByte(address, ':')+1:], l)
	}
}

// mostTimelineLines bounds what is printed of one test.
const mostTimelineLines = 120

// newTimeline begins the timeline of a test, which is logged at its end.
func newTimeline(t *testing.T) *timeline {
	t.Helper()
	l := &timeline{began: time.Now()}
	timelines.Store(t.Name(), l)
	t.Cleanup(func() {
		timelines.Delete(t.Name())
		t.Logf("timeline:\n%s", l)
	})
	return l
}

// timelineOf returns the timeline of a test or of the one that it is a part of; nil if
// there is none.
func timelineOf(t testing.TB) *timeline {
	for name := t.Name(); name != ""; name = name[:max(strings.LastIndexByte(name, '/'), 0)] {
		if found, ok := timelines.Load(name); ok {
			l, _ := found.(*timeline)
			return l
		}
	}
	return nil
}

// note adds a line. A nil timeline has none.
func (l *timeline) note(format string, args ...any) {
	if l == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.lines) - 1; last >= 0 && l.lines[last].text == text {
		l.lines[last].times++
		return
	}
	l.lines = append(l.lines, timelineLine{time.Since(l.began), text, 1})
}

// shownID is the part of a path that differs from run to run.
var shownID = regexp.MustCompile(`/(task-)?[a-z0-9-]{20,}`)

// answered adds a request and its response. Lines of equal requests and responses that
// follow each other are one.
func (l *timeline) answered(request *http.Request, response *http.Response) {
	l.mu.Lock()
	l.asked++
	l.mu.Unlock()
	if l.viewed.Load() {
		return
	}
	text := fmt.Sprintf("%s %s: %d", request.Method, shownID.ReplaceAllString(request.URL.RequestURI(), "/{id}"), response.StatusCode)
	for _, name := range []string{"Retry-After", "Grym-Warning"} {
		if value := response.Header.Get(name); value != "" {
			text += fmt.Sprintf(", %s %s", name, value)
		}
	}
	l.note("%s", text)
}

// requests returns how many requests were sent.
func (l *timeline) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// String returns the lines with their times.
func (l *timeline) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var text strings.Builder
	for i, line := range l.lines {
		if i == mostTimelineLines {
			fmt.Fprintf(&text, "         and %d further lines\n", len(l.lines)-i)
			break
		}
		fmt.Fprintf(&text, "%7.2fs  %s", line.at.Seconds(), line.text)
		if line.times > 1 {
			fmt.Fprintf(&text, " (%d times)", line.times)
		}
		text.WriteByte('\n')
	}
	return strings.TrimRight(text.String(), "\n")
}
