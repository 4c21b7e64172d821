package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// openapi serves the description of all routes, made from the table itself.
func (c *call) openapi() error { return c.answer(http.StatusOK, describe(c.routes, c.Version)) }

type object = map[string]any

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// describe writes routes as OpenAPI 3.1.0.
func describe(routes []route, version string) object {
	s := schemas{"Problem": schemaOf(reflect.TypeFor[Problem](), nil)}
	paths := object{}
	for _, r := range routes {
		item, ok := paths[r.path].(object)
		if !ok {
			item = object{}
			paths[r.path] = item
		}
		item[strings.ToLower(r.method)] = operation(r, s)
	}
	if version == "" {
		version = "0"
	}
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Cordon", "version": version, "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Every list is NDJSON, a value a line. Patient ids travel in bodies, never in addresses."},
		"servers":    []object{{"url": "/"}},
		"security":   []object{{"bearer": []string{}}},
		"paths":      paths,
		"components": object{"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "description": "cordon token create --role ROLE"}}, "schemas": object(s)},
	}
}

func operation(r route, s schemas) object {
	op := object{"operationId": r.id, "summary": r.about, "responses": object{
		strconv.Itoa(r.status): response(r, s),
		"default": object{"description": "What was refused, and what to do.",
			"content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}},
	}}
	if params := parameters(r); len(params) > 0 {
		op["parameters"] = params
	}
	if r.body != nil {
		op["requestBody"] = object{"required": true, "content": content(r.body, false, s)}
	}
	if r.open {
		op["security"] = []object{}
	} else {
		op["x-permission"] = r.may
	}
	return op
}

func parameters(r route) []object {
	var list []object
	for _, m := range pathParam.FindAllStringSubmatch(r.path, -1) {
		list = append(list, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range r.params {
		schema := object{"type": "string"}
		if p.words != nil {
			schema["enum"] = p.words
		}
		list = append(list, object{"name": p.name, "in": "query", "description": p.about, "schema": schema})
	}
	return list
}

func response(r route, s schemas) object {
	out := object{"description": http.StatusText(r.status)}
	if r.answer != nil {
		out["content"] = content(r.answer, r.lines, s)
	}
	return out
}

// content describes a body: a media type given as text, or a Go value as JSON.
func content(v any, lines bool, s schemas) object {
	if kind, ok := v.(string); ok {
		return object{kind: object{}}
	}
	kind := "application/json"
	if lines {
		kind = "application/x-ndjson"
	}
	return object{kind: object{"schema": schemaOf(reflect.TypeOf(v), s)}}
}

// schemas are the named types met so far.
type schemas object

var rawType = reflect.TypeFor[json.RawMessage]()

// schemaOf describes how encoding/json writes a type. Structs become named
// schemas when there is a place for them.
func schemaOf(t reflect.Type, s schemas) object {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), s)
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem(), s)}
	case reflect.Slice, reflect.Array:
		switch {
		case t == rawType:
			return object{}
		case t.Elem().Kind() == reflect.Uint8:
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": schemaOf(t.Elem(), s)}
	case reflect.Struct:
		return named(t, s)
	}
	return object{}
}

// named puts a struct among the schemas and refers to it.
func named(t reflect.Type, s schemas) object {
	if s == nil || t.Name() == "" {
		return fields(t, s)
	}
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if _, ok := s[name]; !ok {
		s[name] = object{} // met: a type may hold itself
		s[name] = fields(t, s)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func fields(t reflect.Type, s schemas) object {
	props, required := object{}, []string{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for f := range t.Fields() {
			tag, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && tag == "" {
				walk(f.Type)
				continue
			}
			if tag == "-" || !f.IsExported() {
				continue
			}
			if tag == "" {
				tag = f.Name
			}
			props[tag] = schemaOf(f.Type, s)
			if !strings.Contains(rest, "omit") {
				required = append(required, tag)
			}
		}
	}
	walk(t)
	out := object{"type": "object", "properties": props}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}
