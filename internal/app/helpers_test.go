package app

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMain runs the tests in the folder of the module.
func TestMain(m *testing.M) {
	if err := os.Chdir(filepath.Join("..", "..")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

const clips = "models/wav2vec2-tiny/clips/"
