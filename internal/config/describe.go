package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting describes a key of the configuration.
type Setting struct {
	Key string
	// Description is the comment in config.yaml; empty if there is none.
	Description string
	// Default is the plain value in force without any source.
	Default any
	// Origin is "default", or the name of a file, variable or flag, "changed live", or the
	// key from which the value is inherited.
	Origin string
	// Live is set if the value can change while the server runs.
	Live bool
}

// Describe returns a description of every setting, ordered by key.
func (l *Live) Describe() ([]Setting, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	unset, err := Load(Source{})
	if err != nil {
		return nil, err
	}
	now, defaults := l.loaded.plain(), unset.plain()
	meanings, err := readComments(l.source.Reference)
	if err != nil {
		return nil, err
	}
	var list []Setting
	for _, key := range now.Keys() {
		one := Setting{Key: key, Description: meanings[key], Default: defaults.Get(key), Origin: l.loaded.origins[key], Live: mayChange(key)}
		if from := inherited[key]; one.Description == "" && from != "" {
			one.Description = meanings[from]
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Setting) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

// readComments returns the comments of a YAML file by key: the one on the line of the key,
// or else the one above it.
func readComments(text []byte) (map[string]string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read the comments of the settings: %w", err)
	}
	comments := make(map[string]string)
	if len(document.Content) > 0 {
		collectComments(document.Content[0], "", "", comments)
	}
	return comments, nil
}

// collectComments adds the comments of a mapping. Its own comment is that of the keys in it
// if it is written on one line.
func collectComments(mapping *yaml.Node, prefix, own string, comments map[string]string) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i], mapping.Content[i+1]
		key, comment := prefix+name.Value, own
		for _, text := range []string{name.HeadComment, name.LineComment, value.LineComment} {
			if text != "" {
				comment = plainComment(text)
			}
		}
		if value.Kind != yaml.MappingNode {
			comments[key] = comment
			continue
		}
		comments[key] = comment // models.aliases is a value
		if value.Style&yaml.FlowStyle == 0 {
			comment = ""
		}
		collectComments(value, key+".", comment, comments)
	}
}

// plainComment returns the last paragraph of a comment as one line.
func plainComment(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	var words []string
	for line := range strings.SplitSeq(paragraphs[len(paragraphs)-1], "\n") {
		words = append(words, strings.TrimSpace(strings.TrimPrefix(line, "#")))
	}
	return strings.Join(words, " ")
}
