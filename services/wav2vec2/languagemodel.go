package wav2vec2

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/limits"
	"github.com/grym-synth/grym-synth/services/modelstore"
	"github.com/grym-synth/grym-synth/services/ngram"
)

// Files of an n-gram language model beside a CTC model, as Wav2Vec2ProcessorWithLM of
// transformers and pyctcdecode write them.
const (
	lmFolder     = "language_model"
	lmAttrs      = lmFolder + "/attrs.json"
	lmUnigrams   = lmFolder + "/unigrams.txt"
	alphabetFile = "alphabet.json"
)

// lmSuffixes are those of the file with the n-grams.
var lmSuffixes = []string{".arpa", ".bin", ".binary"}

// lmAttributes is attrs.json. Missing values are pyctcdecode's defaults.
type lmAttributes struct {
	// Alpha is the weight of the model's log probabilities, Beta the score of each word.
	Alpha float64 `json:"alpha"`
	Beta  float64 `json:"beta"`
	// UnknownOffset is added to the log10 probability of an unknown word, and is the score of
	// the start of one.
	UnknownOffset float64 `json:"unk_score_offset"`
	// ScoreBoundary is set if the beginning and the end of a sentence are scored.
	ScoreBoundary bool `json:"score_boundary"`
}

// alphabet is alphabet.json: how the language model spells each token, by its id.
type alphabet struct {
	Labels []string `json:"labels"`
	IsBPE  bool     `json:"is_bpe"`
}

// maxLMWeight is the maximum of each of the attributes, positive or negative.
const maxLMWeight = 1e4

// languageModel scores the words of a beam search with the scoring of pyctcdecode. Safe for
// concurrent use.
type languageModel struct {
	model *ngram.Model
	attrs lmAttributes
	// words are those of unigrams.txt that the model has.
	words *lexicon
	begin ngram.State
	// decoder has the tokens as the language model spells them.
	decoder ctcDecoder
}

// lmFile opens the file with the n-grams. The file is nil if the folder has no language model.
func (f *folder) lmFile(files modelstore.Folder) (string, modelstore.File, *ngram.File, error) {
	if f.Head != headCTC {
		return "", nil, nil, nil
	}
	names, err := files.Entries(lmFolder)
	if err != nil || names == nil {
		return "", nil, nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return strings.HasPrefix(name, ".") || !slices.Contains(lmSuffixes, path.Ext(name))
	})
	if len(names) != 1 {
		return "", nil, nil, fmt.Errorf("%s/%s: must have one file that ends in %s, got %d", files.Name, lmFolder,
			strings.Join(lmSuffixes, ", "), len(names))
	}
	name := lmFolder + "/" + names[0]
	file, size, err := files.OpenFile(name)
	if err != nil {
		return "", nil, nil, err
	}
	opened, err := ngram.Open(file, size)
	if err != nil {
		return "", nil, nil, errors.Join(fmt.Errorf("%s/%s: %w", files.Name, name, err), file.Close())
	}
	return name, file, opened, nil
}

// languageModelBytes returns the memory of the language model while it is loaded, after
// checking all files but the n-grams; zero if there is none.
func (f *folder) languageModelBytes(files modelstore.Folder) (services.Bytes, error) {
	_, file, opened, err := f.lmFile(files)
	if file == nil {
		return 0, err
	}
	defer func() { _ = file.Close() }() // it was only read
	_, loading := opened.Bytes()
	_, attrsErr := readLMAttributes(files)
	_, alphabetErr := f.lmDecoder(files)
	return services.Bytes(loading), errors.Join(attrsErr, alphabetErr)
}

