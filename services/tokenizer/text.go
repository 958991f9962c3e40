package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/grym-synth/grym-synth/services/limits"
)

// Text converts text to ids and back. Both kinds of BPE implement it.
type Text interface {
	// Encode returns the ids of a text without special tokens. The names of special
	// tokens are encoded as ordinary text, so that a prompt cannot contain one.
	Encode(text string) []int
	// Decode returns the text of tokens.
	Decode(ids []int) string
	// Bytes returns the bytes of one token in the middle of a text, or nil for an
	// unknown id. A token may be part of a character.
	Bytes(id int) []byte
	// ID returns the id of a token, written as in the files.
	ID(token string) (int, bool)
}

var (
	_ Text = (*ByteLevel)(nil)
	_ Text = (*Fallback)(nil)
)

// tokenizerFile is the supported part of tokenizer.json.
type tokenizerFile struct {
	Added     json.RawMessage `json:"added_tokens"`
	Normal    json.RawMessage `json:"normalizer"`
	PreTokens json.RawMessage `json:"pre_tokenizer"`
	Model     struct {
		Type         string          `json:"type"`
		UnkToken     *string         `json:"unk_token"`
		ByteFallback bool            `json:"byte_fallback"`
		Tokens       json.RawMessage `json:"vocab"`
		Pairs        json.RawMessage `json:"merges"`
		// Unsupported settings that would change ids.
		IgnoreMerges bool     `json:"ignore_merges"`
		Prefix       *string  `json:"continuing_subword_prefix"`
		Suffix       *string  `json:"end_of_word_suffix"`
		Dropout      *float64 `json:"dropout"`
	} `json:"model"`

	// The decoded parts, each with limits of its own.
	added        []addedToken
	normalizer   *step
	preTokenizer *step
	vocab        map[string]int
	merges       []pairText
}

type addedToken struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
}

