package manage

import (
	"slices"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// ownerAlias is the owned_by value of an alias.
const ownerAlias = "alias"

// aliases returns the aliases of the models.
func (h *Handlers) aliases(models []gen.Model) (list []gen.Model) {
	for _, alias := range h.Models.Aliases() {
		m := gen.Model{
			Id: alias.Name, Object: gen.ModelObjectModel, OwnedBy: ownerAlias, AliasOf: &alias.Model,
			Service: alias.Service, State: string(services.StateUnavailable),
		}
		if alias.Problem != "" {
			m.AliasOf, m.Problem = &alias.Target, &alias.Problem
		}
		at := slices.IndexFunc(models, func(known gen.Model) bool { return known.Id == alias.Model && known.Service == alias.Service })
		if at >= 0 {
			m.Created, m.State, m.Problem = models[at].Created, models[at].State, models[at].Problem
			m.License, m.Languages = models[at].License, models[at].Languages
		}
		list = append(list, m)
	}
	return list
}
