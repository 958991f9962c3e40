package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text turns text into ids and back. Both kinds of BPE implement it.
type Text interface {
	// Encode gives the ids of a text, without special tokens: what looks like one
	// is text like any other, so that nobody can write one into a prompt.
	Encode(text string) []int
	// Decode joins tokens to text.
	Decode(ids []int) string
	// Bytes of one token in the middle of a text, none for an id that is not
	// known. A token may hold a part of a character.
	Bytes(id int) []byte
	// ID of a token as the files write it.
	ID(token string) (int, bool)
}

var (
	_ Text = (*ByteLevel)(nil)
	_ Text = (*Fallback)(nil)
)

// tokenizerFile is what is read of tokenizer.json.
type tokenizerFile struct {
	AddedTokens []struct {
		ID      int    `json:"id"`
		Content string `json:"content"`
	} `json:"added_tokens"`
	Normalizer   *step `json:"normalizer"`
	PreTokenizer *step `json:"pre_tokenizer"`
	Model        struct {
		Type         string         `json:"type"`
		UnkToken     *string        `json:"unk_token"`
		ByteFallback bool           `json:"byte_fallback"`
		Vocab        map[string]int `json:"vocab"`
		Merges       []pairText     `json:"merges"`
		// What no model here uses, and would change ids.
		IgnoreMerges bool     `json:"ignore_merges"`
		Prefix       *string  `json:"continuing_subword_prefix"`
		Suffix       *string  `json:"end_of_word_suffix"`
		Dropout      *float64 `json:"dropout"`
	} `json:"model"`
}