// step is a normalizer or a pre-tokenizer.
type step struct {
	Type           string `json:"type"`
	Prepend        string `json:"prepend"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	UseRegex       *bool  `json:"use_regex"`
	Normalizers    []step `json:"normalizers"`
}

// pairText is a merge, written "a b" or ["a", "b"].
type pairText pair

// UnmarshalJSON accepts both forms.
func (p *pairText) UnmarshalJSON(data []byte) error {
	var two []string
	if err := json.Unmarshal(data, &two); err == nil {
		if len(two) != 2 {
			return fmt.Errorf("%w: a merge has %d tokens", ErrFiles, len(two))
		}
		p.left, p.right = two[0], two[1]
		return nil
	}
	var one string
	if err := json.Unmarshal(data, &one); err != nil {
		return fmt.Errorf("%w: a merge is neither a string nor an array", ErrFiles)
	}
	var ok bool
	if p.left, p.right, ok = strings.Cut(one, " "); !ok || p.left == "" || p.right == "" {
		return fmt.Errorf("%w: merge %s is not a pair", ErrFiles, limits.Quote(one))
	}
	return nil
}

// Limits of a tokenizer's files and their parts. The largest known has 262,144 tokens
// and 514,906 merges, each an array of two.
var (
	fileSize   = limits.Size{Bytes: 34 << 20, Values: 5 << 20}
	addedSize  = limits.Size{Bytes: 16 << 20, Values: 1 << 20}
	stepSize   = limits.Size{Bytes: 1 << 20, Values: 4096}
	mergesSize = limits.Size{Bytes: 32 << 20, Values: 3 * maxMerges}
)

const (
	maxMerges = 1_000_000
	// maxPrefixBytes is the maximum length of the text that a normalizer prepends.
	maxPrefixBytes = 64
)

// decode decodes a tokenizer.json and its parts.
func (f *tokenizerFile) decode(data []byte) error {
	if err := limits.Decode(data, f, fileSize); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		data json.RawMessage
		into any
		size limits.Size
	}{
		{"added_tokens", f.Added, &f.added, addedSize},
		{"normalizer", f.Normal, &f.normalizer, stepSize},
		{"pre_tokenizer", f.PreTokens, &f.preTokenizer, stepSize},
		{"model.vocab", f.Model.Tokens, &f.vocab, limits.Index},
		{"model.merges", f.Model.Pairs, &f.merges, mergesSize},
	} {
		if part.data == nil {
			continue
		}
		if err := limits.Decode(part.data, part.into, part.size); err != nil {
			return fmt.Errorf("%s %w", part.name, err)
		}
	}
	f.Added, f.Model.Tokens, f.Model.Pairs = nil, nil, nil
	return f.check()
}

// check validates the values that determine sizes.
func (f *tokenizerFile) check() error {
	for token, id := range f.vocab {
		if err := checkToken(token, id); err != nil {
			return err
		}
	}
	if len(f.merges) > maxMerges {
		return fmt.Errorf("model.merges must have at most %d values, got %d", maxMerges, len(f.merges))
	}
	for _, added := range f.added {
		if err := checkToken(added.Content, added.ID); err != nil {
			return err
		}
	}
	for _, s := range f.steps() {
		if len(s.Prepend) > maxPrefixBytes {
			return fmt.Errorf("normalizer.prepend must be at most %d bytes, got %d", maxPrefixBytes, len(s.Prepend))
		}
	}
	return nil
}

// steps returns the steps of the normalizer.
func (f *tokenizerFile) steps() []step {
	switch n := f.normalizer; {
	case n == nil:
		return nil
	case n.Type == "Sequence":
		return n.Normalizers
	default:
		return []step{*n}
	}
}

// checkToken checks the length and the ID of a token, because its text is copied
// whenever it is decoded and its ID is an index.
func checkToken(token string, id int) error {
	if id < 0 || id >= limits.Vocabulary {
		return fmt.Errorf("id of %s must be 0 to %d, got %d", limits.Quote(token), limits.Vocabulary-1, id)
	}
	if len(token) > limits.TokenBytes {
		return fmt.Errorf("token %s must be at most %d bytes, got %d", limits.Quote(token), limits.TokenBytes, len(token))
	}
	return nil
}

// FromJSON returns the tokenizer described by a tokenizer.json: BPE, either byte-level
// or with byte fallback as in Llama. Unsupported settings are errors, because the ids
// would be silently wrong.
func FromJSON(data []byte) (Text, error) {
	var file tokenizerFile
	if err := file.decode(data); err != nil {
		return nil, wrong("tokenizer.json", err)
	}
	m := file.Model
	switch {
	case m.Type != "BPE" && m.Type != "":
		return nil, fmt.Errorf("tokenizer.json: %w: model %s is not supported; it must be BPE", ErrFiles, limits.Quote(m.Type))
	case len(file.vocab) == 0:
		return nil, fmt.Errorf("tokenizer.json: %w: the vocabulary is empty", ErrFiles)
	case m.IgnoreMerges, m.Prefix != nil && *m.Prefix != "", m.Suffix != nil && *m.Suffix != "":
		return nil, fmt.Errorf("tokenizer.json: %w: ignore_merges, continuing_subword_prefix and end_of_word_suffix are not supported",
			ErrFiles)
	}
	v := vocabulary{ids: file.vocab, tokens: make(map[int]string, len(file.vocab)), unknown: -1}
	ranks := make(pairRanks, len(file.merges))
	for token, id := range file.vocab {
		v.tokens[id] = token
	}
	for _, added := range file.added {
		v.ids[added.Content], v.tokens[added.ID] = added.ID, added.Content
	}
	for _, merge := range file.merges {
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

// vocabulary is the common part of both kinds.
type vocabulary struct {
	ids     map[string]int
	tokens  map[int]string
	unknown int
}

func newByteLevel(v vocabulary, ranks pairRanks, file tokenizerFile) (Text, error) {
	p := file.preTokenizer
	if file.normalizer != nil || p == nil || p.Type != "ByteLevel" || p.AddPrefixSpace || p.UseRegex != nil && !*p.UseRegex {
		return nil, fmt.Errorf("tokenizer.json: %w: without byte_fallback, the pre-tokenizer must be ByteLevel "+
			"with its pattern and no prefix space, and no normalizer", ErrFiles)
	}
	return &ByteLevel{ids: v.ids, tokens: v.tokens, ranks: ranks, unknown: v.unknown}, nil
}

// wordMark represents a space in SentencePiece's vocabularies.
const wordMark = "\u2581"

// Fallback is the BPE of Llama 2: a text is one word, with U+2581 for each space and
// one at the start, and a character missing from the vocabulary becomes the tokens of
// its bytes. Safe for concurrent use.
type Fallback struct {
	vocabulary
	ranks  ranker
	prefix string
	// bytes has the id of each <0xNN>; special has the ids that do not represent text.
	bytes   [256]int
	byID    map[int]byte
	special map[int]bool
}

func newFallback(v vocabulary, ranks pairRanks, file tokenizerFile) (Text, error) {
	t := &Fallback{vocabulary: v, ranks: ranks, byID: make(map[int]byte, 256), special: make(map[int]bool)}
	if err := t.findBytes(); err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	for _, added := range file.added {
		t.special[added.ID] = true
	}
	for _, s := range file.steps() {
		switch s.Type {
		case "Prepend":
			t.prefix = s.Prepend
		case "Replace": // of a space by the mark, which Encode does
		default:
			return nil, fmt.Errorf("tokenizer.json: %w: normalizer %s is not supported", ErrFiles, limits.Quote(s.Type))
		}
	}
	if file.preTokenizer != nil {
		return nil, fmt.Errorf("tokenizer.json: %w: byte_fallback does not support a pre-tokenizer, found %s", ErrFiles,
			limits.Quote(file.preTokenizer.Type))
	}
	return t, nil
}

// findBytes finds the ids of the 256 bytes.
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

// Decode implements Text. It removes the space that Encode adds at the start.
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

// Complete returns the number of bytes of data up to the start of a trailing incomplete
// character. Bytes that can never become a character count as complete.
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
