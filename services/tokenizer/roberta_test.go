package tokenizer

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readGolden decodes a compressed file of testdata.
func readGolden(t testing.TB, name string, into any) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(unzipped).Decode(into))
}

// TestRobertasOwnFiles compares tokenizer.json alone, and vocab.json with merges.txt,
// with the output of transformers.js for 12,500 strings. models/parity/roberta.mjs
// writes the hashes.
func TestRobertasOwnFiles(t *testing.T) {
	t.Parallel()
	alone := readText(t, reference(t), "testdata", "tokenizers", "roberta-base", "tokenizer.json")
	both := roberta(t)
	var known struct{ Strings []struct{ Text string } }
	readGolden(t, "golden.json.gz", &known)
	var golden struct {
		Extra []string
		Long  []struct {
			Text  string
			Times int
		}
		Hashes []string
	}
	readGolden(t, "roberta.json.gz", &golden)
	var texts []string
	for _, s := range known.Strings {
		texts = append(texts, s.Text)
	}
	texts = append(texts, golden.Extra...)
	for _, l := range golden.Long {
		texts = append(texts, strings.Repeat(l.Text, l.Times))
	}
	require.Len(t, golden.Hashes, len(texts))
	for i, text := range texts {
		ids := alone.Encode(text)
		require.Equal(t, ids, both.Encode(text))
		if idsHash(ids) != golden.Hashes[i] {
			t.Errorf("string %d, %.80q, got %.20v", i, text, ids)
		}
	}
}

// idsHash hashes ids as roberta.mjs does.
func idsHash(ids []int) string {
	var list []string
	for _, id := range ids {
		list = append(list, strconv.Itoa(id))
	}
	sum := sha256.Sum256([]byte(strings.Join(list, ",")))
	return hex.EncodeToString(sum[:4])
}
