// Command argo applies manifests and judges what became of them as Argo CD's
// application controller does, by the packages of Argo CD itself: its settings,
// tracking, apply, diff and health. It has no logic of its own.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const usage = "usage: argo apply|judge -context NAME [-mode client|server|dry-run] [-settings FILE] < MANIFESTS"

// How an application is set up: where it is applied, and by whom its difference is found.
const (
	modeClient = "client"  // as without any option
	modeServer = "server"  // syncOptions: [ServerSideApply=true]
	modeDryRun = "dry-run" // the same, and compare-options: ServerSideDiff=true
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("no command; %s", usage)
	}
	flags := flag.NewFlagSet("argo", flag.ContinueOnError)
	site := flags.String("context", "", "context of the kubeconfig in KUBECONFIG")
	mode := flags.String("mode", modeClient, "how the application is set up")
	settings := flags.String("settings", "", "a file with the ConfigMap argocd-cm")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	if *mode != modeClient && *mode != modeServer && *mode != modeDryRun {
		return fmt.Errorf("-mode is %q; %s", *mode, usage)
	}
	config, err := cluster(*site)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	targets, err := kube.SplitYAML(text)
	if err != nil {
		return err
	}
	if err := track(targets); err != nil {
		return err
	}
	switch arguments[0] {
	case "apply":
		return apply(ctx, config, *mode, targets)
	case "judge":
		verdicts, err := judge(ctx, config, *mode, *settings, targets)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(verdicts)
	default:
		return fmt.Errorf("%q is no command; %s", arguments[0], usage)
	}
}

func cluster(name string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	overrides := &clientcmd.ConfigOverrides{CurrentContext: name}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
}

// live reads the objects of the targets; nil stands for one that is not there.
func live(ctx context.Context, config *rest.Config, targets []*unstructured.Unstructured) ([]*unstructured.Unstructured, error) {
	kubectl := &kube.KubectlCmd{Log: silent, Tracer: untraced}
	found := make([]*unstructured.Unstructured, len(targets))
	for i, target := range targets {
		object, err := kubectl.GetResource(ctx, config, target.GroupVersionKind(), target.GetName(), target.GetNamespace())
		if err != nil && !absent(err) {
			return nil, err
		}
		if err == nil {
			found[i] = object
		}
	}
	return found, nil
}
