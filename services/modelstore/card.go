package modelstore

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// cardFile is the optional model card of a folder, in Markdown.
const cardFile = "README.md"

// cardLead begins the paragraph of a card about what the model knows.
const cardLead = "**What it knows.**"

// Limits of a card and its summary in bytes.
const (
	maxCardBytes    = 1 << 20
	maxSummaryBytes = 500
	maxMetaBytes    = 64 << 10
	maxTermBytes    = 100
	maxLanguages    = 200
)

// cardFacts is what the metadata of a card states.
type cardFacts struct {
	license   string
	languages []string
}

// readCard returns the metadata of the folder's card, empty if there is none.
func (f Folder) readCard() (cardFacts, error) {
	text, err := f.ReadFile(cardFile)
	if errors.Is(err, fs.ErrNotExist) {
		return cardFacts{}, nil
	}
	if err != nil || len(text) > maxCardBytes {
		return cardFacts{}, err
	}
	return cardMetadata(string(text)), nil
}

// cardMetadata returns the metadata of a card, as public models have it: YAML between
// lines of dashes. What cannot be read is left out.
func cardMetadata(text string) (facts cardFacts) {
	meta, _ := splitCard(text)
	if len(meta) > maxMetaBytes {
		return cardFacts{}
	}
	var stated struct {
		License  any    `yaml:"license"`
		Name     string `yaml:"license_name"`
		Language any    `yaml:"language"`
	}
	if err := yaml.Unmarshal([]byte(meta), &stated); err != nil {
		return cardFacts{}
	}
	facts.license = strings.Join(terms(stated.License), ", ")
	if stated.Name != "" && (facts.license == "" || facts.license == "other") {
		facts.license = stated.Name
	}
	if len(facts.license) > maxTermBytes {
		facts.license = ""
	}
	facts.languages = terms(stated.Language)
	return facts
}

// terms returns a word, or a list of words; nil for anything else.
func terms(value any) (words []string) {
	list, several := value.([]any)
	if !several {
		list = []any{value}
	}
	for _, one := range list {
		word, ok := one.(string)
		if ok && word != "" && len(word) <= maxTermBytes && len(words) < maxLanguages {
			words = append(words, word)
		}
	}
	return words
}

// splitCard returns the metadata of a card and its text.
func splitCard(card string) (meta, text string) {
	card = strings.ReplaceAll(card, "\r\n", "\n")
	if rest, ok := strings.CutPrefix(card, "---\n"); ok {
		meta, text, _ = strings.Cut(rest, "\n---")
		return meta, text
	}
	return "", card
}

// Summary returns the first sentence of the card's paragraph that begins with cardLead, or
// of its first paragraph of text. It is empty if there is no card.
func (f Folder) Summary() string {
	text, err := f.ReadFile(cardFile)
	if err != nil || len(text) > maxCardBytes {
		return ""
	}
	return cardSummary(string(text))
}

// cardSummary returns the summary of a card.
func cardSummary(text string) string {
	_, text = splitCard(text)
	first := ""
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		paragraph = strings.TrimSpace(paragraph)
		if rest, ok := strings.CutPrefix(paragraph, cardLead); ok {
			return firstSentence(rest)
		}
		// Headings may stand directly above their text.
		for strings.HasPrefix(paragraph, "#") {
			_, paragraph, _ = strings.Cut(paragraph, "\n")
			paragraph = strings.TrimSpace(paragraph)
		}
		if first == "" && !strings.ContainsAny(firstByte(paragraph), "|<!>-`~=+[") {
			first = firstSentence(paragraph)
		}
	}
	return first
}

// firstByte returns the first byte of a text.
func firstByte(text string) string { return text[:min(1, len(text))] }

var (
	markdownLink  = regexp.MustCompile(`!?\[([^]]*)\]\([^)]*\)`)
	sentenceEnd   = regexp.MustCompile(`[.!?](\s|$)`)
	markdownMarks = strings.NewReplacer("**", "", "__", "", "`", "", "*", "")
)

// firstSentence returns the first sentence of a paragraph without its markup.
func firstSentence(paragraph string) string {
	plain := markdownMarks.Replace(markdownLink.ReplaceAllString(paragraph, "$1"))
	plain = strings.ToValidUTF8(strings.Join(strings.Fields(plain), " "), "")
	if at := sentenceEnd.FindStringIndex(plain); at != nil {
		plain = plain[:at[0]+1]
	}
	if len(plain) > maxSummaryBytes {
		plain = strings.ToValidUTF8(plain[:maxSummaryBytes], "") + "..."
	}
	return plain
}
