package wav2vec2

import (
	"fmt"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// maxShownWords bounds the words of a prompt that a warning has.
const maxShownWords = 5

// warnings reports what of the parameters has no effect on a transcription.
func (m *model) warnings(p tasks.TranscribeParams) (list []services.Warning) {
	ignored := func(field, because string) {
		list = append(list, services.Warning{Code: services.WarnValueIgnored, Field: field, Message: field + " has no effect: " + because})
	}
	if p.Temperature > 0 {
		ignored("temperature", "nothing is drawn by chance")
	}
	if m.searches(p) {
		return append(list, m.unspelled(p.Prompt)...)
	}
	if p.Prompt != "" {
		ignored("prompt", "decoding is greedy; beam prefers its words")
	}
	if p.BeamWidth > 0 {
		ignored("beam_width", "decoding is greedy")
	}
	return list
}

// unspelled reports the words of a prompt that no search can find, because the model has
// no token for a letter of theirs.
func (m *model) unspelled(prompt string) []services.Warning {
	var words []string
	unknown := unknownLetter(m.decoder.tokens)
	for _, word := range hotWords(prompt) {
		if strings.IndexFunc(fold(word), unknown) >= 0 && len(words) <= maxShownWords {
			words = append(words, fmt.Sprintf("%.40q", word))
		}
	}
	if len(words) == 0 {
		return nil
	}
	if len(words) > maxShownWords {
		words[maxShownWords] = "others"
	}
	return []services.Warning{{
		Code: services.WarnUnknownPrompt, Field: "prompt",
		Message: "the model has no letters for these words of the prompt: " + strings.Join(words, ", "),
	}}
}
