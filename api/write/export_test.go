package write

import "context"

// PayNext and ExpireOrders are steps of Run, so that a test decides when each happens.
func (s *Shop) PayNext(ctx context.Context) (bool, error) { return s.payNext(ctx) }

// ExpireOrders is a single step of Run.
func (s *Shop) ExpireOrders(ctx context.Context) (bool, error) { return s.expireOrders(ctx) }

// Translate is translate.
func Translate(err error) error { return translate(err) }
