package config

import "strings"

// Variables for commands that use another server. They are no settings of this one.
const (
	envAPIKey     = "GRYM_API_KEY"
	envAPIKeyFile = "GRYM_API_KEY_FILE"
)

// notSettings are the variables with our prefix that set nothing.
var notSettings = []string{envTestdata, envAPIKey, envAPIKeyFile}

// ClientKey returns the API key for another server, or the file that has it, from
// an environment as os.Environ returns it; empty where there is none.
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
