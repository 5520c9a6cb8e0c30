package demand

// ForgetBeyond forgets with another most.
var ForgetBeyond = (*Store).forget
