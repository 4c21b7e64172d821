//go:build cgo

package duck

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-health/cordon/lake"
)

// typeOf names a DuckDB type as lake.Column does.
func typeOf(name string) string {
	switch name {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT", "UHUGEINT":
		return lake.TypeInt
	case "FLOAT", "DOUBLE":
		return lake.TypeFloat
	case "BOOLEAN":
		return lake.TypeBool
	case "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ":
		return lake.TypeTime
	}
	if strings.HasPrefix(name, "DECIMAL") {
		return lake.TypeFloat
	}
	return lake.TypeText
}

// plain turns a value of the driver into one that lake.Rows promises.
func plain(v any, typ string) any {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, []byte:
		return v
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		return integer(new(big.Int).SetUint64(v))
	case *big.Int:
		return integer(v)
	case float32:
		return float64(v)
	case duckdb.Decimal:
		return v.Float64()
	case time.Time:
		return moment(v, typ)
	}
	return nested(v)
}

func integer(v *big.Int) any {
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

// moment keeps dates and times of day from looking like instants.
func moment(v time.Time, typ string) any {
	switch typ {
	case "DATE":
		return v.UTC().Format(time.DateOnly)
	case "TIME", "TIMETZ":
		return v.UTC().Format("15:04:05.000")
	}
	return v.UTC()
}

func nested(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = plain(x, "")
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = plain(x, "")
		}
		return m
	case duckdb.Map:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[fmt.Sprint(k)] = plain(x, "")
		}
		return m
	}
	return fmt.Sprint(v)
}
