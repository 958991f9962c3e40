package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run LeasesFit -leases 200 -v
var (
	leaseTasks = flag.Int("leases", 0, "tasks of which the leases are compared with the memory that they use; 0 skips the test")
	leaseSeed  = flag.Uint64("leases-seed", 1, "seed of the mix of tasks")
)

// measurement is one run in /v1/resources.
type measurement struct {
	At          time.Time
	Model, Task string
	Sizes       map[string]float64
	Estimated   int64 `json:"estimated_bytes"`
	Reserved    int64 `json:"reserved_bytes"`
	Used        int64 `json:"used_bytes"`
}

func (m measurement) ratio() float64 { return float64(m.Reserved) / float64(m.Used) }

// measurements returns the measured runs by task.
func (s *server) measurements(t *testing.T) map[string][]measurement {
	t.Helper()
	_, body := s.get(t, "/v1/resources")
	var view struct {
		Services []struct{ Measurements []measurement }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &view))
	found := make(map[string][]measurement)
	for _, service := range view.Services {
		for _, one := range service.Measurements {
			found[one.Task] = append(found[one.Task], one)
		}
	}
	return found
}

// latestMeasurement returns the run that ended last.
func (s *server) latestMeasurement(t *testing.T) (last measurement) {
	t.Helper()
	for _, list := range s.measurements(t) {
		for _, one := range list {
			if one.At.After(last.At) {
				last = one
			}
		}
	}
	return last
}

// mixedTask returns a task of the mix.
func mixedTask(t *testing.T, random *rand.Rand) func(*testing.T, *server) (int, string) {
	t.Helper()
	uniform := func(least, most int) int { return least + random.IntN(most-least+1) }
	switch random.IntN(5) {
	case 0, 1:
		seconds := uniform(1, 15)
		if random.IntN(3) == 0 {
			seconds = uniform(15, 120)
		}
		sound := wav(16000, 1, seconds*16000)
		window := []string{"10", "10", "10", "5", "20"}[random.IntN(5)]
		return func(t *testing.T, s *server) (int, string) {
			t.Helper()
			return s.transcribe(t, sound, "window_seconds", window)
		}
	case 2:
		request := fmt.Sprintf(`{"prompt":%q,"seed":1,"num_inference_steps":%d,"audio_length_in_s":%d,"guidance_scale":%d}`,
			strings.Repeat("rain ", uniform(1, 12)), uniform(2, 12), uniform(1, 10), uniform(1, 3))
		return func(t *testing.T, s *server) (int, string) {
			t.Helper()
			return s.sendJSON(t, http.MethodPost, "/v1/audio/generations", request)
		}
	case 3:
		sound := soundClip(t, fmt.Sprintf("clip%02d.wav", uniform(0, 9)))
		text := strings.Repeat("What can be heard in this clip? ", uniform(1, 8))
		body := question(t, text, sound, fmt.Sprintf(`,"max_tokens":%d`, uniform(2, 60)))
		return func(t *testing.T, s *server) (int, string) { t.Helper(); return s.chat(t, body) }
	default:
		rate, channels := []int{8000, 16000, 44100, 48000}[random.IntN(4)], uniform(1, 2)
		sound := wav(rate, channels, uniform(1, 20)*rate)
		to := []string{"8000", "16000", "22050", "48000"}[random.IntN(4)]
		return func(t *testing.T, s *server) (int, string) { t.Helper(); return s.convert(t, sound, "sample_rate", to) }
	}
}

// TestLeasesFit runs a mix of tasks, alone and four at a time in turns, and compares what
// was reserved for each with what it used, as /v1/resources has them.
func TestLeasesFit(t *testing.T) {
	if *leaseTasks == 0 {
		t.Skip("a measurement; -leases 200 runs it")
	}
	s := start(t)
	random := rand.New(rand.NewPCG(*leaseSeed, 2))
	const block = 20
	alone, grew := 0, 0
	for done := 0; done < *leaseTasks; {
		together := 1
		if done/block%2 == 1 {
			together = 4
		}
		s.forgetPeak(t)
		before := s.resident(t, "VmRSS")
		var group sync.WaitGroup
		for range min(together, *leaseTasks-done) {
			task := mixedTask(t, random)
			group.Go(func() {
				status, body := task(t, s)
				if status != http.StatusOK {
					t.Errorf("%d %s", status, body)
				}
			})
			done++
		}
		group.Wait()
		// While the models are loaded, in the first block, the process grows by them too.
		if together == 1 && done > block {
			alone++
			if last := s.latestMeasurement(t); s.resident(t, "VmHWM")-before > last.Reserved {
				grew++
				t.Logf("the process grew by %d: %+v", s.resident(t, "VmHWM")-before, last)
			}
		}
	}
	t.Logf("the resident set grew by more than what was reserved in %d of %d tasks alone", grew, alone)
	found := s.measurements(t)
	var all []measurement
	for _, task := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[task]...)
		t.Log(ratios(task, found[task]))
	}
	t.Log(ratios("all", all))
	for _, m := range all {
		if m.Reserved < m.Used || m.ratio() > 3 {
			t.Logf("%s %v: estimated %d, reserved %d, used %d", m.Task, m.Sizes, m.Estimated, m.Reserved, m.Used)
		}
	}
	require.GreaterOrEqual(t, len(all), *leaseTasks)
	covered, median := coverage(all)
	require.GreaterOrEqual(t, covered, 0.99)
	require.LessOrEqual(t, median, 1.5)
}

// coverage returns the part of runs that stayed within their leases, and the median of
// what was reserved by what was used.
func coverage(list []measurement) (covered, median float64) {
	values := make([]float64, 0, len(list))
	for _, m := range list {
		values = append(values, m.ratio())
		if m.Reserved >= m.Used {
			covered++
		}
	}
	slices.Sort(values)
	return covered / float64(len(list)), values[(len(values)-1)/2]
}

// ratios returns a line of the table.
func ratios(task string, list []measurement) string {
	values := make([]float64, 0, len(list))
	for _, m := range list {
		values = append(values, m.ratio())
	}
	slices.Sort(values)
	at := func(part float64) float64 { return values[int(part*float64(len(values)-1))] }
	covered, _ := coverage(list)
	return fmt.Sprintf("| %s | %d | %.2f | %.2f | %.2f | %.1f %% |", task, len(list), at(0.01), at(0.5), at(0.99), 100*covered)
}
