package natsstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// blocksFile lists the block files of an orderly stopped server with their sizes.
const blocksFile = "blocks.json"

// blocks returns the sizes of the server's block files by their names in a folder.
func blocks(dir string) (map[string]int64, error) {
	names, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(names))
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		within, err := filepath.Rel(dir, name)
		if err != nil {
			return nil, err
		}
		sizes[within] = info.Size()
	}
	return sizes, nil
}

// noteBlocks writes the sizes of the block files after an orderly stop.
func noteBlocks(dir string) error {
	sizes, err := blocks(dir)
	if err != nil {
		return fmt.Errorf("note the files of the store: %w", err)
	}
	raw, err := json.Marshal(sizes)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, blocksFile), raw, 0o640)
	}
	if err != nil {
		return fmt.Errorf("note the files of the store: %w", err)
	}
	return nil
}

// checkBlocks removes the index of every stream that has a block file which is missing or
// shorter than at the orderly stop: the server trusts the index, and would accept writes
// that it then cannot find. Without an index it reads the files.
func checkBlocks(dir string, log *slog.Logger) error {
	name := filepath.Join(dir, blocksFile)
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is the first start, or the server was killed
	}
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	var noted map[string]int64
	if err := json.Unmarshal(raw, &noted); err != nil {
		log.Warn("the list of the store's files is damaged", "file", name, "error", err)
	}
	sizes, err := blocks(dir)
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	for block, size := range noted {
		if sizes[block] >= size {
			continue
		}
		log.Error("a file of the job store was cut or removed", "file", filepath.Join(dir, block), "bytes", sizes[block], "were", size)
		if err := removeIndex(filepath.Join(dir, filepath.Dir(block))); err != nil {
			return err
		}
	}
	// The sizes are valid until the server changes the files.
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	return nil
}

// removeIndex removes the index in a folder of block files, if there is one.
func removeIndex(dir string) error {
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("jobs: remove the index of damaged files: %w", err)
	}
	return nil
}
