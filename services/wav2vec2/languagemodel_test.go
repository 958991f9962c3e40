package wav2vec2

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
	"github.com/grym-synth/grym-synth/services/ngram"
	"github.com/grym-synth/grym-synth/services/servicetest"
	"github.com/grym-synth/grym-synth/services/tasks"
)

// lmDir has the language model that pyctcdecode saved, and its beams for recorded logits;
// models/export/lm_golden.py writes it.
const lmDir = "testdata/lm"

// lmCase is what pyctcdecode makes of the logits of a clip, times a scale.
type lmCase struct {
	Name   string  `json:"name"`
	File   string  `json:"file"`
	Scale  float32 `json:"scale"`
	Params struct {
		Alpha    *float64 `json:"alpha"`
		Beta     *float64 `json:"beta"`
		Offset   *float64 `json:"unk_score_offset"`
		Boundary *bool    `json:"lm_score_boundary"`
	} `json:"params"`
	Unigrams []string `json:"unigrams"`
	Hot      []string `json:"hot"`
	Beams    []struct {
		Text   string   `json:"text"`
		Frames [][2]int `json:"frames"`
		Logit  float64  `json:"logit"`
		Total  float64  `json:"total"`
	} `json:"beams"`
}

// withLM returns a folder of wav2vec2-tiny with the language model and without a word list.
func withLM(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	to := filepath.Join(dir, "with-lm")
	require.NoError(t, os.CopyFS(to, os.DirFS(modelsDir+"/wav2vec2-tiny")))
	require.NoError(t, os.CopyFS(to, os.DirFS(lmDir)))
	require.NoError(t, os.Remove(filepath.Join(to, wordsFile)))
	return dir
}

