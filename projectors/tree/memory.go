package tree

// bytes is what all loaded stores occupy, by estimate.
func (h *Handler) bytes() int64 {
	var n int64
	for _, st := range h.states {
		n += st.bytes
	}
	return n
}

// evict drops the stores that were not used for longest until the rest fits the budget. It runs between batches, when
// nothing is unwritten; the store used last stays even if it is too large by itself.
func (h *Handler) evict() {
	for n := h.bytes(); n > h.cfg.MemoryBytes && len(h.states) > 1; {
		var oldest *state
		for _, st := range h.states {
			if oldest == nil || st.used < oldest.used {
				oldest = st
			}
		}
		delete(h.states, oldest.plan.store)
		n -= oldest.bytes
		h.stats.Evicted++
	}
}
