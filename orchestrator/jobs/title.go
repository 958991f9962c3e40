package jobs

import (
	"encoding/json"
	"strings"
)

// maxTitle bounds the title of a job that is taken from its parameters, in characters.
const maxTitle = 200

// titleOf returns a title for a job from its parameters, or "": the question about a
// recording, or the prompt or pipeline of a job without one. The prompt of a job with a
// recording is a hint for the model.
func titleOf(job Job) string {
	var texts struct {
		Question any `json:"question"`
		Prompt   any `json:"prompt"`
		Pipeline any `json:"pipeline"`
	}
	// The parameters are checked later; invalid ones have no title.
	_ = json.Unmarshal(job.Params, &texts)
	text, _ := texts.Question.(string)
	if text == "" && job.AudioID == "" {
		text, _ = texts.Prompt.(string)
	}
	if text == "" && job.AudioID == "" {
		text, _ = texts.Pipeline.(string)
	}
	words := []rune(strings.Join(strings.Fields(text), " "))
	return string(words[:min(len(words), maxTitle)])
}
