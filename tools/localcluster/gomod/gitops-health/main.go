// gitops-health says what GitOps controllers think of objects, with the libraries that they use:
// kstatus, the health expressions of Flux (CEL), and a health check of Argo CD (Lua).
//
// It reads {"lua": TEXT, "expressions": {"current": ..., "inProgress": ..., "failed": ...}, "objects": [...]}
// from standard input, and writes a list with one entry for each object.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type request struct {
	Lua         string                            `json:"lua"`
	Expressions *kustomize.HealthCheckExpressions `json:"expressions"`
	Objects     []*unstructured.Unstructured      `json:"objects"`
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type entry struct {
	Kstatus verdict `json:"kstatus"`
	Flux    verdict `json:"flux"`
	ArgoCD  verdict `json:"argocd"`
}

func main() {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fail(err)
	}
	evaluator, err := cel.NewStatusEvaluator(asked.Expressions)
	if err != nil {
		fail(err)
	}
	entries := make([]entry, 0, len(asked.Objects))
	for _, object := range asked.Objects {
		entries = append(entries, entry{
			Kstatus: of(status.Compute(object)),
			Flux:    ofFlux(evaluator, object),
			ArgoCD:  ofLua(asked.Lua, object.Object),
		})
	}
	if err := json.NewEncoder(os.Stdout).Encode(entries); err != nil {
		fail(err)
	}
}

func of(result *status.Result, err error) verdict {
	if err != nil {
		return verdict{"Error", err.Error()}
	}
	return verdict{result.Status.String(), result.Message}
}

func ofFlux(evaluator *cel.StatusEvaluator, object *unstructured.Unstructured) verdict {
	result, err := evaluator.Evaluate(context.Background(), object)
	if err != nil {
		return verdict{"Error", err.Error()}
	}
	return verdict{string(result.Status), result.Message}
}

// ofLua runs a health check as Argo CD does: with few libraries, and the object as the global `obj`.
func ofLua(script string, object map[string]any) verdict {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return verdict{"Error", err.Error()}
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return verdict{"Error", err.Error()}
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return verdict{"Error", fmt.Sprintf("the health check returns %s, not a table", state.Get(-1).Type())}
	}
	return verdict{lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message"))}
}

func value(state *lua.LState, found any) lua.LValue {
	switch found := found.(type) {
	case bool:
		return lua.LBool(found)
	case int64:
		return lua.LNumber(found)
	case float64:
		return lua.LNumber(found)
	case string:
		return lua.LString(found)
	case []any:
		table := state.CreateTable(len(found), 0)
		for _, item := range found {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(found))
		for name, item := range found {
			table.RawSetString(name, value(state, item))
		}
		return table
	}
	return lua.LNil
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "gitops-health: %v\n", err)
	os.Exit(1)
}
