package e2e

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run LowPriority -ageing 2 -v
var ageingFeeders = flag.Int("ageing", 0, "callers with tasks of high priority beside one of low; 0 skips the test")

// ageingKind is a long task of a service and the short ones that compete with it.
type ageingKind struct {
	name      string
	long, few func(t *testing.T, s *server, priority string) (int, string)
}

// ageingKinds returns one of each service; part divides the length of the long ones.
func ageingKinds(t *testing.T, part int) []ageingKind {
	t.Helper()
	speech, short := wav(16000, 1, 120*16000/part), clip(t, "clip03.wav")
	sound, piece := wav(48000, 2, 60*48000/part), wav(48000, 2, 5*48000)
	caption := soundClip(t, "clip00.wav")
	post := func(t *testing.T, s *server, path, contentType string, body []byte, priority string) (int, string) {
		t.Helper()
		got, err := s.app(t).send(t.Context(), http.MethodPost, s.url+path, body, "Content-Type", contentType, "Grym-Priority", priority)
		require.NoError(t, err)
		return got.status, got.body
	}
	generate := func(steps int) func(*testing.T, *server, string) (int, string) {
		request := fmt.Sprintf(`{"prompt":"rain","seed":1,"num_inference_steps":%d}`, steps)
		return func(t *testing.T, s *server, priority string) (int, string) {
			t.Helper()
			return post(t, s, "/v1/audio/generations", "application/json", []byte(request), priority)
		}
	}
	upload := func(path string, sound []byte, fields ...string) func(*testing.T, *server, string) (int, string) {
		return func(t *testing.T, s *server, priority string) (int, string) {
			t.Helper()
			body, contentType := form(t, sound, fields...)
			data, err := io.ReadAll(body)
			require.NoError(t, err)
			return post(t, s, path, contentType, data, priority)
		}
	}
	convert := func(sound []byte) func(*testing.T, *server, string) (int, string) {
		return upload("/v1/audio/conversions", sound, "sample_rate", "16000")
	}
	return []ageingKind{
		{fmt.Sprintf("speech, %d s", 120/part), upload("/v1/audio/transcriptions", speech), upload("/v1/audio/transcriptions", short)},
		{fmt.Sprintf("generation, %d steps", 40/part), generate(40 / part), generate(4)},
		{"question", upload("/v1/audio/captions", wav(16000, 1, 60*16000/part)), upload("/v1/audio/captions", caption)},
		{fmt.Sprintf("conversion, %d s", 60/part), convert(sound), convert(piece)},
	}
}

// ageingTimes are how long a task of low priority takes alone, before and after, and beside
// callers whose tasks have high priority.
type ageingTimes struct{ before, beside, after time.Duration }

// fair returns the time in which a task must end beside the callers: a multiple of its own
// time for each of them, and the two steps of ageing from high to low.
func (a ageingTimes) fair(factor float64, callers int, ageing time.Duration) time.Duration {
	return time.Duration(factor*float64(max(a.before, a.after))*float64(callers)) + 2*ageing
}

// age measures a task of low priority beside callers that do not pause.
func (kind ageingKind) age(t *testing.T, s *server, callers int) (times ageingTimes) {
	t.Helper()
	timed := func() time.Duration {
		began := time.Now()
		status, body := kind.long(t, s, "low")
		require.Equal(t, http.StatusOK, status, body)
		return time.Since(began)
	}
	timed() // loads the model
	times.before = timed()
	var stop atomic.Bool
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for !stop.Load() {
				if status, body := kind.few(t, s, "high"); status != http.StatusOK {
					t.Errorf("%s: %d %s", kind.name, status, body)
					return
				}
			}
		})
	}
	times.beside = timed()
	stop.Store(true)
	calling.Wait()
	times.after = timed()
	return times
}

// TestLowPriorityUnderHighLoad compares how long a task of low priority takes alone and
// beside callers whose tasks have high priority. It asserts no time.
func TestLowPriorityUnderHighLoad(t *testing.T) {
	if *ageingFeeders == 0 {
		t.Skip("a measurement for a machine without other work; -ageing 2 runs it")
	}
	const ageing = 2 * time.Second
	s := startWith(t, options{settings: fmt.Sprintf("systemHardening: {resourceManagement: {ageing: %s}}\n", ageing)})
	t.Logf("%d callers, an ageing step of %s, from high to low two", *ageingFeeders, ageing)
	t.Log("| kind | alone | beside | fair: 1.5 times alone times callers, and two steps |")
	t.Log("|---|---|---|---|")
	for _, kind := range ageingKinds(t, 1) {
		times := kind.age(t, s, *ageingFeeders)
		t.Logf("| %s | %.1f s | %.1f s | %.1f s |", kind.name, times.before.Seconds(), times.beside.Seconds(),
			times.fair(1.5, *ageingFeeders, ageing).Seconds())
	}
}

// playLowPriority has a task of low priority of each kind beside two callers of high
// priority. If its waiting began anew whenever it yields, it would wait for two steps of
// ageing at each of its dozens of windows, steps, tokens or blocks.
func playLowPriority(t *testing.T) {
	t.Helper()
	const ageing = time.Second
	s := startWith(t, options{settings: fmt.Sprintf("systemHardening: {resourceManagement: {ageing: %s}}\n", ageing)})
	for _, kind := range ageingKinds(t, 2) {
		times := kind.age(t, s, 2)
		timelineOf(t).note("%s: %.2f s and %.2f s alone, %.2f s beside", kind.name, times.before.Seconds(), times.after.Seconds(),
			times.beside.Seconds())
		require.LessOrEqual(t, times.beside, times.fair(3, 2, ageing)+2*ageing, kind.name)
	}
}
