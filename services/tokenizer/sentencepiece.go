package tokenizer

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/grym-synth/grym-synth/services/limits"
)

// Fields of sentencepiece_model.proto.
const (
	modelPieces     = 1
	modelTrainer    = 2
	modelNormalizer = 3

	pieceText  = 1
	pieceScore = 2
	pieceKind  = 3

	trainerModelType        = 3
	trainerSpaceAsSuffix    = 24
	trainerByteFallback     = 35
	normalizerCharsMap      = 2
	normalizerDummyPrefix   = 3
	normalizerRemoveSpaces  = 4
	normalizerEscapesSpaces = 5
)

// Values of a piece's type.
const (
	kindNormal  = 1
	kindUnknown = 2
	kindControl = 3
	kindByte    = 6
)

// modelBPE is the trainer's model_type for byte pair encoding.
const modelBPE = 2

// sentencePiece is the parsed content of a tokenizer.model, with the format's defaults.
type sentencePiece struct {
	pieces []scored
	// modelType is UNIGRAM (1) by default.
	modelType                               uint64
	byteFallback, spaceAsSuffix             bool
	charsMap                                bool
	dummyPrefix, removeSpaces, escapeSpaces bool
}

type scored struct {
	text  string
	score float32
	kind  uint64
}

// FromSentencePiece returns the tokenizer of a SentencePiece model file: BPE with byte
// fallback, such as the tokenizer.model of Llama 2. Neighbours are merged by the score
// of the joined piece. Unsupported settings are errors, because the ids would be
// silently wrong.
func FromSentencePiece(data []byte) (Text, error) {
	m := sentencePiece{modelType: 1, dummyPrefix: true, removeSpaces: true, escapeSpaces: true}
	if err := m.read(data); err != nil {
		return nil, wrong("tokenizer.model", err)
	}
	switch {
	case len(m.pieces) == 0:
		return nil, fmt.Errorf("tokenizer.model: %w: it has no pieces", ErrFiles)
	case m.modelType != modelBPE:
		return nil, fmt.Errorf("tokenizer.model: %w: model_type %d is not supported; it must be 2, BPE", ErrFiles, m.modelType)
	case !m.byteFallback, m.spaceAsSuffix:
		return nil, fmt.Errorf("tokenizer.model: %w: byte_fallback must be set and treat_whitespace_as_suffix not", ErrFiles)
	case m.charsMap, m.removeSpaces, !m.escapeSpaces:
		return nil, fmt.Errorf("tokenizer.model: %w: the normalizer must be identity, keep extra spaces and escape them", ErrFiles)
	}
	return m.fallback()
}

// fallback returns the tokenizer.
func (m *sentencePiece) fallback() (Text, error) {
	t := &Fallback{
		vocabulary: vocabulary{ids: make(map[string]int, len(m.pieces)), tokens: make(map[int]string, len(m.pieces)), unknown: -1},
		byID:       make(map[int]byte, 256), special: make(map[int]bool),
	}
	if m.dummyPrefix {
		t.prefix = wordMark
	}
	scores := make([]float32, 0, len(m.pieces))
	for id, p := range m.pieces {
		if _, ok := t.ids[p.text]; ok {
			return nil, fmt.Errorf("tokenizer.model: %w: duplicate piece %s", ErrFiles, limits.Quote(p.text))
		}
		t.ids[p.text], t.tokens[id] = id, p.text
		switch p.kind {
		case kindNormal:
			scores = append(scores, p.score)
		case kindUnknown:
			t.unknown, t.special[id] = id, true
		case kindControl:
			t.special[id] = true
		case kindByte:
		default:
			return nil, fmt.Errorf("tokenizer.model: %w: piece %s is of kind %d, which is not supported", ErrFiles, limits.Quote(p.text),
				p.kind)
		}
	}
	if err := t.findBytes(); err != nil {
		return nil, fmt.Errorf("tokenizer.model: %w", err)
	}
	slices.SortFunc(scores, func(a, b float32) int { return cmp.Compare(b, a) })
	scores = slices.Compact(scores)
	ranks := make(map[float32]int, len(scores))
	for rank, score := range scores {
		ranks[score] = rank
	}
	joined := make(joinedRanks, len(m.pieces))
	for _, p := range m.pieces {
		if p.kind == kindNormal {
			joined[p.text] = ranks[p.score]
		}
	}
	t.ranks = joined
	return t, nil
}

// read parses the model message.
func (m *sentencePiece) read(data []byte) error {
	return fields(data, func(number int, _ uint64, inner []byte) error {
		switch number {
		case modelPieces:
			if len(m.pieces) == limits.Vocabulary {
				return fmt.Errorf("must have at most %d pieces, got more", limits.Vocabulary)
			}
			p := scored{kind: kindNormal}
			err := fields(inner, p.field)
			if err == nil {
				err = checkToken(p.text, len(m.pieces))
			}
			m.pieces = append(m.pieces, p)
			return err
		case modelTrainer:
			return fields(inner, m.trainerField)
		case modelNormalizer:
			return fields(inner, m.normalizerField)
		}
		return nil
	})
}

func (p *scored) field(number int, value uint64, inner []byte) error {
	switch number {
	case pieceText:
		p.text = string(inner)
	case pieceScore:
		p.score = math.Float32frombits(uint32(value)) //nolint:gosec // a fixed32
		if p.score != p.score {
			return fmt.Errorf("the score of %s is not a number", limits.Quote(p.text))
		}
	case pieceKind:
		p.kind = value
	}
	return nil
}

func (m *sentencePiece) trainerField(number int, value uint64, _ []byte) error {
	switch number {
	case trainerModelType:
		m.modelType = value
	case trainerByteFallback:
		m.byteFallback = value != 0
	case trainerSpaceAsSuffix:
		m.spaceAsSuffix = value != 0
	}
	return nil
}

func (m *sentencePiece) normalizerField(number int, value uint64, inner []byte) error {
	switch number {
	case normalizerCharsMap:
		m.charsMap = len(inner) > 0
	case normalizerDummyPrefix:
		m.dummyPrefix = value != 0
	case normalizerRemoveSpaces:
		m.removeSpaces = value != 0
	case normalizerEscapesSpaces:
		m.escapeSpaces = value != 0
	}
	return nil
}

// fields calls visit for every field of a protobuf message, with its number if it is a
// scalar and its bytes otherwise.
func fields(message []byte, visit func(number int, value uint64, inner []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var value uint64
		var inner []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(message)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(message)
			value = uint64(v)
		case protowire.BytesType:
			inner, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := visit(int(number), value, inner); err != nil {
			return err
		}
	}
	return nil
}
