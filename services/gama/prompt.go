package gama

import (
	"sort"
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

// answerShare is the part of the model's positions that dropping turns leaves to an answer
// that may need it.
const answerShare = 8

// fit returns the sequence. If it is too long, as few as possible of the oldest turns are
// dropped, unless the request refuses that.
func (m *model) fit(sound *encoded, turns []turn, p tasks.AskParams) (*sequence, error) {
	most := int(m.folder.Network.TextPart.MaxPositions)
	whole := m.sequence(sound, turns, p.Question, p.System)
	if p.Truncation == truncateOff || len(turns) == 0 || m.folder.Network.History == historyNone {
		if len(whole.keys) < most {
			return whole, nil
		}
		return nil, m.tooLong(whole, most, len(turns) > 0 && m.folder.Network.History != historyNone)
	}
	room := most - min(m.folder.newTokens(p, 0), most/answerShare)
	if len(whole.keys) <= room {
		return whole, nil
	}
	dropped := 1 + sort.Search(len(turns)-1, func(n int) bool {
		return len(m.sequence(sound, turns[n+1:], p.Question, p.System).keys) <= room
	})
	s := m.sequence(sound, turns[dropped:], p.Question, p.System)
	if len(s.keys) >= most {
		return nil, m.tooLong(s, most, false)
	}
	s.dropped += dropped
	return s, nil
}

// tooLong returns the fault of a prompt that exceeds the model's limit; refuses is set if
// the request refuses that turns are dropped.
func (m *model) tooLong(s *sequence, most int, refuses bool) error {
	hint := "shorten it"
	if refuses {
		hint += ", or leave truncation out, so that the oldest questions are dropped"
	}
	return services.Faultf(services.KindInvalid, "the prompt has %d tokens, %d of them for the sound; model %s takes %d with the answer: %s",
		len(s.keys), s.sound.n, m.name, most, hint)
}
