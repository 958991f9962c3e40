package wav2vec2

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
)

// vocabularyFile has the ids of the tokens or, as in the models of MMS, those of each language.
const vocabularyFile = "vocab.json"

func (f *folder) readVocabulary(files modelstore.Folder) error {
	ids, err := f.tokenIDs(files)
	if err != nil {
		return err
	}
	vocabulary := limits.Of(files.Name + "/" + vocabularyFile)
	for token, id := range ids {
		vocabulary.Text("token "+limits.Quote(token), token, limits.TokenBytes)
		vocabulary.Int("id of "+limits.Quote(token), int64(id), 0, int64(f.Network.VocabSize)-1)
		if vocabulary.Err() != nil {
			return vocabulary.Err()
		}
	}
	f.Tokens = make([]string, f.Network.VocabSize)
	for i := range f.Tokens {
		f.Tokens[i] = string(f.Tokenizer.UnkToken)
	}
	for token, id := range ids {
		f.Tokens[id] = token
	}
	if _, ok := ids[string(f.Tokenizer.PadToken)]; !ok {
		return fmt.Errorf("%s/%s: the pad token %s, which is the CTC blank, is missing", files.Name, vocabularyFile,
			limits.Quote(string(f.Tokenizer.PadToken)))
	}
	return nil
}

// tokenIDs returns the ids of the tokens of the graph.
func (f *folder) tokenIDs(files modelstore.Folder) (map[string]int, error) {
	var entries map[string]json.RawMessage
	if err := files.ReadIndex(vocabularyFile, &entries); err != nil {
		return nil, err
	}
	nested := len(entries) > 0
	for _, entry := range entries {
		nested = nested && strings.HasPrefix(strings.TrimSpace(string(entry)), "{")
	}
	if !nested {
		var ids map[string]int
		return ids, files.ReadIndex(vocabularyFile, &ids)
	}
	var languages map[string]map[string]int
	if err := files.ReadIndex(vocabularyFile, &languages); err != nil {
		return nil, err
	}
	f.Languages = slices.Sorted(maps.Keys(languages))
	f.Language = f.Tokenizer.TargetLanguage
	if f.Language == "" && len(f.Languages) == 1 {
		f.Language = f.Languages[0]
	}
	ids, ok := languages[f.Language]
	if !ok {
		return nil, fmt.Errorf("%s/tokenizer_config.json: target_lang must be the language of the graph, one of the %d of %s, got %s",
			files.Name, len(f.Languages), vocabularyFile, limits.Quote(f.Language))
	}
	return ids, nil
}

// checkLanguage refuses another language than that of the graph. The weights that a language
// has of its own are part of the graph.
func (f *folder) checkLanguage(name, language string) error {
	if language == "" || language == f.Language || !slices.Contains(f.Languages, language) {
		return nil
	}
	return services.Invalidf("language", "must be %q or left out, got %q: the graph of %q has the adapter of one language; "+
		"export another folder for another one", f.Language, language, name)
}
