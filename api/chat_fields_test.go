package api

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// sentChat is a body of a chat request with what it leads to. In the body $Q is a question
// with a sound, $T its text and $S its sound.
type sentChat struct {
	body string
	// params of the task, and the codes of the warnings.
	params, warnings string
	// refused is a part of the error; empty if the request is accepted.
	refused string
}

const (
	soundPart    = `{"type":"input_audio","input_audio":{"data":"c291bmQ=","format":"wav"}}`
	questionText = `{"role":"user","content":[{"type":"text","text":"What?"},` + soundPart + `]}`
)

// sentChats have the fields that clients send.
var sentChats = map[string]sentChat{
	"plain": {`{"messages":[$Q]}`, `{"question":"What?"}`, "", ""},
	"neutral values": {`{"model":"gama-tiny","messages":[$Q],"n":1,"logprobs":false,"top_logprobs":0,"presence_penalty":0,
		"frequency_penalty":0.0,"logit_bias":{},"tools":[],"tool_choice":"none","functions":[],"function_call":"auto",
		"parallel_tool_calls":true,"response_format":{"type":"text"},"stream":false,"stream_options":null,"store":false,"metadata":{},
		"modalities":["text"],"stop":[],"service_tier":"auto","top_p":1,"temperature":1}`,
		`{"question":"What?","top_p":1,"temperature":1}`, "", ""},
	"nulls": {`{"model":null,"messages":[$Q],"audio":null,"context_id":null,"frequency_penalty":null,"function_call":null,"functions":null,
		"logit_bias":null,"logprobs":null,"max_completion_tokens":null,"max_tokens":null,"metadata":null,"modalities":null,"n":null,
		"parallel_tool_calls":null,"prediction":null,"presence_penalty":null,"prompt_cache_key":null,"reasoning_effort":null,
		"response_format":null,"safety_identifier":null,"seed":null,"service_tier":null,"stop":null,"store":null,"stream":null,
		"stream_options":null,"strict":null,"temperature":null,"tool_choice":null,"tools":null,"top_k":null,"top_logprobs":null,
		"top_p":null,"truncation":null,"user":null,"verbosity":null,"web_search_options":null}`, `{"question":"What?"}`, "", ""},
	"without effect": {`{"messages":[$Q],"presence_penalty":0.5,"metadata":{"a":"b"},"store":true,"user":"me","reasoning_effort":"low"}`,
		`{"question":"What?"}`, "value_ignored", ""},
	"unknown fields": {`{"messages":[$Q],"chat_id":"1","keep_alive":"5m"}`, `{"question":"What?"}`, "unknown_field", ""},
	"unknown fields inside": {`{"messages":[{"role":"user","id":7,"content":[{"type":"text","text":"What?","x":1},$S]}]}`,
		`{"question":"What?"}`, "unknown_field", ""},
	"names": {`{"messages":[{"role":"user","name":"me","content":[{"type":"text","text":"What?"},$S]}]}`,
		`{"question":"What?"}`, "", ""},
	"likeliest": {`{"messages":[$Q],"top_p":0}`, `{"question":"What?","temperature":0}`, "", ""},
	"stops":     {`{"messages":[$Q],"stop":["a","b"],"seed":5}`, `{"question":"What?","stop":["a","b"],"seed":5}`, "", ""},
	"no stop":   {`{"messages":[$Q],"stop":""}`, `{"question":"What?"}`, "", ""},
	"usage":     {`{"messages":[$Q],"stream_options":{"include_usage":false}}`, `{"question":"What?"}`, "", ""},
	"a seed":    {`{"messages":[$Q],"seed":-1}`, `{"question":"What?","seed":18446744073709551615}`, "", ""},
	"system":    {`{"messages":[{"role":"system","content":"Be brief."},$Q]}`, `{"question":"What?","system":"Be brief."}`, "", ""},
	"developer": {`{"messages":[{"role":"developer","content":[{"type":"text","text":"Be."}]},$Q]}`,
		`{"question":"What?","system":"Be."}`, "", ""},
	"two systems": {`{"messages":[{"role":"system","content":"A"},$Q,{"role":"developer","content":"B"}]}`,
		`{"question":"What?","system":"A\nB"}`, "", ""},
	"an answer as clients send it back": {`{"messages":[$Q,{"role":"assistant","content":"A bell.","refusal":null,"audio":null,
		"tool_calls":null,"function_call":null,"annotations":[]},{"role":"user","content":"And?"}]}`,
		`{"question":"And?","history":[{"question":"What?","answer":"A bell."}]}`, "", ""},
	"an answer in parts": {`{"messages":[$Q,{"role":"assistant","content":[{"type":"text","text":"A bell."}],"tool_calls":[]},
		{"role":"user","content":"And?"}]}`, `{"question":"And?","history":[{"question":"What?","answer":"A bell."}]}`, "", ""},
	"an answer of null": {`{"messages":[$Q,{"role":"assistant","content":null,"refusal":"No."},{"role":"user","content":"And?"}]}`,
		`{"question":"And?","history":[{"question":"What?","answer":"No."}]}`, "", ""},
	"an answer without content": {`{"messages":[$Q,{"role":"assistant","audio":{"id":"audio_1"}},{"role":"user","content":"And?"}]}`,
		`{"question":"And?","history":[{"question":"What?","answer":""}]}`, "", ""},
	"a refusal in parts": {`{"messages":[$Q,{"role":"assistant","content":[{"type":"refusal","refusal":"No."}]},
		{"role":"user","content":"And?"}]}`,
		`{"question":"And?","history":[{"question":"What?","answer":"No."}]}`, "", ""},
	"messages of one role": {`{"messages":[{"role":"user","content":[$S]},{"role":"user","content":"What?"},
		{"role":"user","content":"Now."}]}`,
		`{"question":"What?\nNow."}`, "", ""},
	"data URI": {`{"messages":[{"role":"user","content":[$T,
		{"type":"input_audio","input_audio":{"data":"data:audio/wav;base64,c291bmQ="}}]}]}`,
		`{"question":"What?"}`, "", ""},
	"audio_url": {`{"messages":[{"role":"user","content":[$T,{"type":"audio_url","audio_url":{"url":"data:audio/wav;base64,c291bmQ="}}]}]}`,
		`{"question":"What?"}`, "", ""},
	"stored": {`{"messages":[{"role":"user","content":[$T,{"type":"input_audio","input_audio":{"audio_id":"aud_1","data":null}}]}]}`,
		`{"question":"What?"}`, "", ""},
	"unpadded": {`{"messages":[{"role":"user","content":[$T,{"type":"input_audio","input_audio":{"data":"c291bmQ"}}]}]}`,
		`{"question":"What?"}`, "", ""},
	"two sounds": {`{"messages":[{"role":"user","content":[{"type":"text","text":"What?"},$S,$S]}]}`, "", "", "is a second recording"},
	"tools":      {`{"messages":[$Q],"tools":[{"type":"function"}]}`, "", "", "tools is not supported"},
	"a choice":   {`{"messages":[$Q],"tool_choice":"required"}`, "", "", "tool_choice is not supported"},
	"JSON":       {`{"messages":[$Q],"response_format":{"type":"json_object"}}`, "", "", "response_format must be of type text"},
	"scores":     {`{"messages":[$Q],"logprobs":true}`, "", "", "logprobs is not supported"},
	"two":        {`{"messages":[$Q],"n":2}`, "", "", "n must be at most 1"},
	"voice":      {`{"messages":[$Q],"audio":{"voice":"x"}}`, "", "", "audio is not supported"},
	"calls": {`{"messages":[$Q,{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},{"role":"user","content":"And?"}]}`, "", "",
		"messages[1].tool_calls is not supported"},
	"a tool": {`{"messages":[$Q,{"role":"tool","content":"x"}]}`, "", "", "must be one of system, developer, user, assistant"},
	"a file": {`{"messages":[{"role":"user","content":[$T,{"type":"audio_url","audio_url":{"url":"file:///etc/passwd"}}]}]}`,
		"", "", "audio_url.url must be a data URI"},
	"a hollow URI": {`{"messages":[{"role":"user","content":[$T,{"type":"audio_url","audio_url":{"url":"data:audio/wav;base64,%"}}]}]}`,
		"", "", "is not valid base64"},
}

