package config

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grym-synth/grym-synth/services"
)

func TestAliasesAreJoinedFromEverySource(t *testing.T) {
	t.Parallel()
	l, err := Load(Source{
		File: yamlFile(t, "models:\n  aliases:\n    gpt-4.1-listen: my.model\n    whisper-1: wav2vec2-tiny\n    gpt-transcribe:\n    "+
			"gone: x\n  defaults: {transcribe: my.model}\n"),
		Environ: []string{"GRYM_MODELS__ALIASES=other=gpt-4.1-listen, gone=", "GRYM_MODELS__DEFAULTS__EMBED=v"},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"whisper-1": "wav2vec2-tiny", "gpt-4o-transcribe": "default:transcribe", "gpt-4o-mini-transcribe": "default:transcribe",
		"gpt-4o-transcribe-diarize": "default:transcribe", "gpt-4.1-listen": "my.model", "other": "gpt-4.1-listen",
	}, l.Models.Names().Aliases)
	require.Equal(t, map[string]string{"transcribe": "my.model", "embed": "v"}, l.Models.Names().Defaults)
	var out bytes.Buffer
	require.NoError(t, l.WriteOrigins(&out))
	require.Contains(t, out.String(), "# GRYM_MODELS__ALIASES")
	require.Contains(t, out.String(), "models.defaults.transcribe: my.model  # settings.yaml")
	out.Reset()
	require.NoError(t, l.WriteYAML(&out))
	again, err := Load(Source{File: yamlFile(t, out.String())})
	require.NoError(t, err)
	require.Equal(t, l.Config, again.Config)
}

func TestNamesOfModelsAreChecked(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"models: {aliases: {a/b: x}}": "models.aliases.a/b: must be 1 to 128 letters, digits, '.', " +
			"'_' or '-', the first one a letter or digit",
		"models: {aliases: {a: ../x}}": `models.aliases.a: must stand for a model, another alias, or ` +
			`default: and a task, got "../x"`,
		"models: {aliases: {a: 'default:sing'}}": `models.aliases.a: task "sing" does not exist or needs no model; ` +
			`available: transcribe, translate, embed, classify, generate, ask, caption`,
		"models: {aliases: {a: b, b: c, c: a}}": "models.aliases.a: stands for itself, by way of b, c",
		"models: {aliases: {a: a}}":             "models.aliases.a: stands for itself",
		"models: {aliases: [a, b]}": "models.aliases: must have a name for each alias, as " +
			"whisper-1: wav2vec2-tiny",
		"models: {aliases: {a: {b: c}}}": "models.aliases.a: must be the name of a model",
		"models: {defaults: {sing: x}}":  "models.defaults.sing: not a setting",
		"models: {defaults: {transcribe: a b}}": `models.defaults.transcribe: must be the name of a model or an ` +
			`alias, got "a b"`,
		"models: {defaults: {transcribe: whisper-1}}": "models.defaults.transcribe: whisper-1 stands for " +
			"default:transcribe, the default itself",
		"models: {defaults: {transcribe: a}, aliases: {a: 'default:embed'}}": "models.defaults.transcribe: a stands for default:embed; name " +
			"a model",
	} {
		_, err := Load(Source{File: yamlFile(t, text)})
		require.ErrorContains(t, err, says, text)
	}
	_, err := Load(Source{Environ: []string{"GRYM_MODELS__ALIASES=a"}})
	require.ErrorContains(t, err, `models.aliases: must be a list such as whisper-1=wav2vec2-tiny, got "a"`)
}

func TestAliasesChangeLive(t *testing.T) {
	t.Parallel()
	source := Source{File: yamlFile(t, "models: {aliases: {a: x}}\n")}
	loaded, err := Load(source)
	require.NoError(t, err)
	var now map[string]string
	live := NewLive(source, loaded, func(changed *Loaded) { now = changed.Models.Names().Aliases })
	patch := func(aliases any) ([]string, error) {
		return live.Patch(map[string]any{"models": map[string]any{"aliases": aliases}})
	}
	changed, err := patch(map[string]any{"b.1": "y", "a": "z", "whisper-1": ""})
	require.NoError(t, err)
	require.Equal(t, []string{"models.aliases"}, changed)
	require.Equal(t, []any{"y", "z", ""}, []any{now["b.1"], now["a"], now["whisper-1"]})
	_, err = patch(map[string]any{"a": nil})
	require.NoError(t, err)
	require.Equal(t, []any{"y", "x"}, []any{now["b.1"], now["a"]}, "null takes the change of one back")
	_, err = patch(map[string]any{"a": "b.1", "b.1": "a"})
	require.Equal(t, services.KindInvalid, services.KindOf(err))
	require.ErrorContains(t, err, "models.aliases.a stands for itself")
	_, err = patch(nil)
	require.NoError(t, err)
	require.Equal(t, []any{"default:transcribe", "x", ""}, []any{now["whisper-1"], now["a"], now["b.1"]})
	changed, err = live.Patch(map[string]any{"models": map[string]any{"defaults": map[string]any{"embed": "v"}}})
	require.NoError(t, err)
	require.Equal(t, []string{"models.defaults.embed"}, changed)
	settings, keys, err := live.View()
	require.NoError(t, err)
	require.Subset(t, keys, []string{"models.aliases", "models.defaults.embed"})
	require.Contains(t, settings["models"], "aliases")
}
