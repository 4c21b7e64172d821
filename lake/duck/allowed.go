//go:build cgo

package duck

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A question is one SELECT, or EXPLAIN [ANALYZE] of one. Options of EXPLAIN
// in brackets are not understood, so that nothing can hide in them.
var explainWords = regexp.MustCompile(`(?is)^\s*(EXPLAIN(?:\s+ANALYZE)?)\s+([A-Z].*)$`)

// tableFunctions are those that make rows from nothing but their arguments.
var tableFunctions = []string{"generate_series", "json_each", "json_tree", "range", "repeat", "unnest"}

// deniedFunctions tell of the machine, or do more than compute.
var deniedFunctions = []string{"current_setting", "getenv", "set_config", "write_log"}

// catalogTables say which columns there are, and no path.
var catalogTables = []string{"columns", "schemata", "tables"}

// checkQuestion refuses what is not one question over the views, and returns
// the text to run. DuckDB's own parser says what the text means; the answer
// does not depend on how it is written.
func checkQuestion(ctx context.Context, conn *sql.Conn, text string) (string, error) {
	inner, prefix := text, ""
	if m := explainWords.FindStringSubmatch(text); m != nil {
		prefix, inner = m[1]+" ", m[2]
	}
	var parsed string
	row := conn.QueryRowContext(ctx, "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)", inner)
	if err := row.Scan(&parsed); err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	var tree struct {
		Error      bool   `json:"error"`
		Message    string `json:"error_message"`
		Statements []any  `json:"statements"`
	}
	if err := json.Unmarshal([]byte(parsed), &tree); err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if tree.Error {
		return "", fmt.Errorf("%w: %s", ErrRefused, tree.Message)
	}
	if len(tree.Statements) != 1 {
		return "", ErrRefused
	}
	s := scope{tables: []string{"events", "records", "explanations"}}
	s.names(tree.Statements[0])
	if err := s.check(tree.Statements[0]); err != nil {
		return "", err
	}
	return prefix + inner, nil
}

// A scope is what a question may name as a table.
type scope struct{ tables []string }

// names adds the names that the question itself gives in WITH.
func (s *scope) names(node any) {
	visit(node, func(n map[string]any) error {
		if with, ok := n["cte_map"].(map[string]any); ok {
			visit(with["map"], func(n map[string]any) error {
				if key := word(n, "key"); key != "" {
					s.tables = append(s.tables, strings.ToLower(key))
				}
				return nil
			})
		}
		return nil
	})
}

func (s *scope) check(node any) error {
	return visit(node, func(n map[string]any) error {
		switch word(n, "type") {
		case "BASE_TABLE":
			return s.table(n)
		case "TABLE_FUNCTION":
			f, _ := n["function"].(map[string]any)
			if name := word(f, "function_name"); !slices.Contains(tableFunctions, strings.ToLower(name)) {
				return fmt.Errorf("%w over events, records and explanations: the table function %s is not offered", ErrRefused, name)
			}
		case "SHOW_REF":
			if n["query"] == nil && word(n, "table_name") != `"tables"` {
				return fmt.Errorf("%w: only SHOW TABLES, DESCRIBE and SUMMARIZE are offered besides", ErrRefused)
			}
		}
		if name := word(n, "function_name"); slices.Contains(deniedFunctions, strings.ToLower(name)) {
			return fmt.Errorf("%w: the function %s is not offered", ErrRefused, name)
		}
		return nil
	})
}

func (s *scope) table(n map[string]any) error {
	name, schema := strings.ToLower(word(n, "table_name")), strings.ToLower(word(n, "schema_name"))
	switch {
	case word(n, "catalog_name") != "":
	case schema == "" && slices.Contains(s.tables, name):
		return nil
	case schema == "information_schema" && slices.Contains(catalogTables, name):
		return nil
	}
	return fmt.Errorf("%w over events, records and explanations: there is no other table", ErrRefused)
}

// visit shows every object of a JSON tree until one is refused.
func visit(node any, f func(map[string]any) error) error {
	switch n := node.(type) {
	case map[string]any:
		if err := f(n); err != nil {
			return err
		}
		for _, v := range n {
			if err := visit(v, f); err != nil {
				return err
			}
		}
	case []any:
		for _, v := range n {
			if err := visit(v, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func word(n map[string]any, key string) string {
	s, _ := n[key].(string)
	return s
}
