package tokenizer

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

func unzip(t *testing.T, name string, into any) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(unzipped).Decode(into))
}

func readModel(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "tokenizer.model"))
	require.NoError(t, err)
	return data
}

// TestTenThousandStringsOfSentencePiece compares with the sentencepiece library and a
// tokenizer.model that it trained. models/parity/sentencepiece_golden.py writes both.
func TestTenThousandStringsOfSentencePiece(t *testing.T) {
	t.Parallel()
	var strings struct{ Strings []struct{ Text string } }
	var golden struct {
		IDs     [][]int
		Decoded []*string
	}
	unzip(t, "golden.json.gz", &strings)
	unzip(t, "sentencepiece.json.gz", &golden)
	text, err := FromSentencePiece(readModel(t))
	require.NoError(t, err)
	require.Len(t, golden.IDs, 10000)
	for i, want := range golden.IDs {
		require.Equal(t, want, append([]int{}, text.Encode(strings.Strings[i].Text)...), "%q", strings.Strings[i].Text)
	}
	a, ok := text.ID("a")
	require.True(t, ok)
	for id, want := range golden.Decoded {
		if want != nil {
			require.Equal(t, *want, text.Decode([]int{a, id}), "id %d", id)
		}
	}
	require.Equal(t, "</s>", string(text.Bytes(2)))
}

// field encodes a field of a protobuf message: a number, a float or bytes.
func field(field int, value any) []byte {
	number := protowire.Number(field) //nolint:gosec // small
	switch v := value.(type) {
	case int:
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), uint64(v)) //nolint:gosec // small
	case float64:
		return protowire.AppendFixed32(protowire.AppendTag(nil, number, protowire.Fixed32Type), math.Float32bits(float32(v)))
	case string:
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), v)
	default:
		var inner []byte
		for _, part := range value.([][]byte) { //nolint:forcetypeassert // a test
			inner = append(inner, part...)
		}
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), inner)
	}
}

func onePiece(text string, score float64, kind int) []byte {
	return field(modelPieces, [][]byte{field(pieceText, text), field(pieceScore, score), field(pieceKind, kind)})
}

func TestModelsThatCannotBeFollowedAreRefused(t *testing.T) {
	t.Parallel()
	good := readModel(t)
	with := func(parts ...[]byte) []byte {
		data := append([]byte(nil), good...)
		for _, p := range parts {
			data = append(data, p...) // repeated occurrences of a message field are merged
		}
		return data
	}
	for want, data := range map[string][]byte{
		"no pieces":                     {},
		"unexpected EOF":                good[:len(good)/2],
		"model_type 1 is not supported": with(field(modelTrainer, [][]byte{field(trainerModelType, 1)})),
		"byte_fallback must":            with(field(modelTrainer, [][]byte{field(trainerByteFallback, 0)})),
		"whitespace_as_suffix":          with(field(modelTrainer, [][]byte{field(trainerSpaceAsSuffix, 1)})),
		"keep extra spaces":             with(field(modelNormalizer, [][]byte{field(normalizerRemoveSpaces, 1)})),
		"must be identity":              with(field(modelNormalizer, [][]byte{field(normalizerCharsMap, "x")})),
		`duplicate piece "<s>"`:         with(onePiece("<s>", 0, kindNormal)),
		`"<mine>" is of kind 4`:         with(onePiece("<mine>", 0, 4)),
		`score of "x9" is not a num`:    with(onePiece("x9", math.NaN(), kindNormal)),
		"<0x00> is missing": append(field(modelTrainer, [][]byte{field(trainerModelType, modelBPE), field(trainerByteFallback, 1)}),
			append(field(modelNormalizer, [][]byte{field(normalizerRemoveSpaces, 0)}), onePiece("a", 0, kindNormal)...)...),
	} {
		_, err := FromSentencePiece(data)
		require.ErrorIs(t, err, ErrFiles, want)
		require.ErrorContains(t, err, want)
	}
}

func FuzzFromSentencePiece(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "tokenizer.model"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, "abab \u2581")
	f.Add(append(data, onePiece("ab", 1, kindNormal)...), "\xff")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		tokens, err := FromSentencePiece(data)
		if err != nil {
			return
		}
		if decoded := tokens.Decode(tokens.Encode(text)); !utf8.ValidString(decoded) {
			t.Errorf("%q is no text", decoded)
		}
	})
}
