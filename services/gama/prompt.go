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
	c := &composer{sequence: s, folder: f, placed: f.Network.AudioInsert == insertPrefix}
	ask := func(question string) {
		before, after, _ := strings.Cut(f.Network.PromptTemplate, placeQuestion)
		c.template(before, system)
		c.text.WriteString(question)
		c.template(after, system)
		c.flush()
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

// composer makes the tokens of a prompt. What a request contains is text, also where it looks like
// a special token; a template may have special tokens.
type composer struct {
	*sequence
	folder *folder
	// text has not been encoded yet. placed is set if the sound has its place.
	text   strings.Builder
	placed bool
}

// flush encodes the text.
func (c *composer) flush() {
	if c.text.Len() > 0 {
		c.addTokens(c.folder.Text.Encode(c.text.String())...)
		c.text.Reset()
	}
}

// template adds a part of the template, with the instructions and the sound at their places.
func (c *composer) template(part, system string) {
	n := c.folder.Network
	if before, after, ok := strings.Cut(part, placeSystem); ok {
		c.template(before, "")
		if system != "" {
			begin, end, _ := strings.Cut(n.SystemTemplate, placeSystem)
			c.marked(begin)
			c.text.WriteString(system)
			c.marked(end)
		}
		part = after
	}
	before, after, ok := strings.Cut(part, placeAudio)
	if !ok || n.AudioInsert != insertToken {
		c.marked(part)
		return
	}
	c.marked(before)
	c.flush()
	if !c.placed {
		c.marked(n.AudioBegin)
		c.flush()
		c.addSound()
		c.placed = true
	}
	c.marked(after)
}

// marked adds text in which the marks of the model's prompts are tokens.
func (c *composer) marked(text string) {
	for text != "" {
		mark, at := "", len(text)
		for _, one := range prompts[c.folder.Network.ModelType].marks {
			if i := strings.Index(text, one); i >= 0 && i < at {
				mark, at = one, i
			}
		}
		c.text.WriteString(text[:at])
		if mark == "" {
			return
		}
		c.flush()
		if id, ok := c.folder.Text.ID(mark); ok {
			c.addTokens(id)
		}
		text = text[at+len(mark):]
	}
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
