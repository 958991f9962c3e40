// Package ngram reads n-gram language models and scores words with them: files in ARPA
// format, and the binary formats of KenLM. It knows no files and no services; a file is
// an io.ReaderAt of untrusted content.
package ngram
