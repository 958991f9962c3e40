package e2e

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grym-synth/grym-synth/services/modelstore/modeltest"
)

// hardeningFault is a fault that is played against the real binary over HTTP. Faults of one
// kind have the same number.
type hardeningFault struct {
	number int
	name   string
	play   func(t *testing.T)
}

// hardeningFaults returns every fault, with the intervals of the settings shortened.
func hardeningFaults() []hardeningFault {
	return append([]hardeningFault{
		{1, "a model whose users fail and whose canary succeeds", onCond(failing, playFailingUsers)},
		{1, "a model that one success in two keeps from opening its breaker", onCond(unmonitored, playHalfFailing)},
		{1, "a run that stalls without monitoring and recovery", onCond(stalling, playStalledRun)},
		{1, "a model that was unloaded beside a loaded one", onCond(checked, playUnloaded)},
		{2, "low priority under a steady load of high priority", playLowPriority},
		{3, "an operator's open breaker", onCond(failing+"jobs: {retry: {delay: 100ms, maxDelay: 1s}}\n", playOperatorsOpen)},
		{3, "a drained service", playDrainedService},
		{3, "a drained model", playDrainedModel},
		{3, "tasks that are listed and cancelled", playTasks},
		{4, "recordings that are longer than the limit", playLongRecordings},
		{5, "the time to try again when a queue is full", playFullQueue},
		{6, "a store that lost all records", playEmptiedStore},
		{6, "a store with damaged records", playDamagedStore},
		{7, "recordings that two keys share", playSharedRecordings},
		{8, "a flood of requests of one key", playFloodOfRequests},
		{8, "a flood of jobs of one key", playFloodOfJobs},
		{9, "a deadline, names and webhooks that are refused", playRefusals},
		{9, "an administrator in another's conversation", playConversationsOfKeys},
	}, faultsOfSystem()...)
}

// The settings of the faults: with everything, without health checks and recovery, with
// frequent health checks, and with a short time after which a run has stalled.
const (
	faultModel = "readiness: {required: [wav2vec2]}\nservices: {wav2vec2: {defaultModel: cond}}\n"
	failing    = faultModel + `
systemHardening: {healthMonitoring: {checkInterval: 2s}, errorRecovery: {delay: 100ms, maxDelay: 200ms, maxAttempts: 2}}
hardening: {health: {window: 6s, minCalls: 4, trials: 2}}
`
	unmonitored = faultModel + `
systemHardening: {healthMonitoring: {enabled: false}, errorRecovery: {enabled: false}}
hardening: {health: {window: 3s, minCalls: 4, trials: 2}}
`
	checked  = "readiness: {required: [wav2vec2]}\nsystemHardening: {healthMonitoring: {checkInterval: 1s}}\n"
	stalling = `
readiness: {required: [wav2vec2]}
systemHardening: {healthMonitoring: {enabled: false}, errorRecovery: {enabled: false}}
hardening: {stallTimeout: 100ms}
`
)

// onCond returns a fault that is played on a server with the model cond, which answers NaN
// for recordings of more than two seconds.
func onCond(settings string, fault func(p *play)) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		timelineOf(t).viewed.Store(true)
		dir := t.TempDir()
		modeltest.CopySpeech(t, dir, "cond", modeltest.FailsBeyond(t, 2*16000))
		s := startWith(t, options{dataDir: dir, settings: settings})
		fault(&play{t: t, s: s, short: clip(t, "clip09.wav"), long: wav(16000, 1, 3*16000), began: time.Now()})
	}
}

// TestHardeningFaults plays every fault, and prints for each what its clients and operators
// saw, and at the end a table of all: go test ./internal/e2e -run HardeningFaults -v. The
// faults of one number are played by -run HardeningFaults/7.
func TestHardeningFaults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var rows []string
	t.Cleanup(func() {
		slices.Sort(rows)
		t.Logf("%d faults were played:\n| fault | | requests | seconds | |\n|---|---|---|---|---|\n%s", len(rows), strings.Join(rows, "\n"))
	})
	for _, fault := range hardeningFaults() {
		t.Run(fmt.Sprintf("%d %s", fault.number, fault.name), func(t *testing.T) {
			t.Parallel()
			l := newTimeline(t)
			t.Cleanup(func() {
				result := "passed"
				if t.Skipped() {
					result = "skipped"
				} else if t.Failed() {
					result = "failed"
				}
				mu.Lock()
				defer mu.Unlock()
				rows = append(rows, fmt.Sprintf("| %d | %s | %d | %.1f | %s |", fault.number, fault.name, l.requests(),
					time.Since(l.began).Seconds(), result))
			})
			fault.play(t)
		})
	}
}
