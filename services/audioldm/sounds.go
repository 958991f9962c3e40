package audioldm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// soundsFile is the optional list of the sounds that a model learnt. Each line has the name
// of a kind of sound, a colon, and the words by which prompts name it, separated by commas.
const soundsFile = "sounds.txt"

// Limits of soundsFile.
const (
	maxSounds     = 10_000
	maxSoundBytes = 4096 // of a line
)

// sounds are those that a model learnt.
type sounds struct {
	kinds []string
	names map[string]bool
	// words is the number of words of the longest name.
	words int
}

// readSounds reads soundsFile; nil if there is none.
func readSounds(files modelstore.Folder) (*sounds, error) {
	text, err := files.ReadFile(soundsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := parseSounds(text)
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", files.Name, soundsFile, err)
	}
	return s, nil
}

func parseSounds(text []byte) (*sounds, error) {
	s := &sounds{names: make(map[string]bool)}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) > maxSoundBytes || len(s.names) > maxSounds {
			return nil, fmt.Errorf("must have lines of at most %d bytes and at most %d names", maxSoundBytes, maxSounds)
		}
		if len(line) == 0 {
			continue
		}
		kind, names, found := strings.Cut(string(line), ":")
		if !found || len(promptWords(names)) == 0 {
			return nil, fmt.Errorf("line %d must have a kind of sound, a colon and names, got %.40q", number, line)
		}
		s.kinds = append(s.kinds, strings.TrimSpace(kind))
		for name := range strings.SplitSeq(names, ",") {
			words := promptWords(name)
			if len(words) > 0 {
				s.names[strings.Join(words, " ")] = true
				s.words = max(s.words, len(words))
			}
		}
	}
	return s, nil
}

// promptWords returns the words of a prompt in lower case without punctuation.
func promptWords(prompt string) []string {
	return strings.FieldsFunc(strings.ToLower(prompt), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// carriers are words of the list that a prompt also uses for sounds in general, as in "the
// noise of a dog": before these they name nothing.
var carriers = map[string]map[string]bool{"noise": {"of": true, "a": true, "that": true, "from": true, "an": true}}

// known reports whether a prompt names a sound of the list.
func (s *sounds) known(prompt string) bool {
	words := promptWords(prompt)
	for i := range words {
		for n := 1; n <= s.words && i+n <= len(words); n++ {
			if !s.names[strings.Join(words[i:i+n], " ")] {
				continue
			}
			if n == 1 && i+1 < len(words) && carriers[words[i]][words[i+1]] {
				continue
			}
			return true
		}
	}
	return false
}

// maxShownKinds is the maximum number of kinds of sound in a warning.
const maxShownKinds = 30

// unknown returns a warning if a prompt names no sound that the model learnt. A model
// without a list has none.
func (m *model) unknown(prompt string) []services.Warning {
	if m.sounds == nil || m.sounds.known(prompt) {
		return nil
	}
	kinds := m.sounds.kinds
	if len(kinds) > maxShownKinds {
		kinds = append(kinds[:maxShownKinds:maxShownKinds], "others")
	}
	return []services.Warning{{
		Code: services.WarnUnknownPrompt, Field: "prompt",
		Message: fmt.Sprintf("the prompt names no sound that model %s learnt: %s", m.name, strings.Join(kinds, ", ")),
	}}
}
