package catalog_test

import (
	"testing"

	"freshet/projectors/catalog"
	"freshet/projectors/foldtest"
)

func TestScripts(t *testing.T) { foldtest.Scripts(t, catalog.Fold) }
