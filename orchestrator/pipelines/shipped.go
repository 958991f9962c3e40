package pipelines

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// shipped has the pipelines that come with the server. A pipeline that can be done in several
// ways has a file for each, numbered from the preferred one.
//
//go:embed shipped/*.json
var shipped embed.FS

// ship adds the pipelines that come with the server, except those whose names are taken.
func (s *Service) ship(cfg Config) error {
	if !cfg.Shipped {
		return nil
	}
	files, err := fs.Glob(shipped, "shipped/*.json")
	if err != nil {
		return err
	}
	for _, file := range files {
		name, _, _ := strings.Cut(path.Base(file), ".")
		raw, err := shipped.ReadFile(file)
		if err != nil {
			return err
		}
		d, err := Parse(raw)
		if err == nil {
			d.Name = name
			_, err = Compile(d)
		}
		if err != nil {
			return fmt.Errorf("pipeline %s: %w", file, err)
		}
		if slices.ContainsFunc(s.fixed, func(p Pipeline) bool { return p.Definition.Name == name && p.Origin == OriginConfig }) {
			continue
		}
		if len(s.variants[name]) == 0 {
			s.fixed = append(s.fixed, Pipeline{Definition: d, Version: 1, Origin: OriginShipped})
		}
		s.variants[name] = append(s.variants[name], d)
	}
	return nil
}
