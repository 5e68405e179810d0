package main

import (
	"context"
	"fmt"

	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// application is what the objects are said to belong to.
const application = "govuc"

var (
	silent   = logr.Discard()
	untraced = tracing.NopTracer{}
)

// track marks the targets as an application's, as is done before they are compared and applied.
func track(targets []*unstructured.Unstructured) error {
	for _, target := range targets {
		err := argo.NewResourceTracking().SetAppInstance(
			target, common.LabelKeyAppInstance, application, "", v1alpha1.TrackingMethodAnnotation, "")
		if err != nil {
			return err
		}
	}
	return nil
}

// apply writes the targets as a sync does.
func apply(ctx context.Context, config *rest.Config, mode string, targets []*unstructured.Unstructured) error {
	kubectl := &kube.KubectlCmd{Log: silent, Tracer: untraced}
	schema, _, err := kubectl.LoadOpenAPISchema(config)
	if err != nil {
		return err
	}
	operations, cleanup, err := kubectl.ManageResources(config, schema)
	if err != nil {
		return err
	}
	defer cleanup()
	for _, target := range targets {
		message, err := operations.ApplyResource(
			ctx, target, cmdutil.DryRunNone, false, true, mode != modeClient, common.ArgoCDSSAManager)
		if err != nil {
			return err
		}
		fmt.Println(message)
	}
	return nil
}

func absent(err error) bool { return apierrors.IsNotFound(err) }