// TestChatRequestsAsClientsSendThem compares the parameters of the task and the warnings.
func TestChatRequestsAsClientsSendThem(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(path, []byte("sound"), 0o600))
	received := make(chan string, 1)
	listens := executorFunc(func(_ context.Context, task services.Task) (services.TaskResult, error) {
		file, err := task.Audio.Open()
		if err != nil {
			return services.TaskResult{}, err
		}
		defer file.Close()
		sound, err := io.ReadAll(file)
		received <- string(sound) + " " + string(task.Params)
		return services.TaskResult{Model: "m", Value: &tasks.Answer{Text: "A bell.", FinishReason: tasks.FinishStop}}, err
	})
	b := setup(t, listens, func(_ *Config, d *Dependencies) {
		d.StoredAudio = keptSound{&services.Artifact{Path: path, Bytes: 5}, new(int)}
	})
	for name, c := range sentChats {
		t.Run(name, func(t *testing.T) {
			body := strings.NewReplacer("$Q", questionText, "$T", `{"type":"text","text":"What?"}`, "$S", soundPart).Replace(c.body)
			request := b.request(t, http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			response, text := b.do(t, request)
			if c.refused != "" {
				require.Equal(t, http.StatusBadRequest, response.StatusCode, text)
				require.Contains(t, text, c.refused)
				return
			}
			require.Equal(t, http.StatusOK, response.StatusCode, text)
			sound, params, _ := strings.Cut(<-received, " ")
			require.Equal(t, "sound", sound)
			require.JSONEq(t, c.params, strings.Replace(params, `,"truncation":"auto"`, "", 1), "beside the default")
			require.Equal(t, c.warnings, response.Header.Get("Grym-Warning"))
		})
	}
}
