package dimension

import (
	"maps"
	"slices"
)

// Categories returns all categories by id, shown or not.
func (s *Set) Categories() []Category {
	return sorted(slices.Collect(maps.Values(s.categories)), func(c Category) int64 { return c.ID })
}

// Category returns a category by its id, shown or not.
func (s *Set) Category(id int64) (Category, bool) { c, ok := s.categories[id]; return c, ok }

// CategoryBySlug returns the category of the tree with that slug, shown or not.
func (s *Set) CategoryBySlug(treeID int64, slug string) (Category, bool) {
	id, ok := s.slugs[slugKey{treeID, slug}]
	if !ok {
		return Category{}, false
	}
	return s.Category(id)
}

// Children returns the categories below the parent, or at the top of the tree when it is nil, by position and id; the
// inactive ones too.
func (s *Set) Children(treeID int64, parentID *int64) []Category {
	return s.children[placeOf(treeID, parentID)]
}

// Shown says whether the category and all its ancestors exist and are active.
func (s *Set) Shown(categoryID int64) bool { return s.shown[categoryID] }

// Path returns the category with its ancestors, the top first; nil when there is no such category. Of a category that is
// not shown the path may be incomplete.
func (s *Set) Path(categoryID int64) []Category {
	var path []Category
	for id := categoryID; ; {
		c, ok := s.categories[id]
		if !ok || slices.ContainsFunc(path, func(p Category) bool { return p.ID == id }) {
			break
		}
		path = append(path, c)
		if c.ParentID == nil {
			break
		}
		id = *c.ParentID
	}
	slices.Reverse(path)
	return path
}

// Subtree returns the ids of the category and of all shown ones below it, nil when there is no such category.
func (s *Set) Subtree(categoryID int64) []int64 {
	c, ok := s.categories[categoryID]
	if !ok {
		return nil
	}
	ids := []int64{categoryID}
	if !s.shown[categoryID] {
		return ids
	}
	for i := 0; i < len(ids); i++ {
		for _, child := range s.children[placeOf(c.TreeID, &ids[i])] {
			if child.Active {
				ids = append(ids, child.ID)
			}
		}
	}
	return ids
}

// CategoryName returns what the category is called in the first of the languages that has a name; failing those English,
// failing that the first language by code, failing that its slug.
func (s *Set) CategoryName(categoryID int64, langs ...string) string {
	texts := s.names[categoryID]
	for _, lang := range langs {
		if name, ok := nameIn(texts, lang); ok {
			return name
		}
	}
	if name, ok := nameIn(texts, "en"); ok {
		return name
	}
	if len(texts) > 0 {
		return texts[0].Name
	}
	return s.categories[categoryID].Slug
}

func nameIn(texts []CategoryText, lang string) (string, bool) {
	for _, t := range texts {
		if t.Lang == lang {
			return t.Name, true
		}
	}
	return "", false
}
