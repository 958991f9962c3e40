package arch

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServicesAreNamedByTheirTableAlone keeps a service to its folder: no other package
// imports it, and none has its name as a value.
func TestServicesAreNamedByTheirTableAlone(t *testing.T) {
	t.Parallel()
	var folders []string
	for name, p := range packages(t) {
		if path.Dir(name) == "services" && name != "services/module" && slices.Contains(p.GoFiles, "module.go") {
			folders = append(folders, name)
		}
	}
	require.NotEmpty(t, folders)
	eachFile(t, func(name string, file *ast.File) {
		if name == "internal/modules" || slices.Contains(folders, name) {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			for _, folder := range folders {
				if text == module+"/"+folder || strings.EqualFold(text, path.Base(folder)) {
					t.Errorf("%s has %s; only internal/modules knows the services", name, literal.Value)
				}
			}
			return true
		})
	})
}
