package wav2vec2

import (
	"fmt"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// maxShownWords is the maximum number of prompt words in a warning.
const maxShownWords = 5

// warnings returns warnings about parameters that have no effect.
func (m *model) warnings(p tasks.TranscribeParams) (list []services.Warning) {
	ignored := func(field, because string) {
		list = append(list, services.Warning{Code: services.WarnValueIgnored, Field: field, Message: field + " has no effect: " + because})
	}
	if p.Temperature > 0 {
		ignored("temperature", "nothing is drawn by chance")
	}
	if p.Patience > 0 {
		ignored("patience", "the search of a CTC model ends with the recording")
	}
	if p.LengthPenalty != nil {
		ignored("length_penalty", "a CTC model compares texts of the same frames")
	}
	if m.searches(p) {
		tokens := m.spelling(p).tokens
		list = append(list, unspelled(tokens, "prompt", p.Prompt)...)
		return append(list, unspelled(tokens, "keywords", strings.Join(p.Keywords, " "))...)
	}
	if p.Prompt != "" {
		ignored("prompt", "decoding is greedy; beam prefers its words")
	}
	if len(p.Keywords) > 0 {
		ignored("keywords", "decoding is greedy; beam prefers them")
	}
	if p.BeamWidth > 0 {
		ignored("beam_width", "decoding is greedy")
	}
	return list
}

// doubts returns a warning if a recording is probably wrong.
func (m *model) doubts(confidence float64) []services.Warning {
	if !m.calibration.doubted(confidence) {
		return nil
	}
	return []services.Warning{{
		Code: services.WarnLowConfidence, Message: fmt.Sprintf("the text is probably wrong; its confidence is %.2f", confidence),
	}}
}

// unspelled returns a warning about words of a field that no search can find because no
// token has one of their letters.
func unspelled(tokens []string, field, prompt string) []services.Warning {
	var words []string
	unknown := unknownLetter(tokens)
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
		Code: services.WarnUnknownPrompt, Field: field,
		Message: "the model has no letters for these words of the " + field + ": " + strings.Join(words, ", "),
	}}
}
