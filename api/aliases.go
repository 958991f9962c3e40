package api

import (
	"slices"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/services"
)

// ownerAlias is owned_by of an alias.
const ownerAlias = "alias"

// aliases lists the further names of the models.
func (h *handlers) aliases(models []gen.Model) (list []gen.Model) {
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
		}
		list = append(list, m)
	}
	return list
}
