package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tenant is a client with an API key of its own.
type tenant struct {
	t   *testing.T
	url string
	key string
}

// tenants starts a server that requires keys, and returns a client for each scope.
func tenants(t *testing.T, scopes ...string) (all []tenant) {
	t.Helper()
	dir := t.TempDir()
	for _, scope := range scopes {
		out, err := exec.CommandContext(t.Context(), program, "keys", "create", "--scopes", scope, "--data-dir", dir).CombinedOutput()
		require.NoError(t, err, string(out))
		all = append(all, tenant{t: t, key: strings.TrimSpace(string(out))})
	}
	s := start(t, "--listen", "0.0.0.0:0", "--data-dir", dir)
	for i := range all {
		all[i].url = "http://localhost" + s.url[strings.LastIndex(s.url, ":"):]
	}
	return all
}

// call sends a request with header fields in pairs.
func (c tenant) call(method, path, body string, headers ...string) (int, string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	require.NoError(c.t, err)
	request.Header.Set("Authorization", "Bearer "+c.key)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return do(c.t, request)
}

// store stores a recording and returns the status and its id.
func (c tenant) store(audio []byte) (status int, id string) {
	c.t.Helper()
	status, body := c.call("POST", "/v1/audio", string(audio), "Content-Type", "audio/wav")
	var stored struct{ ID string }
	require.NoError(c.t, json.Unmarshal([]byte(body), &stored), body)
	return status, stored.ID
}

// generate makes a sound, which is the same for everyone, and returns the job and the sound.
func (c tenant) generate() (job, sound string) {
	c.t.Helper()
	status, body := c.call("POST", "/v1/jobs", `{"task":"generate","params":{"prompt":"a bell","seed":1,"audio_length_in_s":0.29,`+
		`"num_inference_steps":2}}`, "Content-Type", "application/json", "Prefer", "wait=60")
	require.Equal(c.t, http.StatusOK, status, body)
	var made struct {
		ID    string
		Sound struct {
			AudioID string `json:"audio_id"`
		}
	}
	require.NoError(c.t, json.Unmarshal([]byte(body), &made))
	require.NotEmpty(c.t, made.Sound.AudioID, body)
	return made.ID, made.Sound.AudioID
}

// listed returns the ids of the recordings that a client sees in the list.
func (c tenant) listed() (ids []string) {
	c.t.Helper()
	status, body := c.call("GET", "/v1/audio", "")
	require.Equal(c.t, http.StatusOK, status, body)
	var page struct {
		Data []struct{ ID string }
	}
	require.NoError(c.t, json.Unmarshal([]byte(body), &page))
	for _, one := range page.Data {
		ids = append(ids, one.ID)
	}
	return ids
}

// uses are the requests that name a recording.
func (c tenant) uses(id string) (answers []string) {
	c.t.Helper()
	form := "multipart/form-data; boundary=b"
	part := "--b\r\nContent-Disposition: form-data; name=\"audio_id\"\r\n\r\n" + id + "\r\n--b--\r\n"
	for _, r := range [][4]string{
		{"GET", "/v1/audio/" + id}, {"HEAD", "/v1/audio/" + id}, {"DELETE", "/v1/audio/" + id},
		{"POST", "/v1/jobs", `{"task":"transcribe","audio_id":"` + id + `"}`, "application/json"},
		{"POST", "/v1/contexts", part, form}, {"POST", "/v1/audio/captions", part, form},
		{"POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"text","text":"What?"},` +
			`{"type":"input_audio","input_audio":{"audio_id":"` + id + `"}}]}]}`, "application/json"},
	} {
		status, body := c.call(r[0], r[1], r[2], "Content-Type", r[3], "X-Request-Id", "same", "If-None-Match", `"`+id+`"`)
		require.GreaterOrEqual(c.t, status, 400, "%s %s: %s", r[0], r[1], body)
		answers = append(answers, r[0]+" "+http.StatusText(status)+" "+strings.ReplaceAll(body, id, "ID"))
	}
	return answers
}

// playSharedRecordings has two keys that store the same clips and make the same sounds.
// Each deletes all that it has; the other loses nothing and learns nothing.
func playSharedRecordings(t *testing.T) {
	t.Helper()
	all := tenants(t, "use", "use", "admin")
	a, b, admin := all[0], all[1], all[2]
	speech := clip(t, "clip09.wav")
	status, id := a.store(speech)
	require.Equal(t, http.StatusCreated, status)
	job, sound := a.generate()
	unknown := b.uses(strings.Repeat("0", 64))
	require.Equal(t, unknown, b.uses(id), "a clip of another is like one that does not exist")
	require.Equal(t, unknown, b.uses(sound), "a sound of another is like one that does not exist")
	require.Empty(t, b.listed())

	status, same := b.store(speech)
	require.Equal(t, id, same)
	require.Equal(t, http.StatusCreated, status, "the first copy of this owner")
	status, _ = b.store(speech)
	require.Equal(t, http.StatusOK, status)
	otherJob, otherSound := b.generate()
	require.Equal(t, sound, otherSound)
	require.ElementsMatch(t, []string{id, sound}, b.listed())

	both := []string{id, sound}
	for _, one := range both {
		status, body := b.call("DELETE", "/v1/audio/"+one, "")
		require.Equal(t, http.StatusNoContent, status, body)
		require.Equal(t, unknown, b.uses(one))
	}
	require.Empty(t, b.listed())
	status, _ = b.call("GET", "/v1/jobs/"+otherJob+"/result", "")
	require.Equal(t, http.StatusOK, status, "the job has its sound as long as it is stored")
	require.ElementsMatch(t, both, a.listed())
	for _, path := range []string{"/v1/audio/" + sound, "/v1/jobs/" + job + "/result"} {
		status, body := a.call("GET", path, "")
		require.Equal(t, http.StatusOK, status, path)
		require.True(t, strings.HasPrefix(body, "RIFF"), path)
	}
	status, body := a.call("GET", "/v1/audio/"+id, "")
	require.Equal(t, http.StatusOK, status)
	require.True(t, string(speech) == body)

	// What an owner's conversation needs concerns only that owner.
	status, body = a.call("POST", "/v1/contexts", "--b\r\nContent-Disposition: form-data; name=\"audio_id\"\r\n\r\n"+sound+"\r\n--b--\r\n",
		"Content-Type", "multipart/form-data; boundary=b")
	require.Equal(t, http.StatusCreated, status, body)
	status, body = a.call("DELETE", "/v1/audio/"+sound, "")
	require.Equal(t, http.StatusConflict, status, body)
	require.Equal(t, unknown, b.uses(sound))

	status, body = a.call("DELETE", "/v1/audio/"+id, "")
	require.Equal(t, http.StatusNoContent, status, body)
	status, _ = admin.call("GET", "/v1/audio/"+id, "")
	require.Equal(t, http.StatusNotFound, status, "nobody has it any more")
	status, _ = admin.call("GET", "/v1/audio/"+sound, "")
	require.Equal(t, http.StatusOK, status, "an admin sees all")
	require.Equal(t, []string{sound}, admin.listed())
}
