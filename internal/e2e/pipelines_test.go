package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ranJob is a run of a pipeline as the tests read it.
type ranJob struct {
	shownJob
	Result json.RawMessage
	Steps  []struct {
		ID, Status, Error string
		Progress          float64
		Done, Total       int
	}
}

// statuses returns the statuses of the steps.
func (j ranJob) statuses() map[string]string {
	all := make(map[string]string)
	for _, one := range j.Steps {
		all[one.ID] = one.Status
	}
	return all
}

// runPipeline submits a run, with a recording if there is one, and waits for its end.
func (s *server) runPipeline(t *testing.T, name, request string, audio []byte) (job ranJob) {
	t.Helper()
	path, answer := "/v1/pipelines/"+name+"/runs", ""
	status := 0
	if audio == nil {
		status, answer = s.sendJSON(t, http.MethodPost, path, request)
	} else {
		stored := s.store(t, audio)
		request = strings.TrimSuffix(request, "}") + `,"audio_id":"` + stored + `"}`
		status, answer = s.sendJSON(t, http.MethodPost, path, strings.Replace(request, "{,", "{", 1))
	}
	require.Equal(t, http.StatusAccepted, status, answer)
	require.NoError(t, json.Unmarshal([]byte(answer), &job))
	return s.endOf(t, job.ID)
}

// store stores a recording.
func (s *server) store(t *testing.T, audio []byte) string {
	t.Helper()
	status, answer := s.sendForm(t, "/v1/audio", audio)
	require.Contains(t, []int{http.StatusOK, http.StatusCreated}, status, answer)
	var stored struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(answer), &stored))
	return stored.ID
}

// endOf follows a run to its end and returns it with its result.
func (s *server) endOf(t *testing.T, id string) (job ranJob) {
	t.Helper()
	s.follow(t, id)
	status, answer := s.get(t, "/v1/jobs/"+id)
	require.Equal(t, http.StatusOK, status, answer)
	require.NoError(t, json.Unmarshal([]byte(answer), &job))
	if job.Status == "succeeded" {
		_, answer = s.get(t, "/v1/jobs/"+id+"/result")
		job.Result = json.RawMessage(answer)
	}
	return job
}

// TestShippedPipelines runs what comes with the server.
func TestShippedPipelines(t *testing.T) {
	t.Parallel()
	s := start(t)
	speech := clip(t, "clip09.wav")
	job := s.runPipeline(t, "clean-and-transcribe", `{}`, speech)
	require.Equal(t, "succeeded", job.Status, "%+v", job.Error)
	var cleaned struct {
		Text    string
		AudioID string `json:"audio_id"`
		Words   []struct{ Word string }
		Before  struct {
			Integrated float64 `json:"integrated_lufs"`
		}
	}
	require.NoError(t, json.Unmarshal(job.Result, &cleaned))
	require.Equal(t, "MUTE TRACK ONE", cleaned.Text)
	require.Len(t, cleaned.Words, 3)
	status, _ := s.get(t, "/v1/audio/"+cleaned.AudioID)
	require.Equal(t, http.StatusOK, status, "the cleaned recording is stored")

	job = s.runPipeline(t, "transcribe-and-index", `{"input":{"window_seconds":1}}`, speech)
	require.Equal(t, "succeeded", job.Status, "%+v", job.Error)
	var indexed struct {
		Text  string
		Index []struct {
			Start, End float64
			Text       string
		}
	}
	require.NoError(t, json.Unmarshal(job.Result, &indexed))
	require.Equal(t, "MUTE TRACK ONE", indexed.Text)
	require.NotEmpty(t, indexed.Index)
	var said []string
	for _, entry := range indexed.Index {
		said = append(said, entry.Text)
	}
	require.Equal(t, indexed.Text, strings.Join(said, " "))

}

