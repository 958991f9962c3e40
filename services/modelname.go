package services

import "regexp"

var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// IsModelName reports whether a model or an alias may have the name.
func IsModelName(name string) bool { return modelName.MatchString(name) }
