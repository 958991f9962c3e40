package audioldm

import (
	"fmt"

	"github.com/grym-synth/grym-synth/services"
)

// warn adds warnings about prompts of which the model reads only the beginning or nothing,
// and those that name nothing it learnt.
func (g *generation) warn() {
	cut := func(field, text string) {
		if tokens, most := len(g.model.tokens.Encode(text)), g.model.folder.maxTokens-2; tokens > most {
			g.warnings = append(g.warnings, services.Warning{
				Code: services.WarnPromptCut, Field: field,
				Message: fmt.Sprintf("%s has %d tokens, of which model %s reads the first %d", field, tokens, g.model.name, most),
			})
		}
	}
	cut("prompt", g.plan.prompt)
	g.warnings = append(g.warnings, g.model.unknown(g.plan.prompt)...)
	switch {
	case g.guided():
		cut("negative_prompt", g.plan.negative)
	case g.plan.negative != "":
		g.warnings = append(g.warnings, services.Warning{
			Code: services.WarnValueIgnored, Field: "negative_prompt",
			Message: "negative_prompt has no effect: a guidance_scale of 1 and below disables guidance",
		})
	}
}
