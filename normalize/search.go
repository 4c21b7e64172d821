package normalize

import (
	"strings"
	"unicode/utf8"

	"github.com/cordon-health/cordon/internal/keyed"
	"github.com/cordon-health/cordon/ocsf"
)

// searchWords are the fields in which an application writes what somebody
// typed into a search box.
func searchWords() []string {
	return []string{"keyword", "keywords", "searchkey", "searchterm", "searchtext", "searchword", "检索词", "关键字", "查询关键字", "查询条件"}
}

// search takes what was typed into a search box, as a term of a query: what
// names a person only as a token, a patient's number as it is.
func (d *device) search() *ocsf.QueryInfo {
	typed := strings.TrimSpace(d.take(searchWords()...))
	if typed == "" {
		return nil
	}
	return d.n.typedQuery(typed)
}

// typedQuery is the query behind what was typed.
func (n *Normalizer) typedQuery(typed string) *ocsf.QueryInfo {
	t := searchTerms{n: n}
	t.typed(typed)
	return &ocsf.QueryInfo{UID: n.key.Token("query", typed), Text: strings.Join(t.terms, "&")}
}

// searched takes what was typed from a row's column.
func (m *Mapping) searched(n *Normalizer, e *ocsf.Event, get func(string) string) {
	if typed := strings.TrimSpace(m.Search.get(get)); typed != "" && e.ClassUID == ocsf.WebResourcesActivity {
		e.QueryInfo = n.typedQuery(typed)
	}
}

// typed reads a search term of unknown kind by its form.
func (t *searchTerms) typed(value string) {
	digits := strings.Trim(value, "0123456789") == ""
	switch {
	case isResidentID(value):
		t.token(keyed.NationalID, keyed.NationalID, value)
	case digits && personalNumber(value, len(value)) == keyed.Phone:
		t.token(keyed.Phone, keyed.Phone, value)
	case digits:
		t.id("identifier", value)
	default:
		t.name("name", value)
	}
}

// name reads a search for a name: a full name, or no more than a surname.
// Trailing wildcards only say that the rest of the name is open.
func (t *searchTerms) name(term, value string) {
	short := strings.TrimRight(strings.TrimSpace(value), "*?%^ ")
	if strings.ContainsAny(short, "*?%") {
		return
	}
	if bareSurname(short, short != strings.TrimSpace(value)) {
		t.token("family", keyed.Surname, short)
		return
	}
	t.token(term, keyed.Name, short)
}

// bareSurname says whether a name is a surname alone: one Chinese character, a
// compound surname, or one word of an alphabet that was cut off by a wildcard.
func bareSurname(name string, open bool) bool {
	if !isHan(name) {
		return open && name != "" && !strings.ContainsAny(name, " ^,")
	}
	return utf8.RuneCountInString(name) == 1 || utf8.RuneCountInString(name) == 2 && surname(name+"某", "") == name
}
