package instant

import (
	"strings"

	"freshet/api"
	"freshet/search"
)

// parse reads the parameter filters: conditions joined by AND, of which each may be several joined by OR in parentheses.
// This is the form the language allows; an OR of ANDs is no part of it.
func (n *names) parse(text string) ([][]search.Condition, error) {
	p := &parser{names: n, tokens: tokens(text)}
	var groups [][]search.Condition
	for len(p.tokens) > 0 {
		group, err := p.group()
		if err != nil {
			return nil, err
		}
		if groups = append(groups, group...); len(groups) > search.MaxGroups {
			return nil, api.Errorf(api.Invalid, "filters has more than %d parts.", search.MaxGroups)
		}
		if len(p.tokens) > 0 && !p.take("AND") || len(p.tokens) == 0 && p.joined {
			return nil, p.fail()
		}
	}
	return groups, nil
}

type parser struct {
	*names
	tokens []string
	joined bool // the last token taken was an AND
}

func (p *parser) fail() error {
	rest := strings.Join(p.tokens, " ")
	if rest == "" {
		rest = "the end"
	}
	return api.Errorf(api.Invalid, "filters can't be read at %q.", cut(rest))
}

func (p *parser) take(token string) bool {
	if len(p.tokens) == 0 || p.tokens[0] != token {
		return false
	}
	p.tokens = p.tokens[1:]
	p.joined = token == "AND"
	return true
}

// group reads one condition, or several in parentheses. A range is two groups.
func (p *parser) group() ([][]search.Condition, error) {
	if !p.take("(") {
		return p.condition()
	}
	var group []search.Condition
	for {
		parts, err := p.condition()
		if err != nil {
			return nil, err
		}
		if len(parts) != 1 {
			return nil, api.Errorf(api.Invalid, "A range can't be one of several alternatives.")
		}
		group = append(group, parts[0]...)
		switch {
		case p.take(")"):
			return [][]search.Condition{group}, nil
		case !p.take("OR"):
			return nil, p.fail()
		}
	}
}

// condition reads `brand:"Lupo"`, `NOT in_stock:false`, `price >= 10` and `price:10 TO 20`.
func (p *parser) condition() ([][]search.Condition, error) {
	not := p.take("NOT")
	if len(p.tokens) < 3 {
		return nil, p.fail()
	}
	attribute, operator, value := p.tokens[0], p.tokens[1], p.tokens[2]
	if operator == ":" && len(p.tokens) >= 5 && p.tokens[3] == "TO" {
		return p.between(attribute, value, p.tokens[4], not)
	}
	var c search.Condition
	var err error
	if operator == ":" {
		c, err = p.equal(attribute, value)
	} else {
		c, err = p.numericFilter(attribute + operator + value)
	}
	if err != nil {
		return nil, err
	}
	c.Not = not
	p.tokens, p.joined = p.tokens[3:], false
	return [][]search.Condition{{c}}, nil
}

func (p *parser) between(attribute, low, high string, not bool) ([][]search.Condition, error) {
	from, err := p.numericFilter(attribute + ">=" + low)
	if err != nil {
		return nil, err
	}
	to, err := p.numericFilter(attribute + "<=" + high)
	if err != nil {
		return nil, err
	}
	p.tokens, p.joined = p.tokens[5:], false
	if not { // outside the range
		from.Not, to.Not = true, true
		return [][]search.Condition{{from, to}}, nil
	}
	return [][]search.Condition{{from}, {to}}, nil
}

// tokens cuts the text into words, operators, parentheses and quoted texts.
func tokens(text string) []string {
	var all []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := tokenLength(text)
		token := text[:n]
		if quote := token[0]; len(token) >= 2 && (quote == '"' || quote == '\'') && token[len(token)-1] == quote {
			token = strings.ReplaceAll(token[1:len(token)-1], `\`+string(quote), string(quote))
		}
		all = append(all, token)
		text = text[n:]
	}
	return all
}

func tokenLength(text string) int {
	switch {
	case strings.HasPrefix(text, "<="), strings.HasPrefix(text, ">="), strings.HasPrefix(text, "!="):
		return 2
	case strings.ContainsRune("()<>=:", rune(text[0])):
		return 1
	case text[0] == '"' || text[0] == '\'':
		for i := 1; i < len(text); i++ {
			if text[i] == text[0] && text[i-1] != '\\' {
				return i + 1
			}
		}
		return len(text)
	}
	if end := strings.IndexAny(text, " \t\n()<>=!:"); end > 0 {
		return end
	}
	return len(text)
}