// TestShippedPipelinesOfSounds runs those that describe and make sounds.
func TestShippedPipelinesOfSounds(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.runPipeline(t, "describe-long-recording", `{"input":{"window_seconds":1}}`, wav(16000, 1, 40000))
	require.Equal(t, "succeeded", job.Status, "%+v", job.Error)
	var described struct {
		Segments []struct {
			Start, End float64
			Text       string
		}
	}
	require.NoError(t, json.Unmarshal(job.Result, &described))
	require.Len(t, described.Segments, 3)
	require.InDelta(t, 2.5, described.Segments[2].End, 1e-9)

	job = s.runPipeline(t, "generate-and-verify", `{"input":{"prompt":"a rising siren","candidates":3,"seconds":0.5}}`, nil)
	require.Equal(t, "succeeded", job.Status, "%+v", job.Error)
	require.Equal(t, map[string]string{"make": "succeeded", "judge": "succeeded"}, job.statuses())
	var made struct {
		AudioID    string `json:"audio_id"`
		Score      float64
		Candidates []struct {
			AudioID string `json:"audio_id"`
			Score   float64
		}
	}
	require.NoError(t, json.Unmarshal(job.Result, &made))
	require.Len(t, made.Candidates, 3)
	for _, one := range made.Candidates {
		require.LessOrEqual(t, one.Score, made.Score)
	}
	status, _ := s.get(t, "/v1/audio/"+made.AudioID)
	require.Equal(t, http.StatusOK, status)
}

// TestAShippedPipelineIsReadyOrSaysWhatItLacks compares the list with what the server does.
func TestAShippedPipelineIsReadyOrSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	s := start(t)
	var list struct {
		Data []struct {
			Name, Audio string
			Ready       bool
			Lacks       []struct{ Step, Problem string }
		}
	}
	_, answer := s.get(t, "/v1/pipelines")
	require.NoError(t, json.Unmarshal([]byte(answer), &list))
	require.Len(t, list.Data, 5)
	for _, one := range list.Data {
		require.Equal(t, one.Ready, len(one.Lacks) == 0, one.Name)
		if one.Ready {
			continue
		}
		require.NotEmpty(t, one.Lacks[0].Step)
		status, answer := s.sendJSON(t, http.MethodPost, "/v1/pipelines/"+one.Name+"/runs",
			`{"audio_id":"`+s.store(t, clip(t, "clip09.wav"))+`"}`)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, answer, "steps."+one.Lacks[0].Step)
	}
}

// slow has two branches that take long.
const slow = `{"steps":[
	{"id":"a","task":"generate","params":{"prompt":"rain","audio_length_in_s":20,"num_inference_steps":400}},
	{"id":"b","task":"generate","foreach":"${range(4)}","params":{"prompt":"rain","audio_length_in_s":20,"num_inference_steps":400}}]}`

// asJob submits a run of a definition as a job.
func (s *server) asJob(t *testing.T, definition, input string) ranJob {
	t.Helper()
	var job ranJob
	answer := s.expectJSON(t, http.StatusAccepted, http.MethodPost, "/v1/jobs",
		fmt.Sprintf(`{"service":"pipelines","params":{"definition":%s,"input":%s}}`, definition, input))
	require.NoError(t, json.Unmarshal([]byte(answer), &job))
	return job
}

// underWay returns the number of tasks under way.
func (s *server) underWay(t *testing.T) int {
	t.Helper()
	var list struct{ Data []json.RawMessage }
	_, answer := s.get(t, "/v1/tasks")
	require.NoError(t, json.Unmarshal([]byte(answer), &list), answer)
	return len(list.Data)
}

// TestACancelledRunFreesEverything cancels a run with running and waiting steps.
func TestACancelledRunFreesEverything(t *testing.T) {
	t.Parallel()
	s := start(t)
	job := s.asJob(t, slow, `{}`)
	require.Eventually(t, func() bool {
		_, metrics := s.get(t, "/metrics")
		return strings.Contains(metrics, "grym_inference_running 1") && s.underWay(t) > 2
	}, 30*time.Second, 5*time.Millisecond)
	began := time.Now()
	status, answer := s.cancel(t, job.ID)
	require.Equal(t, http.StatusOK, status, answer)
	require.Eventually(t, func() bool {
		_, metrics := s.get(t, "/metrics")
		return strings.Contains(metrics, "grym_inference_running 0") && s.underWay(t) == 0
	}, 30*time.Second, time.Millisecond)
	t.Logf("everything was free %s after the request to cancel", time.Since(began).Round(time.Millisecond))
	job = s.endOf(t, job.ID)
	require.Equal(t, "cancelled", job.Status)
}

