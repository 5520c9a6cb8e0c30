package document

import "time"

// Patient are reads that make one request at a time, however long that takes.
func (s *Reads) Patient() *Reads {
	s.patience = time.Hour
	return s
}

// Impatient are reads that make a request beside any other.
func (s *Reads) Impatient() *Reads {
	s.patience = 0
	return s
}

// Waiting is how many reads are in no request yet.
func (s *Reads) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}