// TestBeamsEqualPyctcdecode compares the best beams for recorded logits.
func TestBeamsEqualPyctcdecode(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(lmDir, "golden.json"))
	require.NoError(t, err)
	var golden struct {
		Cases []lmCase `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	require.Len(t, golden.Cases, 100)
	s := newService(t, withLM(t))
	m, done, err := s.pool.Acquire(t.Context(), "with-lm")
	require.NoError(t, err)
	defer done()
	recorded := make(map[string][]float32)
	for _, one := range readGolden(t) {
		recorded[one.File] = one.logits
	}
	for _, c := range golden.Cases {
		lm := *m.lm
		c.configure(&lm)
		logits := make([]float32, len(recorded[c.File]))
		for i, v := range recorded[c.File] {
			logits[i] = c.Scale * v
		}
		search := newBeamSearch(&lm.decoder, 0, nil, c.Hot).useModel(&lm)
		half := len(logits) / 2 / len(lm.decoder.tokens) * len(lm.decoder.tokens)
		search.add(logits[:half])
		search.add(logits[half:])
		beams := search.finish()
		require.GreaterOrEqual(t, len(beams), len(c.Beams))
		for i, want := range c.Beams {
			name := c.Name + " " + c.File
			require.InDelta(t, want.Total, beams[i].total, 1e-3, name)
			require.InDelta(t, want.Logit, beams[i].logit, 1e-3, name)
			words := search.words(beams[i].said, nil)
			require.Equal(t, want.Text, lm.decoder.text(words), name)
			require.Len(t, words, len(want.Frames), name)
			for j, span := range want.Frames {
				require.InDelta(t, float64(span[0])*0.02, words[j].Start, 1e-9, name)
				require.InDelta(t, float64(span[1])*0.02, words[j].End, 1e-9, name)
			}
		}
	}
}

// configure sets the parameters of a case.
func (c lmCase) configure(lm *languageModel) {
	set := func(into, value *float64) {
		if value != nil {
			*into = *value
		}
	}
	set(&lm.attrs.Alpha, c.Params.Alpha)
	set(&lm.attrs.Beta, c.Params.Beta)
	set(&lm.attrs.UnknownOffset, c.Params.Offset)
	if c.Params.Boundary != nil {
		lm.attrs.ScoreBoundary, lm.begin = *c.Params.Boundary, lm.model.Empty()
	}
	lm.words = makeLexicon(c.Unigrams, true)
}

// TestAFolderWithALanguageModel transcribes with the folder that pyctcdecode saved, and with
// its n-grams in KenLM's formats.
func TestAFolderWithALanguageModel(t *testing.T) {
	t.Parallel()
	dir := withLM(t)
	for _, name := range []string{"probing", "trie"} {
		to := filepath.Join(dir, name)
		require.NoError(t, os.CopyFS(to, os.DirFS(filepath.Join(dir, "with-lm"))))
		require.NoError(t, os.Remove(filepath.Join(to, lmFolder, "model.arpa")))
		data, err := os.ReadFile("../ngram/testdata/" + name + ".bin")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, lmFolder, "lm.binary"), data, 0o600))
	}
	s := newService(t, dir)
	for _, name := range []string{"with-lm", "probing", "trie"} {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip02.wav")))
		task.Model, task.Params = name, []byte(`{"include":["logprobs"]}`)
		result, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err)
		got := result.Value.(*tasks.Transcription)
		require.Equal(t, "set tempo three one", got.Text, "the alphabet is in lower case")
		require.Len(t, got.Words[2].Tokens, len(" three"))
		require.Equal(t, "t", got.Words[2].Tokens[1].Text)
		require.NotNil(t, got.Words[0].Confidence)
		task.Params = []byte(`{"decoding":"greedy"}`)
		result, err = services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.NoError(t, err)
		require.Equal(t, "SET TEMPO THREE ONE", result.Value.(*tasks.Transcription).Text)
	}
}

// TestTheMemoryOfALanguageModelIsLeased compares the needs of a folder with and without one.
func TestTheMemoryOfALanguageModelIsLeased(t *testing.T) {
	t.Parallel()
	dir := withLM(t)
	require.NoError(t, os.CopyFS(filepath.Join(dir, "without"), os.DirFS(filepath.Join(dir, "with-lm"))))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "without", lmFolder)))
	s := newService(t, dir)
	need := make(map[string]services.Bytes)
	for _, name := range []string{"with-lm", "without"} {
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav")))
		task.Model = name
		var err error
		need[name], err = servicetest.Bytes(t.Context(), s, task)
		require.NoError(t, err)
		require.NoError(t, s.LoadModel(t.Context(), name))
	}
	data, err := os.ReadFile(filepath.Join(lmDir, lmFolder, "model.arpa"))
	require.NoError(t, err)
	file, err := ngram.Open(strings.NewReader(string(data)), int64(len(data)))
	require.NoError(t, err)
	own, _ := file.Bytes()
	require.InDelta(t, 1.5*float64(own), float64(need["with-lm"]-need["without"]), 1)
	with, _ := s.pool.Loaded("with-lm")
	without, _ := s.pool.Loaded("without")
	require.Greater(t, with, without+services.Bytes(own), "the unigrams count, too")
}

func TestBrokenLanguageModels(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]struct{ file, content string }{
		"broken/language_model/attrs.json: alpha must be at most 10000":            {lmAttrs, `{"alpha":1e9}`},
		"broken/language_model/attrs.json: beta must be a number":                  {lmAttrs, `{"beta":"much"}`},
		"broken/alphabet.json: is_bpe is set":                                      {alphabetFile, `{"labels":[],"is_bpe":true}`},
		"labels must have one label for each of the 32 tokens of the model, got 1": {alphabetFile, `{"labels":[""]}`},
		"labels must have an empty label, the CTC blank": {
			alphabetFile, `{"labels":[` + strings.Repeat(`"a",`, 31) + `"b"]}`,
		},
		`broken/language_model/model.arpa: not a usable language model: line 1: must be \data\`: {lmFolder + "/model.arpa", "hello\n"},
		"must have one file that ends in .arpa, .bin, .binary, got 2":                           {lmFolder + "/other.bin", "x"},
		`the word "a" is there twice`: {
			lmFolder + "/model.arpa", "\\data\\\nngram 1=2\nngram 2=0\n\n\\1-grams:\n-1 a\n-1 a\n",
		},
	} {
		dir := withLM(t)
		require.NoError(t, os.Rename(filepath.Join(dir, "with-lm"), filepath.Join(dir, "broken")))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "broken", c.file), []byte(c.content), 0o600))
		s := newService(t, dir)
		task := transcribeTask(diskAudio(filepath.Join(clipsDir, "clip01.wav")))
		task.Model = "broken"
		_, err := services.ExecuteTask(t.Context(), s, task, services.DiscardSink{})
		require.ErrorContains(t, err, says)
		require.Equal(t, services.KindInvalid, services.KindOf(err), "%v", err)
	}
}

// TestDefaultAttributes has those of pyctcdecode.
func TestDefaultAttributes(t *testing.T) {
	t.Parallel()
	dir := withLM(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "with-lm", lmAttrs)))
	s := newService(t, dir)
	m, done, err := s.pool.Acquire(t.Context(), "with-lm")
	require.NoError(t, err)
	defer done()
	require.InDelta(t, 0.5, m.lm.attrs.Alpha, 1e-15)
	m.lm.attrs.Alpha = math.Round(10*m.lm.attrs.Alpha) / 10
	require.Equal(t, lmAttributes{Alpha: 0.5, Beta: 1.5, UnknownOffset: -10, ScoreBoundary: true}, m.lm.attrs)
}
