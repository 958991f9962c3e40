// Package config loads every setting: defaults, then a file, then environment
// variables, then flags. It composes the configuration types that the packages
// define for themselves, and is the only reader of the environment. Main alone
// imports it.
package config
