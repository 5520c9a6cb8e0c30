package write_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// What clients do to the stock of one SKU. A reservation is a checkout, a commit the provider's word that it has the money,
// a cancellation takes either back.
const (
	reserveOp = iota
	commitOp
	cancelOp
	readOp
)

var opNames = []string{"reserve", "commit", "cancel", "read"}

// action is what a client asked for.
type action struct {
	kind, sku, order int
	quantity         int64
}

// outcome is what it was answered: nothing, when known is false.
type outcome struct {
	known, ok bool
	free      int64 // of a read
}

// stockState is the SKU's: what is free, and of each order a letter: - none, h held, s sold, x cancelled.
type stockState struct {
	free   int64
	orders string
}

func (s stockState) with(order int, letter byte, free int64) stockState {
	b := []byte(s.orders)
	b[order] = letter
	return stockState{free: s.free + free, orders: string(b)}
}

// stockModel is what one counter with holds would answer, if everything happened at one instant between question and
// answer. An action of which nobody heard has happened or not: it lies between the question and the end of time, so the
// checker may put it after everything, where nobody sees it.
func stockModel(orders int, free int64) porcupine.Model {
	blank := make([]byte, orders)
	for i := range blank {
		blank[i] = '-'
	}
	return porcupine.Model{
		Partition: bySKU,
		Init:      func() any { return stockState{free: free, orders: string(blank)} },
		Step: func(state, input, output any) (bool, any) {
			s, a, o := as[stockState](state), as[action](input), as[outcome](output)
			next, ok, free := s.after(a)
			return !o.known || o.ok == ok && o.free == free, next
		},
		DescribeOperation: func(input, output any) string {
			a, o := as[action](input), as[outcome](output)
			return fmt.Sprintf("%s %d of order %d: %+v", opNames[a.kind], a.quantity, a.order, o)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// after carries the action out and says how it is answered.
func (s stockState) after(a action) (next stockState, ok bool, free int64) {
	switch a.kind {
	case reserveOp:
		if s.orders[a.order] != '-' {
			return s, true, 0 // the same order, asked for again
		}
		if s.free < a.quantity {
			return s, false, 0
		}
		return s.with(a.order, 'h', -a.quantity), true, 0
	case commitOp:
		if s.orders[a.order] == 'h' {
			return s.with(a.order, 's', 0), true, 0
		}
		return s, true, 0
	case cancelOp:
		if letter := s.orders[a.order]; letter == 'h' || letter == 's' {
			return s.with(a.order, 'x', a.quantity), true, 0
		}
		return s, false, 0
	}
	return s, true, s.free
}

// bySKU splits a history: SKUs have nothing to do with one another.
func bySKU(history []porcupine.Operation) (parts [][]porcupine.Operation) {
	of := map[int][]porcupine.Operation{}
	for _, op := range history {
		sku := as[action](op.Input).sku
		of[sku] = append(of[sku], op)
	}
	for _, part := range of {
		parts = append(parts, part)
	}
	return parts
}

// as is what the checker hands back, which knows nothing of our types.
func as[T any](v any) T {
	t, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("the checker hands back %T", v))
	}
	return t
}
