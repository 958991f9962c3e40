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

// TestEmbeddedModelsHaveCards has the model of each service.
func TestEmbeddedModelsHaveCards(t *testing.T) {
	t.Parallel()
	catalog := NewCatalog(models.FS, "")
	for name, word := range map[string]string{"wav2vec2-tiny": "98 English words", "audioldm-tiny": "siren", "gama-tiny": "sound"} {
		folder, ok := catalog.find(name)
		require.True(t, ok)
		require.Contains(t, folder.Summary(), word)
		require.Regexp(t, `\.$`, folder.Summary())
	}
}