// TestRunsShareABudgetThatFitsOne runs 100 pipelines at once where one analysis fits at
// a time.
func TestRunsShareABudgetThatFitsOne(t *testing.T) {
	t.Parallel()
	s := startWith(t, options{settings: `
systemHardening: {resourceManagement: {maxMemory: 24MiB, dynamic: "off"}}
services: {wav2vec2: {runs: 4}, audioProcessor: {runs: 4}}
`})
	const definition = `{"audio":"required","steps":[
		{"id":"look","task":"analyze","audio":"${input.audio}","params":{"features":["levels"]}},
		{"id":"parts","task":"transcribe","foreach":"${windows(steps.look.result.source.duration, 0.6)}",
		 "audio":{"audio_id":"${input.audio}","start":"${item.start}","end":"${item.end}"}},
		{"id":"words","task":"transcribe","audio":"${input.audio}"}],
		"output":{"text":"${steps.words.result.text}","parts":"${size(steps.parts.result)}"}}`
	audio := s.store(t, clip(t, "clip09.wav"))
	began := time.Now()
	jobs := make([]ranJob, 100)
	for i := range jobs {
		answer := s.expectJSON(t, http.StatusAccepted, http.MethodPost, "/v1/jobs",
			fmt.Sprintf(`{"service":"pipelines","audio_id":%q,"params":{"definition":%s}}`, audio, definition))
		require.NoError(t, json.Unmarshal([]byte(answer), &jobs[i]))
	}
	most := s.mostLeases(t)
	var group sync.WaitGroup
	for i := range jobs {
		group.Go(func() { jobs[i] = s.endOf(t, jobs[i].ID) })
	}
	group.Wait()
	for _, job := range jobs {
		require.Equal(t, "succeeded", job.Status, "%+v", job.Error)
		require.JSONEq(t, `{"text":"MUTE TRACK ONE","parts":2}`, string(job.Result))
	}
	t.Logf("100 runs of 6 tasks ended after %s; up to %d tasks had a lease at once", time.Since(began).Round(time.Millisecond), most())
}

// mostLeases counts until the returned function is called, which returns how many tasks had a
// lease at once.
func (s *server) mostLeases(t *testing.T) (end func() int) {
	t.Helper()
	done, most := make(chan struct{}), 0
	var group sync.WaitGroup
	group.Go(func() {
		for {
			var list struct {
				Data []struct{ Lease struct{ Bytes int64 } }
			}
			_, answer := s.get(t, "/v1/tasks")
			_ = json.Unmarshal([]byte(answer), &list)
			n := 0
			for _, one := range list.Data {
				if one.Lease.Bytes > 0 {
					n++
				}
			}
			most = max(most, n)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() int { close(done); group.Wait(); return most }
}

// TestARunIsRetriedFromAStep retries a failed run, first as it is and then from a step that
// had succeeded.
func TestARunIsRetriedFromAStep(t *testing.T) {
	t.Parallel()
	s := start(t)
	const definition = `{"steps":[
		{"id":"make","task":"generate","params":{"prompt":"rain","audio_length_in_s":0.5,"num_inference_steps":1,"seed":1}},
		{"id":"cut","task":"edit","audio":"${steps.make.audio}","params":{"operations":[{"op":"trim","start":5}]}}]}`
	job := s.endOf(t, s.asJob(t, definition, `{}`).ID)
	require.Equal(t, "failed", job.Status)
	require.Contains(t, job.Error.Message, "step cut: ")
	require.Equal(t, map[string]string{"make": "succeeded", "cut": "failed"}, job.statuses())
	require.Len(t, job.AttemptLog, 1, "the job does not repeat a step that is invalid")
	made := func() string {
		var list struct {
			Data []struct{ Step, Ended string }
		}
		_, answer := s.get(t, "/v1/jobs/"+job.ID+"/steps")
		require.NoError(t, json.Unmarshal([]byte(answer), &list))
		require.Len(t, list.Data, 2)
		require.Equal(t, "make", list.Data[0].Step)
		return list.Data[0].Ended
	}
	first := made()
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/jobs/"+job.ID+"/retry", "")
	require.Equal(t, "failed", s.endOf(t, job.ID).Status)
	require.Equal(t, first, made(), "it did not run again")
	s.expectJSON(t, http.StatusBadRequest, http.MethodPost, "/v1/jobs/"+job.ID+"/retry?from_step=none", "")
	s.expectJSON(t, http.StatusOK, http.MethodPost, "/v1/jobs/"+job.ID+"/retry?from_step=make", "")
	require.Equal(t, "failed", s.endOf(t, job.ID).Status)
	require.NotEqual(t, first, made(), "it did")
}
