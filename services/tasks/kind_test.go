package tasks

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fieldsOf returns the sorted JSON names of a struct's fields.
func fieldsOf(params any) []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeOf(params)) {
		if field.Anonymous {
			continue // its fields are listed as well
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// TestATranslationIsATranscription keeps every parameter.
func TestATranslationIsATranscription(t *testing.T) {
	t.Parallel()
	const params = `{"language":"de","prompt":"p","keywords":["k"],"temperature":0.5,` +
		`"response_format":"srt","timestamp_granularities":["word"],"include":["logprobs"],"strict":true,"start":1,"end":2,"stream":true,` +
		`"decoding":"beam","beam_width":3,"patience":2,"length_penalty":0.5}`
	var translate TranslateParams
	require.NoError(t, DecodeParams(json.RawMessage(params), &translate))
	for i := range reflect.ValueOf(translate).NumField() {
		require.False(t, reflect.ValueOf(translate).Field(i).IsZero(), "field %d", i)
	}
	var want TranscribeParams
	require.NoError(t, DecodeParams(json.RawMessage(`{"translate":true,`+params[1:]), &want))
	require.Equal(t, want, translate.Transcribe())
}

func TestSchemasHaveTheFieldsOfTheParameters(t *testing.T) {
	t.Parallel()
	params := map[string]any{
		Transcribe: TranscribeParams{}, Translate: TranslateParams{}, Embed: EmbedParams{}, Classify: ClassifyParams{},
		Generate: GenerateParams{}, Pull: PullParams{}, Convert: ConvertParams{}, Analyze: AnalyzeParams{}, Edit: EditParams{}, Ask: AskParams{},
		Caption: AskParams{},
		Draw:    DrawParams{}, ComputePeaks: PeaksParams{},
		Teach: TeachParams{}, Detect: DetectParams{}, Search: SearchParams{}, Correct: CorrectParams{}, Reembed: ReembedParams{},
		ImportPatterns: ImportParams{},
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(kinds)), slices.Collect(maps.Keys(params)))
	for task, value := range params {
		kind := Kind(task)
		require.Equal(t, task, kind.Name)
		var schema struct {
			Properties map[string]json.RawMessage `json:"properties"`
		}
		require.NoError(t, json.Unmarshal(kind.ParamsSchema, &schema), task)
		require.Equal(t, fieldsOf(value), slices.Sorted(maps.Keys(schema.Properties)), task)
		require.NotNil(t, NewResult(task), task)
	}
	require.Nil(t, NewResult("whistle"))
}
