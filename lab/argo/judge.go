package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	argodiff "github.com/argoproj/argo-cd/v3/util/argo/diff"
	"github.com/argoproj/argo-cd/v3/util/argo/normalizers"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/argoproj/gitops-engine/pkg/diff"
	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// Verdict is what Argo CD shows of one object.
type Verdict struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Synced or OutOfSync.
	Sync v1alpha1.SyncStatusCode `json:"sync"`
	// What is there and what would be, when that differs.
	Live      json.RawMessage `json:"live,omitempty"`
	Predicted json.RawMessage `json:"predicted,omitempty"`
	// Empty: Argo CD can't judge objects of this kind.
	Health  health.HealthStatusCode `json:"health"`
	Message string                  `json:"message,omitempty"`
}

func judge(ctx context.Context, config *rest.Config, mode, file string, targets []*unstructured.Unstructured) ([]Verdict, error) {
	lives, err := live(ctx, config, targets)
	if err != nil {
		return nil, err
	}
	overrides, err := customizations(ctx, file)
	if err != nil {
		return nil, err
	}
	kubectl := &kube.KubectlCmd{Log: silent, Tracer: untraced}
	schema, parser, err := kubectl.LoadOpenAPISchema(config)
	if err != nil {
		return nil, err
	}
	// From here on as CompareAppState of the application controller.
	builder := argodiff.NewDiffConfigBuilder().
		WithDiffSettings(nil, overrides, false, normalizers.IgnoreNormalizerOpts{JQExecutionTimeout: time.Second}).
		WithTracking(common.LabelKeyAppInstance, string(v1alpha1.TrackingMethodAnnotation)).
		WithNoCache().
		WithGVKParser(parser).
		WithManager(common.ArgoCDSSAManager).
		WithStructuredMergeDiff(mode != modeClient)
	if mode == modeDryRun {
		applier, cleanup, err := kube.ManageServerSideDiffDryRuns(config, schema, untraced, silent, nil)
		if err != nil {
			return nil, err
		}
		defer cleanup()
		builder.WithServerSideDiff(true).WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier))
	}
	differences, err := builder.Build()
	if err != nil {
		return nil, err
	}
	results, err := argodiff.StateDiffs(lives, targets, differences)
	if err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, len(targets))
	for i, target := range targets {
		verdict := Verdict{
			Kind: target.GetKind(), Namespace: target.GetNamespace(), Name: target.GetName(),
			Sync: v1alpha1.SyncStatusCodeSynced,
		}
		if results.Diffs[i].Modified {
			verdict.Sync = v1alpha1.SyncStatusCodeOutOfSync
			verdict.Live = results.Diffs[i].NormalizedLive
			verdict.Predicted = results.Diffs[i].PredictedLive
		}
		if err := verdict.judgeHealth(lives[i], overrides); err != nil {
			return nil, err
		}
		verdicts[i] = verdict
	}
	return verdicts, nil
}

func (verdict *Verdict) judgeHealth(live *unstructured.Unstructured, overrides map[string]v1alpha1.ResourceOverride) error {
	if live == nil {
		verdict.Health = health.HealthStatusMissing
		return nil
	}
	status, err := health.GetResourceHealth(live, lua.ResourceHealthOverrides(overrides))
	if err != nil {
		return fmt.Errorf("health of %s %s: %w", live.GetKind(), live.GetName(), err)
	}
	if status != nil {
		verdict.Health, verdict.Message = status.Status, status.Message
	}
	return nil
}

// customizations reads the ConfigMap argocd-cm as Argo CD does from its own cluster; without a file it is empty.
func customizations(ctx context.Context, file string) (map[string]v1alpha1.ResourceOverride, error) {
	var written corev1.ConfigMap
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := yaml.UnmarshalStrict(text, &written); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	part := map[string]string{"app.kubernetes.io/part-of": "argocd"}
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, Namespace: "argocd", Labels: part}
	}
	own := fake.NewSimpleClientset(
		&corev1.ConfigMap{ObjectMeta: named(common.ArgoCDConfigMapName), Data: written.Data},
		&corev1.Secret{ObjectMeta: named(common.ArgoCDSecretName)},
	)
	return settings.NewSettingsManager(ctx, own, "argocd").GetResourceOverrides()
}
