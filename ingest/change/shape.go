package change

// SchemaColumn is a column in a record of the schema topic.
type SchemaColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // as Postgres writes it, "numeric(12,2)"
	TypeOID  uint32 `json:"type_oid"`
	Identity bool   `json:"identity"` // part of the replica identity
}

// SchemaChange is one difference between two shapes of a table. A renamed column is one dropped and one added: the log does
// not say more.
type SchemaChange struct {
	Change string `json:"change"` // "added", "dropped", "type", "identity"
	Column string `json:"column"`
	From   string `json:"from,omitempty"` // the type before
	To     string `json:"to,omitempty"`   // the type after
}

// CompareColumns lists what makes before into after: what was dropped, then what was added or changed in after's order. It
// returns no nil: shapes that are alike have an empty list.
func CompareColumns(before, after []SchemaColumn) []SchemaChange {
	changes := []SchemaChange{}
	for _, c := range before {
		if find(after, c.Name) == nil {
			changes = append(changes, SchemaChange{Change: "dropped", Column: c.Name, From: c.Type})
		}
	}
	for _, c := range after {
		old := find(before, c.Name)
		switch {
		case old == nil:
			changes = append(changes, SchemaChange{Change: "added", Column: c.Name, To: c.Type})
		case old.TypeOID != c.TypeOID || old.Type != c.Type:
			changes = append(changes, SchemaChange{Change: "type", Column: c.Name, From: old.Type, To: c.Type})
		case old.Identity != c.Identity:
			changes = append(changes, SchemaChange{Change: "identity", Column: c.Name})
		}
	}
	return changes
}

func find(columns []SchemaColumn, name string) *SchemaColumn {
	for i := range columns {
		if columns[i].Name == name {
			return &columns[i]
		}
	}
	return nil
}
