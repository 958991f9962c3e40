package modelstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/models"
)

// TestSummaryOfACard has cards as public models have them.
func TestSummaryOfACard(t *testing.T) {
	t.Parallel()
	for card, want := range map[string]string{
		"": "", "# Title": "", "# Title\n\n![x](y.png)\n": "",
		"# Title\n\nIt knows **words**. More.\n": "It knows words.",
		"# Title\nIt knows `words`":              "It knows words",
		"---\nlicense: mit\n---\n\n# Title\n\n| a | b |\n\nThe [base](http://x) model\nof 3.5 hours. It": "The base model of 3.5 hours.",
		"A model.\r\n\r\n**What it knows.** Twenty\r\nsounds. And":                                       "Twenty sounds.",
		"---\nnever closed":       "",
		strings.Repeat("a", 1000): strings.Repeat("a", 500) + "...",
	} {
		require.Equal(t, want, cardSummary(card), "%.40q", card)
	}
}

// TestMetadataOfACard has metadata as public models have it.
func TestMetadataOfACard(t *testing.T) {
	t.Parallel()
	for card, want := range map[string]cardFacts{
		"":                          {},
		"# Title\n\nlicense: mit\n": {},
		"---\nlicense: mit\nlanguage: en\n---\n\n# Title":                                      {"mit", []string{"en"}},
		"---\r\nlanguage:\r\n- en\r\n- de\r\nlicense: apache-2.0\r\n---\r\n":                   {"apache-2.0", []string{"en", "de"}},
		"---\nlicense: other\nlicense_name: own\n---\n":                                        {"own", nil},
		"---\nlicense: [mit, cc-by-4.0]\nlanguage: [en, 5, {a: b}]\n---\n":                     {"mit, cc-by-4.0", []string{"en"}},
		"---\nlanguage: {a: b}\nlicense: 3\n---\n":                                             {},
		"---\nlicense: [\n---\n":                                                               {},
		"---\nlicense: " + strings.Repeat("x", 101) + "\n---\n":                                {},
		"---\nlicense: mit\nx: " + strings.Repeat("y", maxMetaBytes) + "\nlanguage: en\n---\n": {},
		"---\nnever closed\nlicense: mit":                                                      {"", nil},
	} {
		require.Equal(t, want, cardMetadata(card), "%.40q", card)
	}
}

func FuzzCard(f *testing.F) {
	f.Add("---\nlicense: [mit, &a b, *a]\nlanguage:\n- en\n---\n\n# Title\nIt knows.")
	f.Fuzz(func(t *testing.T, card string) {
		facts := cardMetadata(card)
		require.LessOrEqual(t, len(facts.license), maxTermBytes)
		require.LessOrEqual(t, len(facts.languages), maxLanguages)
		require.LessOrEqual(t, len(cardSummary(card)), maxSummaryBytes+3)
	})
}

// TestEmbeddedModelsHaveCards has the model of each service.
func TestEmbeddedModelsHaveCards(t *testing.T) {
	t.Parallel()
	catalog := NewCatalog(models.FS, "")
	for name, word := range map[string]string{"wav2vec2-tiny": "98 English words", "audioldm-tiny": "siren", "gama-tiny": "sound"} {
		folder, ok := catalog.find(name)
		require.True(t, ok)
		require.Contains(t, folder.Summary(), word)
		require.Regexp(t, `\.$`, folder.Summary())
		facts, err := folder.readCard()
		require.NoError(t, err)
		require.Equal(t, cardFacts{"mit", []string{"en"}}, facts)
	}
}