// step is a normalizer or a pre-tokenizer.
type step struct {
	Type           string `json:"type"`
	Prepend        string `json:"prepend"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
	Normalizers    []step `json:"normalizers"`
}

// pairText is a merge, as "a b" or as ["a", "b"].
type pairText pair

// UnmarshalJSON reads both forms.
func (p *pairText) UnmarshalJSON(data []byte) error {
	var two []string
	if err := json.Unmarshal(data, &two); err == nil {
		if len(two) != 2 {
			return fmt.Errorf("%w: a merge of %d tokens", ErrFiles, len(two))
		}
		p.left, p.right = two[0], two[1]
		return nil
	}
	var one string
	if err := json.Unmarshal(data, &one); err != nil {
		return fmt.Errorf("%w: a merge is neither a text nor a list", ErrFiles)
	}
	var ok bool
	if p.left, p.right, ok = strings.Cut(one, " "); !ok || p.left == "" || p.right == "" {
		return fmt.Errorf("%w: merge %q is no pair", ErrFiles, one)
	}
	return nil
}

// FromJSON builds the tokenizer that a tokenizer.json describes: BPE, either
// byte-level or with byte fallback as Llama has it. What it does not know is an
// error, since ids would be silently wrong.
func FromJSON(data []byte) (Text, error) {
	var file tokenizerFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w: %w", ErrFiles, err)
	}
	m := file.Model
	switch {
	case m.Type != "BPE" && m.Type != "":
		return nil, fmt.Errorf("tokenizer.json: %w: model is %s; BPE is what can be read", ErrFiles, m.Type)
	case len(m.Vocab) == 0:
		return nil, fmt.Errorf("tokenizer.json: %w: the vocabulary is empty", ErrFiles)
	case m.IgnoreMerges, m.Prefix != nil && *m.Prefix != "", m.Suffix != nil && *m.Suffix != "":
		return nil, fmt.Errorf("tokenizer.json: %w: ignore_merges, continuing_subword_prefix and end_of_word_suffix are not supported", ErrFiles)
	}
	v := vocabulary{ids: m.Vocab, tokens: make(map[int]string, len(m.Vocab)), unknown: -1}
	ranks := make(pairRanks, len(m.Merges))
	for token, id := range m.Vocab {
		v.tokens[id] = token
	}
	for _, added := range file.AddedTokens {
		v.ids[added.Content], v.tokens[added.ID] = added.ID, added.Content
	}
	for _, merge := range m.Merges {
		if _, ok := ranks[pair(merge)]; !ok {
			ranks[pair(merge)] = len(ranks)
		}
	}
	if m.UnkToken != nil {
		if id, ok := v.ids[*m.UnkToken]; ok {
			v.unknown = id
		}
	}
	if m.ByteFallback {
		return newFallback(v, ranks, file)
	}
	return newByteLevel(v, ranks, file)
}

// vocabulary is what both kinds have.
type vocabulary struct {
	ids     map[string]int
	tokens  map[int]string
	unknown int
}

func newByteLevel(v vocabulary, ranks pairRanks, file tokenizerFile) (Text, error) {
	p := file.PreTokenizer
	if file.Normalizer != nil || p == nil || p.Type != "ByteLevel" || p.AddPrefixSpace || p.UseRegex != nil && !*p.UseRegex {
		return nil, fmt.Errorf("tokenizer.json: %w: without byte_fallback, the pre-tokenizer must be ByteLevel with its pattern and no prefix space, and no normalizer", ErrFiles)
	}
	return &ByteLevel{ids: v.ids, tokens: v.tokens, ranks: ranks, unknown: v.unknown}, nil
}

// wordMark stands for a space in SentencePiece's vocabularies.
const wordMark = "\u2581"

// Fallback is BPE as Llama 2 has it: a text is one word, with U+2581 for each
// space and one before it; a character that the vocabulary lacks becomes the
// tokens of its bytes. Safe for concurrent use.
type Fallback struct {
	vocabulary
	ranks  ranker
	prefix string
	// bytes has the id of each <0xNN>; special has the ids that are no text.
	bytes   [256]int
	byID    map[int]byte
	special map[int]bool
}

func newFallback(v vocabulary, ranks pairRanks, file tokenizerFile) (Text, error) {
	t := &Fallback{vocabulary: v, ranks: ranks, byID: make(map[int]byte, 256), special: make(map[int]bool)}
	if err := t.findBytes(); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	for _, added := range file.AddedTokens {
		t.special[added.ID] = true
	}
	steps := []step{}
	if n := file.Normalizer; n != nil {
		steps = append(steps, *n)
		if n.Type == "Sequence" {
			steps = n.Normalizers
		}
	}
	for _, s := range steps {
		switch s.Type {
		case "Prepend":
			t.prefix = s.Prepend
		case "Replace": // of a space by the mark, which Encode does
		default:
			return nil, fmt.Errorf("tokenizer.json: %w: normalizer %s is not supported", ErrFiles, s.Type)
		}
	}
	if file.PreTokenizer != nil {
		return nil, fmt.Errorf("tokenizer.json: %w: byte_fallback goes without a pre-tokenizer, found %s", ErrFiles, file.PreTokenizer.Type)
	}
	return t, nil
}

// findBytes looks the ids of the 256 bytes up.
func (t *Fallback) findBytes() error {
	for b := range t.bytes {
		id, ok := t.ids[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			return fmt.Errorf("%w: byte_fallback is set and <0x%02X> is missing", ErrFiles, b)
		}
		t.bytes[b], t.byID[id] = id, byte(b)
	}
	return nil
}

// ID implements Text.
func (t *Fallback) ID(token string) (int, bool) {
	id, ok := t.ids[token]
	return id, ok
}

// Encode implements Text.
func (t *Fallback) Encode(text string) []int {
	if text == "" {
		return nil
	}
	word := t.prefix + strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), " ", wordMark)
	var ids []int
	for _, token := range merge(word, t.ranks) {
		if id, ok := t.ids[token]; ok {
			ids = append(ids, id)
			continue
		}
		for i := range len(token) {
			ids = append(ids, t.bytes[token[i]])
		}
	}
	return ids
}

// Bytes implements Text.
func (t *Fallback) Bytes(id int) []byte {
	if b, ok := t.byID[id]; ok {
		return []byte{b}
	}
	if t.special[id] {
		return []byte(t.tokens[id])
	}
	return []byte(strings.ReplaceAll(t.tokens[id], wordMark, " "))
}

// Decode implements Text. The space that Encode put before the text is taken away.
func (t *Fallback) Decode(ids []int) string {
	var raw []byte
	for i, id := range ids {
		piece := t.Bytes(id)
		if i == 0 && t.prefix != "" && !t.special[id] && len(piece) > 0 && piece[0] == ' ' {
			piece = piece[1:]
		}
		raw = append(raw, piece...)
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD")
}

// Complete gives how many bytes of data are whole characters, or can never
// become one: the rest is the beginning of a character whose end is still to come.
func Complete(data []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		tail := data[len(data)-n:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return len(data) - n
			}
			break
		}
	}
	return len(data)
}
