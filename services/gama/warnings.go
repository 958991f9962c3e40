package gama

import (
	"fmt"
	"strings"

	"github.com/grym-synth/grym-synth/services"
)

// warn adds a warning about a deviation from the request, once for each code and field.
func (a *asking) warn(list ...services.Warning) {
	for _, w := range list {
		a.warnings = services.AddWarning(a.warnings, w)
	}
}

// warnDropped warns about turns for which the prompt has no room, or which the model
// does not support.
func (a *asking) warnDropped(dropped, of int) {
	dropped, of = dropped+a.skipped, of+a.skipped
	if dropped == 0 {
		return
	}
	message := fmt.Sprintf("the prompt has no room for the oldest %d of %d questions and answers", dropped, of)
	if a.model.folder.Network.History == historyNone {
		message = fmt.Sprintf("model %s takes no earlier questions and answers", a.model.name)
	}
	a.warn(services.Warning{Code: services.WarnTurnsDropped, Message: message})
}

// warnIgnored warns about parameters without effect.
func (a *asking) warnIgnored() {
	p := a.params
	ignored := func(asked bool, field, because string) {
		if asked {
			a.warn(services.Warning{Code: services.WarnValueIgnored, Field: field, Message: field + " has no effect: " + because})
		}
	}
	greedy := a.sampling.Temperature == 0
	ignored(greedy && p.TopK != nil, "top_k", "the temperature is 0, which takes the likeliest token")
	ignored(greedy && p.TopP != nil, "top_p", "the temperature is 0, which takes the likeliest token")
	if p.System != "" && !strings.Contains(a.model.folder.Network.PromptTemplate, placeSystem) {
		a.warn(services.Warning{Code: services.WarnSystemIgnored, Field: "system", Message: fmt.Sprintf(
			"the instructions were ignored: the prompt of model %s has no place for them", a.model.name)})
	}
	w := p.WindowSeconds
	if w == nil {
		return
	}
	longest := float64(a.model.extractor.longest) / float64(a.model.folder.Preprocessor.SamplingRate)
	ignored(p.ContextID != "", "window_seconds", "a conversation is about a recording in one piece")
	ignored(p.ContextID == "" && *w > longest, "window_seconds",
		fmt.Sprintf("model %s takes pieces of at most %.2f s", a.model.name, longest))
}
