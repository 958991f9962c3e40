package clap

import (
	"context"
	"fmt"
	"slices"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/tokenizer"
)

// textBatch is the maximum number of texts in one run.
const textBatch = 16

// readTokenizer reads tokenizer.json or, if it is missing, vocab.json and merges.txt.
func readTokenizer(files modelstore.Folder) (tokenizer.Text, error) {
	alone, err := files.ReadFile("tokenizer.json")
	if err == nil {
		tokens, err := tokenizer.FromJSON(alone)
		if err != nil {
			return nil, fmt.Errorf("%s/%w", files.Name, err)
		}
		return tokens, nil
	}
	vocab, vocabErr := files.ReadFile("vocab.json")
	merges, mergesErr := files.ReadFile("merges.txt")
	if vocabErr != nil || mergesErr != nil {
		return nil, err
	}
	tokens, err := tokenizer.NewByteLevel(vocab, merges, "<unk>")
	if err != nil {
		return nil, fmt.Errorf("%s/%w", files.Name, err)
	}
	return tokens, nil
}

// encode returns the ids of a text with the first and last token, and the number of tokens
// beyond the limit, which are cut.
func (m *model) encode(text string) (ids []int64, cut int) {
	t := m.folder.Network.Text
	ids = []int64{t.BOS}
	for _, id := range m.tokens.Encode(text) {
		ids = append(ids, int64(id))
	}
	if most := m.folder.maxTokens - 1; len(ids) > most {
		cut, ids = len(ids)-most, ids[:most]
	}
	return append(ids, t.EOS), cut
}

// texts returns the unit vectors of texts, and a warning for the field if one was cut.
func (m *model) texts(ctx context.Context, field string, texts []string) (vectors [][]float32, warnings []services.Warning, err error) {
	width := int(m.folder.Network.Projection)
	for batch := range slices.Chunk(texts, textBatch) {
		var ids [][]int64
		for _, text := range batch {
			one, cut := m.encode(text)
			ids = append(ids, one)
			if cut > 0 {
				warnings = services.AddWarning(warnings, services.Warning{
					Code: services.WarnPromptCut, Field: field,
					Message: fmt.Sprintf("model %s reads the first %d tokens of a text; %d were cut", m.name, m.folder.maxTokens-2, cut),
				})
			}
		}
		values, err := m.runText(ctx, ids)
		if err != nil {
			return nil, warnings, err
		}
		for vector := range slices.Chunk(values, width) {
			vectors = append(vectors, unit(vector))
		}
		if err := services.Yield(ctx); err != nil {
			return nil, warnings, err
		}
	}
	return vectors, warnings, nil
}

// runText returns the vectors of a batch of ids.
func (m *model) runText(ctx context.Context, ids [][]int64) ([]float32, error) {
	session := m.session(textGraph)
	if session == m.sessions[wholeGraph] {
		values, err := m.runWhole(ctx, m.extract.clip(nil), ids)
		return values[textEmbeds], err
	}
	in := new(tensors)
	m.putText(session, in, ids)
	values, err := m.run(ctx, session, in, map[string][]int64{textEmbeds: {int64(len(ids)), m.folder.Network.Projection}})
	return values[textEmbeds], err
}
