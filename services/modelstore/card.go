package modelstore

import (
	"regexp"
	"strings"
)

// cardFile is the optional model card of a folder, in Markdown.
const cardFile = "README.md"

// cardLead begins the paragraph of a card about what the model knows.
const cardLead = "**What it knows.**"

// Limits of a card and its summary in bytes.
const (
	maxCardBytes    = 1 << 20
	maxSummaryBytes = 500
)

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
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if rest, ok := strings.CutPrefix(text, "---\n"); ok { // the metadata of public models
		_, text, _ = strings.Cut(rest, "\n---")
	}
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
