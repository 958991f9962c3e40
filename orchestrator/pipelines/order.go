package pipelines

import (
	"maps"
	"slices"
	"strings"
)

// order sorts the steps so that each follows those that it depends on, and refuses cycles.
func (c *compiler) order() {
	var sorted []*node
	done := make(map[string]bool)
	for len(sorted) < len(c.plan.steps) {
		before := len(sorted)
		for _, n := range c.plan.steps {
			if !done[n.ID] && n.ready(func(id string) bool { return done[id] }) {
				done[n.ID] = true
				sorted = append(sorted, n)
			}
		}
		if len(sorted) == before {
			c.cycle(done)
			return
		}
	}
	c.plan.steps = sorted
}

// ready reports whether every step that it depends on has ended.
func (n *node) ready(ended func(id string) bool) bool {
	for id := range n.needs {
		if !ended(id) {
			return false
		}
	}
	return true
}

// cycle records a cycle among the steps that are not done.
func (c *compiler) cycle(done map[string]bool) {
	for _, n := range c.plan.steps {
		if done[n.ID] {
			continue
		}
		path := []string{n.ID}
		for at := n; ; {
			next := ""
			for _, id := range slices.Sorted(maps.Keys(at.needs)) {
				if !done[id] {
					next = id
					break
				}
			}
			if from := slices.Index(path, next); from >= 0 {
				circle := slices.Concat(path[from:], []string{next})
				c.bad.Complain("steps."+next, "depends on itself: %s", strings.Join(circle, " needs "))
				return
			}
			path = append(path, next)
			at = c.plan.byID[next]
		}
	}
}

// downstream returns a step and all that depend on it, directly or not.
func (p *Plan) downstream(id string) map[string]bool {
	found := map[string]bool{id: true}
	for _, n := range p.steps { // each follows those that it needs
		for need := range n.needs {
			if found[need] {
				found[n.ID] = true
			}
		}
	}
	return found
}
