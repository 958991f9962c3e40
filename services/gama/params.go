package gama

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/decoding"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// Limits of a request.
const (
	maxTextBytes   = 16 << 10
	maxHistory     = 256
	maxStops       = 4
	maxStopBytes   = 256
	maxTemperature = 2
	maxPenalty     = 10
	leastWindow    = 0.1
	// defaultNewTokens is used if neither the request nor generation_config.json has a
	// limit.
	defaultNewTokens = 256
)

// Values of AskParams.Truncation; auto is the default.
const (
	truncateOff  = "disabled"
	truncateAuto = "auto"
)

// captionQuestion is the default question of tasks.Caption.
const captionQuestion = "What can be heard in this clip?"

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// parse decodes and validates a task's parameters. The fault lists every invalid field.
func parse(task services.Task) (tasks.AskParams, error) {
	var p tasks.AskParams
	if task.Name != tasks.Ask && task.Name != tasks.Caption {
		return p, services.Faultf(services.KindNotFound, "service %s has no task %q; it has %s and %s", Name, task.Name, tasks.Ask,
			tasks.Caption)
	}
	if err := decode(task.Params, &p); err != nil {
		return p, err
	}
	if task.Name == tasks.Caption && p.Question == "" {
		p.Question = captionQuestion
	}
	var bad services.Complaints
	check := bad.Check
	check(p.Question != "", "question", "is missing; say what to ask of the recording")
	check(len(p.Question) <= maxTextBytes, "question", "must be at most %d bytes, got %d", maxTextBytes, len(p.Question))
	check(len(p.System) <= maxTextBytes, "system", "must be at most %d bytes, got %d", maxTextBytes, len(p.System))
	check(len(p.History) <= maxHistory || p.Truncation != truncateOff, "history", "must have at most %d exchanges with truncation %s, got %d",
		maxHistory, truncateOff, len(p.History))
	for i, h := range p.History {
		check(len(h.Question)+len(h.Answer) <= maxTextBytes, fmt.Sprintf("history[%d]", i), "must be at most %d bytes, got %d",
			maxTextBytes, len(h.Question)+len(h.Answer))
	}
	check(p.ContextID == "" || len(p.History) == 0, "history", "must be left out with context_id, which has one")
	switch {
	case p.ContextID == "":
		check(task.Audio != nil, "file", "is missing; send a recording to ask about")
	case p.ContextID != newContext:
		check(task.Audio == nil, "file", "must be left out with context_id, which has a recording")
	default:
		check(task.Audio != nil, "file", "is missing; a new conversation needs a recording")
	}
	check(p.Truncation == "" || p.Truncation == truncateOff || p.Truncation == truncateAuto, "truncation", "must be %s or %s, got %q",
		truncateOff, truncateAuto, p.Truncation)
	checkSampling(p, check)
	return p, bad.Err()
}

func checkSampling(p tasks.AskParams, check func(ok bool, field, format string, args ...any)) {
	if v := p.MaxTokens; v != nil {
		check(*v >= 1, "max_tokens", "must be at least 1, got %d", *v)
	}
	if v := p.Temperature; v != nil {
		check(*v >= 0 && *v <= maxTemperature, "temperature", "must be 0 to %d, got %v", maxTemperature, *v)
	}
	if v := p.TopK; v != nil {
		check(*v >= 0, "top_k", "must not be negative, got %d", *v)
	}
	if v := p.TopP; v != nil {
		check(*v > 0 && *v <= 1, "top_p", "must be above 0 and at most 1, got %v", *v)
	}
	if v := p.RepetitionPenalty; v != nil {
		check(*v > 0 && *v <= maxPenalty, "repetition_penalty", "must be above 0 and at most %d, got %v", maxPenalty, *v)
	}
	check(len(p.Stop) <= maxStops, "stop", "must have at most %d texts, got %d", maxStops, len(p.Stop))
	for _, stop := range p.Stop {
		check(stop != "" && len(stop) <= maxStopBytes, "stop", "must have texts of 1 to %d bytes, got %d", maxStopBytes, len(stop))
	}
	if v := p.WindowSeconds; v != nil {
		check(*v >= leastWindow, "window_seconds", "must be at least %v, got %v", leastWindow, *v)
	}
}

func decode(raw json.RawMessage, p *tasks.AskParams) error {
	return tasks.DecodeParams(raw, p)
}

// sampling merges the request with the model's generation_config.json. A temperature in
// the request enables sampling, and 0 disables it.
func (f *folder) sampling(p tasks.AskParams) decoding.Sampling {
	g := f.Generation
	s := decoding.Sampling{
		TopK: g.TopK, TopP: g.TopP, RepetitionPenalty: g.RepetitionPenalty, NoRepeatNgram: g.NoRepeatNgram,
		MinNewTokens: g.MinNewTokens, MinLength: g.MinLength, MinP: g.MinP, Suppress: g.SuppressTokens, BeginSuppress: g.BeginSuppress,
		EOS:      f.Network.EOS,
		CountAll: f.Network.AudioInsert == insertToken,
	}
	if g.DoSample {
		s.Temperature = g.Temperature
	}
	if p.Temperature != nil {
		s.Temperature = *p.Temperature
	}
	if p.TopK != nil {
		s.TopK = *p.TopK
	}
	if p.TopP != nil {
		s.TopP = *p.TopP
	}
	if p.RepetitionPenalty != nil {
		s.RepetitionPenalty = *p.RepetitionPenalty
	}
	s.Seed = rand.Uint64() >> 11 //nolint:gosec // no secret depends on it; as much as a JSON number holds
	if p.Seed != nil {
		s.Seed = *p.Seed
	}
	return s
}

// newTokens returns the maximum number of tokens to generate after a prompt with the
// given number of positions.
func (f *folder) newTokens(p tasks.AskParams, prompt int) int {
	n := defaultNewTokens
	switch g := f.Generation; {
	case p.MaxTokens != nil:
		n = *p.MaxTokens
	case g.MaxNewTokens != nil:
		n = *g.MaxNewTokens
	case g.MaxLength != nil:
		n = *g.MaxLength - prompt
		if f.Network.AudioInsert == insertPrefix {
			n += int(f.Network.NumAudio) // which has no tokens in GAMA's count
		}
	}
	return max(1, min(n, int(f.Network.TextPart.MaxPositions)-prompt))
}
