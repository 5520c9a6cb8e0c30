package offer_test

import (
	"testing"

	"freshet/projectors/foldtest"
	"freshet/projectors/offer"
)

func TestScripts(t *testing.T) { foldtest.Scripts(t, offer.Fold) }
