package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// askAs transcribes a recording with an API key, and header fields in pairs.
func (s *server) askAs(t *testing.T, key string, audio []byte, header ...string) (int, string) {
	t.Helper()
	body, contentType := form(t, audio, "response_format", "text")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/audio/transcriptions", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return do(t, request)
}

// checkTasks checks the fields of three tasks, one of which is a job's, and returns the id
// of that one.
func checkTasks(t *testing.T, all []shownTask, job string, began time.Time) (jobTask string) {
	t.Helper()
	ids := make(map[string]bool)
	for _, task := range all {
		require.Regexp(t, `^task-[a-z2-7]{26}$`, task.ID)
		ids[task.ID] = true
		require.Equal(t, "wav2vec2 wav2vec2-tiny transcribe", strings.Join([]string{task.Service, task.Model, task.Task}, " "))
		require.True(t, task.Since.After(began), task.Since)
		require.NotEmpty(t, task.Caller)
		if task.JobID != "" {
			require.Equal(t, job, task.JobID)
			jobTask = task.ID
		} else {
			require.Equal(t, "same", task.RequestID)
		}
	}
	require.Len(t, ids, 3)
	return jobTask
}

// playTasks has two keys with tasks of the same request id, and a job;
// each key sees and cancels only its own, an administrator all.
func playTasks(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	ann, bob, admin := createKey(t, dir, "use"), createKey(t, dir, "use"), createKey(t, dir, "admin")
	s := startWith(t, options{dataDir: dir, settings: "auth: {mode: keys}\nservices: {wav2vec2: {runs: 1}}\n"})
	long := longSpeech(t, 600)
	began := time.Now().Add(-time.Second)
	anns := inBackground(t, func() (int, string) { return s.askAs(t, ann, long, "X-Request-Id", "same", "Grym-Priority", "high") })
	s.awaitTasks(t, admin, "running")
	bobs := inBackground(t, func() (int, string) { return s.askAs(t, bob, long, "X-Request-Id", "same") })
	s.awaitTasks(t, bob, "running") // they take turns at the run slot
	status, body := s.asKey(t, ann, http.MethodGet, "/v1/tasks")
	require.Equal(t, http.StatusOK, status, body)

	job := s.submit(t, `{"service":"wav2vec2"}`, long, "Authorization", "Bearer "+bob).ID
	all := s.awaitTasks(t, admin, "running", "running", "running")
	jobTask := checkTasks(t, all, job, began)
	mine := s.tasks(t, ann)
	require.Len(t, mine, 1)
	require.Equal(t, "running high", mine[0].State+" "+mine[0].Priority)
	require.Positive(t, mine[0].Lease.Bytes)
	require.NotNil(t, mine[0].Started)
	require.Eventually(t, func() bool { return s.tasks(t, ann)[0].Progress > 0 }, time.Minute, 5*time.Millisecond)
	theirs := s.tasks(t, bob)
	require.Len(t, theirs, 2)

	status, body = s.asKey(t, bob, http.MethodDelete, "/v1/tasks/"+mine[0].ID)
	require.Equal(t, http.StatusNotFound, status, "another's: %s", body)
	status, body = s.asKey(t, admin, http.MethodDelete, "/v1/tasks/"+jobTask)
	require.Equal(t, http.StatusOK, status, body)
	require.Eventually(t, func() bool {
		_, body = s.asKey(t, bob, http.MethodGet, "/v1/jobs/"+job)
		return strings.Contains(body, `"status":"cancelled"`)
	}, time.Minute, 5*time.Millisecond, "cancelled as a job: %s", body)

	status, body = s.asKey(t, admin, http.MethodDelete, "/v1/tasks/"+mine[0].ID)
	require.Equal(t, http.StatusOK, status, body)
	answer := <-anns
	require.Equal(t, 499, answer.status, answer.body)
	require.Contains(t, answer.body, "the task was cancelled by an operator")
	s.awaitTasks(t, bob, "running")
	for _, task := range s.tasks(t, bob) {
		status, body = s.asKey(t, bob, http.MethodDelete, "/v1/tasks/"+task.ID)
		require.Equal(t, http.StatusOK, status, body)
	}
	answer = <-bobs
	require.Equal(t, 499, answer.status, answer.body)
	require.Contains(t, answer.body, "the task was cancelled by its caller")
	s.awaitTasks(t, admin)
	status, body = s.asKey(t, bob, http.MethodDelete, "/v1/tasks/"+theirs[0].ID)
	require.Equal(t, http.StatusNotFound, status, "it has ended: %s", body)
	_, body = s.asKey(t, admin, http.MethodGet, "/v1/services/wav2vec2")
	require.Contains(t, body, `"breaker":"closed"`, "a cancelled task is no failure of the service")
}
