package config

import "strings"

// Variables of commands that use another server. They are not settings of this one.
const (
	envAPIKey     = "GRYM_API_KEY"
	envAPIKeyFile = "GRYM_API_KEY_FILE"
)

// notSettings are the variables with the prefix GRYM_ that are not settings.
var notSettings = []string{envTestdata, envAPIKey, envAPIKeyFile}

// ClientKey returns the API key for another server, or the name of its file, from an
// environment as returned by os.Environ; "" if they are not set.
func ClientKey(environ []string) (key, file string) {
	for _, entry := range environ {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case envAPIKey:
			key = value
		case envAPIKeyFile:
			file = value
		}
	}
	return key, file
}
