package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grym-synth/grym-synth/api/gen"
	"github.com/grym-synth/grym-synth/orchestrator/records"
	"github.com/grym-synth/grym-synth/orchestrator/records/ledger"
)

// damage returns the damage that the store itself found, if no ledger knows better.
func (a *asynchronous) damage() string {
	if a.store.Exclusive() {
		return ""
	}
	return a.store.Damage()
}

// lossText returns a text on what the store lost, or an empty string.
func lossText(losses []ledger.Loss) string {
	if len(losses) == 0 {
		return ""
	}
	kinds := make(map[string]int)
	for _, loss := range losses {
		kinds[lossName(loss)] += max(1, loss.Count)
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		parts = append(parts, fmt.Sprintf("%s: %d", kind, kinds[kind]))
	}
	return fmt.Sprintf("the store lost data (%s); GET /v1/system/store lists it, and POST /v1/system/store/acknowledge ends this report",
		strings.Join(parts, ", "))
}

// lossName returns the name under which a loss is counted.
func lossName(loss ledger.Loss) string {
	kind, _, _ := strings.Cut(loss.Key, ".")
	switch loss.What {
	case ledger.LostRecord:
		return kind + " records missing"
	case ledger.LostChange:
		return kind + " records in an earlier state"
	case ledger.LostContent:
		return kind + " records without their content"
	default:
		return "damaged lines of the ledger"
	}
}

// watchLosses exports the number of losses that no operator has acknowledged.
func watchLosses(reg prometheus.Registerer, database *records.Database) {
	for _, what := range []ledger.What{ledger.LostRecord, ledger.LostChange, ledger.LostContent, ledger.LostLines} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grym_store_lost_records", ConstLabels: prometheus.Labels{"what": string(what)},
			Help: "Records that the store lost and no operator has acknowledged, by what was lost: missing, reverted to an earlier state, " +
				"without their content, or lines of the ledger.",
		}, func() float64 {
			n := 0
			for _, loss := range database.Losses() {
				if loss.What == what {
					n += max(1, loss.Count)
				}
			}
			return float64(n)
		}))
	}
}

// losses shows what the store lost to the management routes.
type losses struct{ *records.Database }

// StoreView implements manage.Store.
func (l losses) StoreView() gen.StoreState {
	view := gen.StoreState{Records: l.Noted(), Lost: []gen.StoreLoss{}}
	for _, loss := range l.Losses() {
		kind, id, _ := strings.Cut(loss.Key, ".")
		view.Lost = append(view.Lost, gen.StoreLoss{
			Kind: kind, Id: id, What: gen.StoreLossWhat(loss.What), Ended: loss.Final, At: loss.At, Count: max(1, loss.Count),
		})
	}
	if problem := l.Problem(); problem != "" {
		view.Problem = &problem
	}
	return view
}
