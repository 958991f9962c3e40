package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run Isolation -isolation 5 -v
//
// -rival OLD_BINARY,... measures other versions in turns, for their times and throughput.
// SPEECH_MODEL is a folder of another Wav2Vec2 model for the requests of speech.
var (
	isolationRounds = flag.Int("isolation", 0, "rounds in which each service is saturated in turn; 0 skips the test")
	isolationBusy   = flag.String("isolation-busy", "", "the only service that is saturated; empty: each in turn")
	isolationAsks   = flag.Int("isolation-asks", 5, "how often each kind of request is measured in one phase")
	isolationAt     = flag.Float64("isolation-at", 0.5, "the quantile that is compared; a low one leaves out delays by other work")
)

const (
	// saturating callers keep a service busy; others ask once, one after another.
	saturating = 4
	// saturated is for how long they do so before the others ask.
	saturated = 5 * time.Second
	// rest is the pause before the next service is saturated, in which the load of what ran
	// before is forgotten, so that each phase is of a service that others are beside, and not
	// of two that take turns.
	rest = 20 * time.Second
)

// isolatedWork is one kind of request.
type isolatedWork struct {
	service string
	ask     func(t *testing.T, s *server) (int, string)
}

// isolatedWorks returns a usual request of each service.
func isolatedWorks(t *testing.T, model string) []isolatedWork {
	t.Helper()
	speech, sound := clip(t, "clip03.wav"), wav(44100, 2, 20*44100)
	asked := question(t, "What can be heard in this clip?", soundClip(t, "clip00.wav"), "")
	fields := []string{"model", "wav2vec2-tiny"}
	if model != "" {
		speech, fields = wav(16000, 1, 5*16000), []string{"model", model}
	}
	return []isolatedWork{
		{"wav2vec2", func(t *testing.T, s *server) (int, string) { t.Helper(); return s.transcribe(t, speech, fields...) }},
		{"gama", func(t *testing.T, s *server) (int, string) { t.Helper(); return s.chat(t, asked) }},
		{"audioProcessor", func(t *testing.T, s *server) (int, string) {
			t.Helper()
			return s.convert(t, sound, "sample_rate", "16000")
		}},
		{"audioldm", func(t *testing.T, s *server) (int, string) {
			t.Helper()
			return s.sendJSON(t, http.MethodPost, "/v1/audio/generations", `{"prompt":"rain","seed":1,"num_inference_steps":10}`)
		}},
	}
}

// isolation collects the times of one version.
type isolation struct {
	name  string
	s     *server
	works []isolatedWork
	// alone and beside have the times of a service's requests, beside by the service that
	// is saturated; done has the rates of the saturated services.
	alone  map[string][]time.Duration
	beside map[string]map[string][]time.Duration
	done   map[string][]float64
	// used has the CPU time of the server during the requests to a service, by the service
	// that is saturated, or by none.
	used map[string]map[string]*used
}

// used is CPU time during a number of requests.
type used struct {
	cpu  time.Duration
	asks int
}

// each returns the CPU time by request.
func (u *used) each() time.Duration { return u.cpu / time.Duration(max(u.asks, 1)) }

