package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
)

// keyAliases is a setting whose keys are names chosen by the operator and can contain dots.
// So it is a single value, a map[string]string, that the sources add to.
const keyAliases = "models.aliases"

// takeAliases removes the aliases from k and returns them; a null alias is nil. present
// reports whether k had any; aliases is nil if null replaces all.
func takeAliases(k *koanf.Koanf) (aliases map[string]*string, given bool, err error) {
	if !k.Exists(keyAliases) {
		return nil, false, nil
	}
	var errs []error
	aliases = make(map[string]*string)
	switch value := k.Get(keyAliases).(type) {
	case nil:
		aliases = nil
	case map[string]string:
		for name, target := range value {
			aliases[name] = &target
		}
	case map[string]any:
		for name, target := range value {
			switch target := target.(type) {
			case nil:
				aliases[name] = nil
			case string:
				aliases[name] = &target
			default:
				errs = append(errs, fmt.Errorf("%s.%s: must be the name of a model, got %v", keyAliases, name, target))
			}
		}
	case string:
		// A variable, as whisper-1=wav2vec2-tiny,mine=other.
		for pair := range strings.SplitSeq(value, ",") {
			name, target, ok := strings.Cut(strings.TrimSpace(pair), "=")
			if !ok && pair != "" {
				errs = append(errs, fmt.Errorf("%s: must be a list such as whisper-1=wav2vec2-tiny, got %q", keyAliases, value))
			} else if ok {
				aliases[name] = &target
			}
		}
	default:
		errs = append(errs, fmt.Errorf("%s: must have a name for each alias, as whisper-1: wav2vec2-tiny, got %v", keyAliases, value))
	}
	k.Delete(keyAliases)
	return aliases, true, errors.Join(errs...)
}

// aliasesIn returns a copy of the aliases in k, which are a single value.
func aliasesIn(k *koanf.Koanf) map[string]string {
	known, _ := k.Get(keyAliases).(map[string]string)
	return maps.Clone(known)
}

// joinAliases puts a layer's aliases over the earlier ones and makes them a single value.
func (l *Loaded) joinAliases(set *layer) error {
	aliases, given, err := takeAliases(set.values)
	if err != nil || !given || aliases == nil {
		return err
	}
	joined := aliasesIn(l.values)
	for name, target := range aliases {
		if joined[name] = ""; target != nil {
			joined[name] = *target
		}
	}
	return set.values.Set(keyAliases, joined)
}

// mergeAliases moves the aliases of a patch to the earlier changes, if they differ from the
// shown ones. Null reverts an earlier change.
func mergeAliases(patch, current, shown *koanf.Koanf) error {
	aliases, given, err := takeAliases(patch)
	if err != nil || !given {
		return err
	}
	changed, inForce := aliasesIn(current), aliasesIn(shown)
	current.Delete(keyAliases)
	if changed == nil {
		changed = make(map[string]string)
	}
	for name, target := range aliases {
		known, exists := inForce[name]
		switch {
		case target == nil:
			delete(changed, name)
		case !exists || known != *target:
			changed[name] = *target
		}
	}
	if len(changed) == 0 || aliases == nil {
		return nil
	}
	return current.Set(keyAliases, changed)
}

// pairs formats aliases as in a variable.
func pairs(aliases map[string]string) string {
	list := make([]string, 0, len(aliases))
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		list = append(list, name+"="+aliases[name])
	}
	return strings.Join(list, ",")
}