// loadLanguageModel reads the language model, nil if there is none, and returns its memory.
func (f *folder) loadLanguageModel(ctx context.Context, files modelstore.Folder) (*languageModel, services.Bytes, error) {
	name, file, opened, err := f.lmFile(files)
	if file == nil {
		return nil, 0, err
	}
	defer func() { _ = file.Close() }() // it was only read
	lm := &languageModel{}
	if lm.attrs, err = readLMAttributes(files); err != nil {
		return nil, 0, err
	}
	if lm.decoder, err = f.lmDecoder(files); err != nil {
		return nil, 0, err
	}
	if lm.model, err = opened.Load(ctx); err != nil {
		return nil, 0, fmt.Errorf("%s/%s: %w", files.Name, name, err)
	}
	words, bytes, err := readUnigrams(files, lm.model)
	if err != nil {
		return nil, 0, err
	}
	lm.words = makeLexicon(words, true)
	if lm.begin = lm.model.Empty(); lm.attrs.ScoreBoundary {
		lm.begin = lm.model.Begin()
	}
	loaded, _ := opened.Bytes()
	return lm, services.Bytes(loaded).Plus(bytes), nil
}

func readLMAttributes(files modelstore.Folder) (lmAttributes, error) {
	a := lmAttributes{Alpha: lmWeight / math.Ln10, Beta: wordBonus, UnknownOffset: unknownPenalty, ScoreBoundary: true}
	if err := files.ReadJSON(lmAttrs, &a); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	file := limits.Of(files.Name + "/" + lmAttrs)
	file.Float("alpha", a.Alpha, -maxLMWeight, maxLMWeight)
	file.Float("beta", a.Beta, -maxLMWeight, maxLMWeight)
	file.Float("unk_score_offset", a.UnknownOffset, -maxLMWeight, maxLMWeight)
	return a, file.Err()
}

// lmDecoder returns the decoder for the alphabet of the language model. Without alphabet.json
// it is that of vocab.json.
func (f *folder) lmDecoder(files modelstore.Folder) (ctcDecoder, error) {
	decoder := f.decoder()
	var a alphabet
	err := files.ReadIndex(alphabetFile, &a)
	if errors.Is(err, fs.ErrNotExist) {
		return decoder, nil
	}
	if err != nil {
		return decoder, err
	}
	file := limits.Of(files.Name + "/" + alphabetFile)
	if a.IsBPE {
		file.Fail("is_bpe is set; alphabets of pieces of words are not supported")
	}
	if len(a.Labels) != len(f.Tokens) {
		file.Fail("labels must have one label for each of the %d tokens of the model, got %d", len(f.Tokens), len(a.Labels))
	}
	for _, label := range a.Labels {
		file.Text("label "+limits.Quote(label), label, limits.TokenBytes)
	}
	if !slices.Contains(a.Labels, "") {
		file.Fail(`labels must have an empty label, the CTC blank`)
	}
	decoder.tokens, decoder.blank, decoder.delimiter = a.Labels, "", " "
	decoder.lower, decoder.cleanUp = false, false
	decoder.index()
	return decoder, file.Err()
}

// readUnigrams returns the words of unigrams.txt that the model has, and their size. It
// returns none if the file does not exist.
func readUnigrams(files modelstore.Folder, model *ngram.Model) (words []string, bytes services.Bytes, err error) {
	text, err := files.ReadFile(lmUnigrams)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(text)) {
		word := strings.TrimRight(line, "\r\n")
		if !model.Has(word) {
			continue
		}
		if len(words) == maxWords {
			return nil, 0, fmt.Errorf("%s/%s: must have at most %d words, got more", files.Name, lmUnigrams, maxWords)
		}
		words = append(words, word)
	}
	const header = 16 // of a string
	return words, services.Bytes(len(text) + header*len(words)), nil
}

// has reports whether a word is known.
func (l *languageModel) has(word string) bool {
	return (len(l.words.words) == 0 || l.words.has(word)) && l.model.Has(word)
}

// score returns the score of a word after the words before it, nil for none, and the context
// of the next word. last is set for the last word of the recording.
func (l *languageModel) score(before *word, text string, last bool) (float64, *ngram.State) {
	from := &l.begin
	if before != nil {
		from = before.state
	}
	logp, next := l.model.Score(*from, text)
	score := float64(logp)
	if !l.has(text) {
		score += l.attrs.UnknownOffset
	}
	if last && l.attrs.ScoreBoundary {
		score += float64(l.model.End(next))
	}
	return l.attrs.Alpha*score*math.Ln10 + l.attrs.Beta, &next
}
