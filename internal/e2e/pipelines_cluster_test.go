package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// go test ./internal/e2e -run RunsSurviveInACluster -clusterruns 100 -clusterkills 10 -v.
var (
	clusterRuns  = flag.Int("clusterruns", 12, "runs of pipelines in a cluster")
	clusterKills = flag.Int("clusterkills", 2, "times that one of the processes is killed")
)

// sixStepsOfSound has two branches, one of them with eight items, that meet.
const sixStepsOfSound = `{"audio":"required","input":{"properties":{"n":{"type":"integer"}}},"steps":[
	{"id":"start","task":"analyze","audio":"${input.audio}","params":{"features":["levels"]}},
	{"id":"left","task":"edit","audio":"${input.audio}","after":["start"],"params":{"operations":[{"op":"gain","gain_db":"${input.n % 5}"}]}},
	{"id":"items","task":"analyze","foreach":"${range(8)}","parallel":4,"after":["start"],"audio":"${input.audio}",
	 "params":{"features":["silence"],"silence_dbfs":"${-60 + item}"}},
	{"id":"right","task":"analyze","audio":"${steps.left.audio}","params":{"features":["levels"]}},
	{"id":"words","task":"transcribe","audio":"${steps.left.audio}"},
	{"id":"end","task":"analyze","after":["items","right","words"],"audio":"${steps.left.audio}","params":{"features":["levels"]}}],
	"output":{"n":"${size(steps.items.result)}","text":"${steps.words.result.text}",
	 "gained":"${steps.end.result.levels.rms_dbfs - steps.start.result.levels.rms_dbfs}"}}`

// ended are the times at which a step ended, by its key, as a log has them.
type endedSteps map[string][]time.Time

// read adds the successes of steps that a log has.
func (e endedSteps) read(log string) {
	for line := range strings.Lines(log) {
		var entry struct {
			Time      time.Time
			Msg, Task string
			Outcome   string
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "task ended" && entry.Outcome == "success" &&
			strings.Count(entry.Task, "/") == 3 {
			key := entry.Task[:strings.LastIndexByte(entry.Task, '/')]
			e[key] = append(e[key], entry.Time)
		}
	}
}

// TestRunsSurviveInACluster has two processes run pipelines in a cluster of three nodes, and
// kills one of the processes again and again.
func TestRunsSurviveInACluster(t *testing.T) {
	t.Parallel()
	nodes := natsCluster(t)
	operator(t, nodes)
	shared := configured(t, `jobs: {url: "`+urls(nodes)+`", replicas: 3, claimTimeout: 3s, maxRedeliveries: 1000, retry: {maxDelay: 2s}}`)
	stays, dies := start(t, shared...), newPhoenix(t, shared...)
	audio := stays.store(t, clip(t, "clip09.wav"))
	began := time.Now()
	ids, ended := make([]string, *clusterRuns), make(endedSteps)
	for i := range ids {
		if i%max(1, len(ids)/(*clusterKills+1)) == 1 && i > 1 {
			dies.kill() // while it works on the runs before
			ended.read(dies.log.String())
			dies.rise(t)
		}
		var job ranJob
		answer := stays.expectJSON(t, http.StatusAccepted, http.MethodPost, "/v1/jobs",
			fmt.Sprintf(`{"service":"pipelines","audio_id":%q,"params":{"input":{"n":%d},"definition":%s}}`, audio, i, sixStepsOfSound))
		require.NoError(t, json.Unmarshal([]byte(answer), &job))
		ids[i] = job.ID
	}
	workers := make(map[string]int)
	for i, id := range ids {
		job := stays.endOf(t, id)
		require.Equal(t, "succeeded", job.Status, "%+v", job.Error)
		var output struct {
			N      int
			Text   string
			Gained float64
		}
		require.NoError(t, json.Unmarshal(job.Result, &output))
		require.Equal(t, 8, output.N)
		require.Equal(t, "MUTE TRACK ONE", output.Text)
		require.InDelta(t, float64(i%5), output.Gained, 0.01)
		successes := 0
		for _, attempt := range job.AttemptLog {
			if attempt.Outcome == "success" {
				successes++
			}
		}
		require.Equal(t, 1, successes)
		workers[fmt.Sprint(len(job.AttemptLog))]++
	}
	ended.read(dies.log.String())
	ended.read(stays.log.String())
	again := checkSteps(t, stays, ids, ended)
	t.Logf("%d runs, %d kills: %d of %d tasks ran again; runs by their attempts: %v; %s", len(ids), *clusterKills, again, len(ended), workers,
		time.Since(began).Round(time.Millisecond))
}

// checkSteps compares what ran with what is on record, and returns how many tasks ran again.
func checkSteps(t *testing.T, s *server, ids []string, ended endedSteps) (again int) {
	t.Helper()
	for _, id := range ids {
		var list struct {
			Data []struct {
				Step  string
				Index int
				Ended time.Time
			}
		}
		_, answer := s.get(t, "/v1/jobs/"+id+"/steps")
		require.NoError(t, json.Unmarshal([]byte(answer), &list), answer)
		require.Len(t, list.Data, 13)
		for _, one := range list.Data {
			key := fmt.Sprintf("%s/%s/%d", id, one.Step, one.Index)
			times := ended[key]
			require.NotEmpty(t, times, key)
			require.LessOrEqual(t, len(times), 1+*clusterKills, key)
			again += len(times) - 1
			for _, at := range times {
				require.False(t, at.After(one.Ended), "step %s is on record since %s and ended at %s", key, one.Ended, at)
			}
		}
	}
	return again
}
