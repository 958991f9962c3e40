package webhook

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/grym-synth/grym-synth/internal/regular"
)

// maxSecretBytes bounds the file of a secret.
const maxSecretBytes = 64 << 10

// LoadSecret returns the secret in a file, or creates the file with 256 random bits.
// Only one process may call it at a time.
func LoadSecret(path string) (string, error) {
	data, err := regular.Read(path, maxSecretBytes)
	if err == nil {
		secret := strings.TrimSpace(string(data))
		if len(secret) < minSecret {
			return "", fmt.Errorf("webhook secret: %s must hold at least %d characters, it has %d", path, minSecret, len(secret))
		}
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("webhook secret: %w", err)
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, by its documentation
	secret := hex.EncodeToString(random[:])
	// The file is renamed into place, so that a crash cannot leave half a secret.
	file, err := os.CreateTemp(filepath.Dir(path), "webhook-*") // mode 0600
	if err != nil {
		return "", fmt.Errorf("webhook secret: %w", err)
	}
	_, err = file.WriteString(secret + "\n")
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("webhook secret: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return secret, nil
}
