package gama

import (
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// turn is one question with its answer. Tokens are those that the model generated, or
// nil if only the text is known.
type turn struct {
	services.Exchange
	Tokens []int `json:"tokens,omitempty"`
}

// sequence returns sound, earlier turns and the question in the model's order, with the
// instructions in the first turn.
func (m *model) sequence(sound *encoded, turns []turn, question, system string) *sequence {
	f := m.folder
	s := &sequence{sound: sound}
	if f.Network.AudioInsert == insertPrefix {
		s.addSound()
	}
	if f.Network.BOS != nil {
		s.addTokens(*f.Network.BOS)
	}
	heardYet := f.Network.AudioInsert == insertPrefix
	// place puts the instructions at their place in a part of the template.
	place := func(part string) string { return strings.Replace(part, placeSystem, system, 1) }
	ask := func(question string) {
		before, after, _ := strings.Cut(f.Network.PromptTemplate, placeQuestion)
		text := place(before) + question + after
		if f.Network.AudioInsert == insertToken {
			// A question that contains {audio} must not move the sound.
			b, c, inBefore := strings.Cut(before, placeAudio)
			if inBefore {
				s.addTokens(f.Text.Encode(place(b))...)
				text = place(c) + question + after
			} else {
				b, c, _ = strings.Cut(after, placeAudio)
				s.addTokens(f.Text.Encode(place(before) + question + b)...)
				text = c
			}
			if !heardYet {
				s.addSound()
				heardYet = true
			}
		}
		s.addTokens(f.Text.Encode(text)...)
		system = ""
	}
	if f.Network.History == historyTurns {
		for _, t := range turns {
			ask(t.Question)
			if t.Tokens != nil {
				s.addTokens(t.Tokens...)
			} else {
				s.addTokens(f.Text.Encode(t.Answer)...)
			}
			s.addTokens(f.Network.EOS[0])
		}
	} else {
		s.dropped = len(turns)
	}
	ask(question)
	return s
}

// fit returns the sequence. If it is too long and the request allows truncation, the
// oldest turns are dropped.
func (m *model) fit(sound *encoded, turns []turn, p tasks.AskParams) (*sequence, error) {
	most := int(m.folder.Network.TextPart.MaxPositions)
	for dropped := 0; ; dropped++ {
		s := m.sequence(sound, turns, p.Question, p.System)
		if len(s.keys) < most {
			s.dropped += dropped
			return s, nil
		}
		if p.Truncation != truncateAuto || len(turns) == 0 || m.folder.Network.History == historyNone {
			hint := "shorten it"
			if len(turns) > 0 && p.Truncation != truncateAuto {
				hint += ", or set truncation to auto, which drops the oldest questions"
			}
			return nil, services.Faultf(services.KindInvalid,
				"the prompt has %d tokens, %d of them for the sound; model %s takes %d with the answer: %s", len(s.keys), sound.n, m.name,
				most, hint)
		}
		turns = turns[1:]
	}
}