// processCPU returns the CPU time that a process has used; none where the system has no
// /proc. Its ticks are hundredths of a second.
func processCPU(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if err != nil || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// measure returns the times of requests, one after another, while a service is saturated.
func (i *isolation) measure(t *testing.T, w isolatedWork, busy string) (times []time.Duration) {
	t.Helper()
	if i.used[busy] == nil {
		i.used[busy] = make(map[string]*used)
	}
	if i.used[busy][w.service] == nil {
		i.used[busy][w.service] = &used{}
	}
	u, before := i.used[busy][w.service], processCPU(i.s.cmd.Process.Pid)
	defer func() {
		u.cpu += processCPU(i.s.cmd.Process.Pid) - before
		u.asks += *isolationAsks
	}()
	for range *isolationAsks {
		began := time.Now()
		status, body := w.ask(t, i.s)
		require.Equal(t, http.StatusOK, status, body)
		times = append(times, time.Since(began))
	}
	return times
}

// round measures every service alone, and then beside each of the others.
func (i *isolation) round(t *testing.T) {
	t.Helper()
	for _, busy := range i.works {
		if *isolationBusy != "" && busy.service != *isolationBusy {
			continue
		}
		<-time.After(rest)
		for _, w := range i.works {
			i.alone[w.service] = append(i.alone[w.service], i.measure(t, w, "")...)
		}
		var stop atomic.Bool
		var callers sync.WaitGroup
		var finished atomic.Int64
		for range saturating {
			callers.Go(func() {
				for !stop.Load() {
					if status, body := busy.ask(t, i.s); status != http.StatusOK {
						t.Errorf("%s: %d %s", busy.service, status, body)
						return
					}
					finished.Add(1)
				}
			})
		}
		began := time.Now()
		<-time.After(saturated)
		for _, w := range i.works {
			if w.service == busy.service {
				continue
			}
			if i.beside[busy.service] == nil {
				i.beside[busy.service] = make(map[string][]time.Duration)
			}
			i.beside[busy.service][w.service] = append(i.beside[busy.service][w.service], i.measure(t, w, busy.service)...)
		}
		stop.Store(true)
		callers.Wait()
		i.done[busy.service] = append(i.done[busy.service], float64(finished.Load())/time.Since(began).Seconds())
	}
}

// TestIsolation saturates each service in turn, and compares how long requests to the
// others take with what they take alone. It asserts no time.
func TestIsolation(t *testing.T) {
	if *isolationRounds == 0 {
		t.Skip("a measurement for a machine without other work; -isolation 5 runs it")
	}
	versions := []*isolation{{name: "this version", s: isolated(t, program)}}
	for _, binary := range strings.FieldsFunc(*rival, func(r rune) bool { return r == ',' }) {
		versions = append(versions, &isolation{name: binary, s: isolated(t, binary)})
	}
	for _, v := range versions {
		v.works = isolatedWorks(t, speechModel())
		v.alone, v.beside, v.done = make(map[string][]time.Duration), make(map[string]map[string][]time.Duration), make(map[string][]float64)
		v.used = make(map[string]map[string]*used)
		for _, w := range v.works {
			v.measure(t, w, "load") // loads the model
		}
	}
	for round := range *isolationRounds {
		for turn := range versions {
			versions[(round+turn)%len(versions)].round(t)
		}
	}
	load, _ := os.ReadFile("/proc/loadavg") // only to be read beside the figures
	t.Logf("load of the machine at the end: %s", strings.TrimSpace(string(load)))
	for _, v := range versions {
		v.report(t)
		v.reportCPU(t)
	}
}

// speechModel returns the name of the model that isolated has linked; empty for none.
func speechModel() string {
	if os.Getenv("SPEECH_MODEL") == "" {
		return ""
	}
	return "isolated"
}

// isolated starts a version, with the other model of speech if there is one.
func isolated(t *testing.T, binary string) *server {
	t.Helper()
	data := t.TempDir()
	if folder := os.Getenv("SPEECH_MODEL"); folder != "" {
		require.NoError(t, os.MkdirAll(data+"/models", 0o755))
		require.NoError(t, os.Symlink(folder, data+"/models/"+speechModel()))
	}
	return startBinary(t, binary, data, "")
}

// report logs the table of a version.
func (i *isolation) report(t *testing.T) {
	t.Helper()
	var head, rule strings.Builder
	for _, w := range i.works {
		fmt.Fprintf(&head, " %s |", w.service)
		rule.WriteString("---|")
	}
	t.Logf("%s: time beside a saturated service by time alone (quantile %g)", i.name, *isolationAt)
	t.Logf("| saturated |%s its tasks a second |", head.String())
	t.Logf("|---|%s---|", rule.String())
	for _, busy := range i.works {
		if i.beside[busy.service] == nil {
			continue
		}
		var row strings.Builder
		for _, w := range i.works {
			if w.service == busy.service {
				row.WriteString(" |")
				continue
			}
			ratio := quantile(i.beside[busy.service][w.service]).Seconds() / quantile(i.alone[w.service]).Seconds()
			fmt.Fprintf(&row, " %.2f |", ratio)
		}
		t.Logf("| %s |%s %.2f |", busy.service, row.String(), middle(i.done[busy.service]))
	}
	var row strings.Builder
	for _, w := range i.works {
		fmt.Fprintf(&row, " %.1f ms |", 1000*quantile(i.alone[w.service]).Seconds())
	}
	t.Logf("| none: time alone |%s |", row.String())
}

// reportCPU logs how much CPU time the process used during a request beside a saturated
// service, divided by that alone. Other work on the machine hardly changes it. If the
// saturated service keeps every core busy, the time of the request is that CPU time by the
// number of cores, once nothing else runs on the machine.
func (i *isolation) reportCPU(t *testing.T) {
	t.Helper()
	t.Logf("%s: CPU time of the process during a request, by that alone", i.name)
	for _, busy := range append([]isolatedWork{{service: ""}}, i.works...) {
		if i.used[busy.service] == nil {
			continue
		}
		row := busy.service
		for _, w := range i.works {
			u := i.used[busy.service][w.service]
			switch {
			case u == nil:
				row += " |"
			case busy.service == "":
				row += fmt.Sprintf(" | %.1f ms", 1000*u.each().Seconds())
			default:
				row += fmt.Sprintf(" | %.2f", u.each().Seconds()/max(i.used[""][w.service].each().Seconds(), 0.001))
			}
		}
		t.Logf("| %s |", row)
	}
}

// quantile returns the quantile of times that is compared.
func quantile(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[min(int(*isolationAt*float64(len(list))), len(list)-1)]
}

// middle returns the median.
func middle[T time.Duration | float64](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
