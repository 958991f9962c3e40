package index

// heap holds the best candidates, the worst of them first.
type heap struct {
	list []candidate
	most int
}

// takes reports whether a candidate of this score would be among the best.
func (h *heap) takes(score float32) bool { return len(h.list) < h.most || score > h.list[0].score }

// add adds a candidate, in place of the worst if there are enough.
func (h *heap) add(c candidate) {
	switch {
	case len(h.list) < h.most:
		h.list = append(h.list, c)
		h.up(len(h.list) - 1)
	case c.score > h.list[0].score:
		h.list[0] = c
		h.down()
	}
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h.list[parent].score <= h.list[i].score {
			return
		}
		h.list[parent], h.list[i] = h.list[i], h.list[parent]
		i = parent
	}
}

func (h *heap) down() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.list); child++ {
			if h.list[child].score < h.list[least].score {
				least = child
			}
		}
		if least == i {
			return
		}
		h.list[least], h.list[i] = h.list[i], h.list[least]
		i = least
	}
}
