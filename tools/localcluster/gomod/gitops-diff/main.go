// gitops-diff says which manifests differ from their live objects, with the library that Argo CD uses.
//
// It reads a list of {"manifest": OBJECT, "live": OBJECT} from standard input, and writes a list with one entry for
// each: {"modified": BOOL, "predicted": OBJECT, "live": OBJECT}.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type pair struct {
	Manifest *unstructured.Unstructured `json:"manifest"`
	Live     *unstructured.Unstructured `json:"live"`
}

type difference struct {
	Modified  bool            `json:"modified"`
	Predicted json.RawMessage `json:"predicted"`
	Live      json.RawMessage `json:"live"`
}

func main() {
	var pairs []pair
	if err := json.NewDecoder(os.Stdin).Decode(&pairs); err != nil {
		fail(err)
	}
	found := make([]difference, 0, len(pairs))
	for _, one := range pairs {
		result, err := diff.Diff(one.Manifest, one.Live, diff.WithNormalizer(diff.GetNoopNormalizer()))
		if err != nil {
			fail(err)
		}
		found = append(found, difference{result.Modified, result.PredictedLive, result.NormalizedLive})
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "gitops-diff: %v\n", err)
	os.Exit(1)
}
