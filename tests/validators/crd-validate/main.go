// Validates objects as an API server does that has their CustomResourceDefinition: types, limits,
// list keys, unknown fields, and the rules in CEL. Prints what it refuses, one line each.
package main

import (
	"context"
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

func read(file string, into any) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	var definition apiextensionsv1.CustomResourceDefinition
	read(os.Args[1], &definition)
	refused := false
	for _, file := range os.Args[2:] {
		var object map[string]any
		read(file, &object)
		for _, fault := range faults(&definition, object) {
			fmt.Printf("%s: %s\n", file, fault)
			refused = true
		}
	}
	if refused {
		os.Exit(1)
	}
}

func faults(definition *apiextensionsv1.CustomResourceDefinition, object map[string]any) []string {
	var all []string
	version := definition.Spec.Versions[0]
	if want := definition.Spec.Group + "/" + version.Name; object["apiVersion"] != want {
		all = append(all, fmt.Sprintf("apiVersion is not %s", want))
	}
	if want := definition.Spec.Names.Kind; object["kind"] != want {
		all = append(all, fmt.Sprintf("kind is not %s", want))
	}
	var internal apiextensions.JSONSchemaProps
	check(apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		version.Schema.OpenAPIV3Schema, &internal, nil))
	structural, err := schema.NewStructural(&internal)
	check(err)
	validator, _, err := validation.NewSchemaValidator(&internal)
	check(err)
	errors := validation.ValidateCustomResource(nil, object, validator)
	errors = append(errors, listtype.ValidateListSetsAndMaps(nil, structural, object)...)
	rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)
	broken, _ := rules.Validate(context.Background(), nil, structural, object, nil, celconfig.RuntimeCELCostBudget)
	for _, err := range append(errors, broken...) {
		all = append(all, err.Error())
	}
	unknown := pruning.PruneWithOptions(object, structural, true,
		schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	for _, path := range unknown {
		all = append(all, fmt.Sprintf("unknown field %s", path))
	}
	return all
}
