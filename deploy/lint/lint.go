// Package lint holds the rules of the source tree that no linter knows: which package
// may import which, and what a package may be called. It has tests only; `make test`,
// `make test-unit` and .ci/run run them.
//
// The rules are those of docs/adr/0001-the-folders-are-the-flow.md: dependencies point
// along the flow of one change, and a stage can't reach around its neighbour.
package lint
