package hub

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// publicEndpoint is the address of the Hugging Face Hub.
const publicEndpoint = "https://huggingface.co"

// defaultIdle is how long a download may receive nothing.
const defaultIdle = 30 * time.Second

// Settings are those of a Client.
type Settings struct {
	// Endpoint is the address of the hub, without a slash at its end.
	Endpoint string
	// Token is sent to the hub; empty for public models.
	Token string
	// Offline refuses everything that needs the network.
	Offline bool
	// Idle is how long a request may receive nothing.
	Idle time.Duration
}

// FromEnvironment returns the settings in the variables that other tools for the hub use:
// HF_ENDPOINT, HF_TOKEN (or the file HF_TOKEN_PATH, or HF_HOME/token), HF_HUB_OFFLINE and
// HF_HUB_DOWNLOAD_TIMEOUT in seconds. Proxies are those of HTTPS_PROXY and its kin.
func FromEnvironment(getenv func(string) string) (Settings, error) {
	s := Settings{Endpoint: publicEndpoint, Idle: defaultIdle, Token: token(getenv), Offline: isSet(getenv("HF_HUB_OFFLINE"))}
	if endpoint := strings.TrimRight(getenv("HF_ENDPOINT"), "/"); endpoint != "" {
		address, err := url.Parse(endpoint)
		if err != nil || address.Host == "" || (address.Scheme != "http" && address.Scheme != "https") {
			return Settings{}, fmt.Errorf("HF_ENDPOINT must be an address such as %s, got %.200q", publicEndpoint, endpoint)
		}
		s.Endpoint = endpoint
	}
	if text := getenv("HF_HUB_DOWNLOAD_TIMEOUT"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds <= 0 || seconds > 86400 {
			return Settings{}, fmt.Errorf("HF_HUB_DOWNLOAD_TIMEOUT must be a number of seconds up to 86400, got %.40q", text)
		}
		s.Idle = time.Duration(seconds * float64(time.Second))
	}
	return s, nil
}

// isSet reports whether the value of a variable means true.
func isSet(value string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(value))
}

// token returns the user's token; empty if there is none.
func token(getenv func(string) string) string {
	if value := strings.TrimSpace(getenv("HF_TOKEN")); value != "" {
		return value
	}
	file := getenv("HF_TOKEN_PATH")
	if file == "" {
		home := getenv("HF_HOME")
		if home == "" && getenv("HOME") != "" {
			home = filepath.Join(getenv("HOME"), ".cache", "huggingface")
		}
		if home == "" {
			return ""
		}
		file = filepath.Join(home, "token")
	}
	data, err := os.ReadFile(file) //nolint:gosec // the user's own file
	if err != nil || len(data) > 4096 {
		return ""
	}
	return strings.TrimSpace(string(data))
}
