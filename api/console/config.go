package console

// Config is the configuration of the console. It cannot change while the server runs.
type Config struct {
	// Enabled serves the console at / to browsers. Defaults to true.
	Enabled bool `koanf:"enabled"`
}

// DefaultConfig returns the documented defaults.
func DefaultConfig() Config { return Config{Enabled: true} }
