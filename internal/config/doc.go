// Package config loads the settings: defaults, then a file, then environment variables,
// then flags. It composes the configuration types that the packages define, and is the only
// package that reads the environment.
package config
