//! The reference of the kinds, as pages made from what the API server is given: what it checks and what is told of it can't
//! differ.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};

/// A line of a table of fields.
struct Field {
    path: String,
    form: String,
    meaning: String,
}

/// One kind: its names, its columns, and every field of `spec` and `status` with what is refused.
pub fn page(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let mut page = format!("# {}\n\n", names.kind);
    for version in &crd.spec.versions {
        let schema = version
            .schema
            .as_ref()
            .and_then(|schema| schema.open_api_v3_schema.as_ref());
        let spec = schema.and_then(|schema| property(schema, "spec"));
        if let Some(text) = spec.and_then(|spec| spec.description.as_deref()) {
            let _ = writeln!(page, "{text}\n");
        }
        let short = names
            .short_names
            .iter()
            .flatten()
            .map(|name| format!(", `{name}`"));
        let _ = writeln!(
            page,
            "`apiVersion: {}/{}`, {}, for kubectl `{}`{}.\n",
            crd.spec.group,
            version.name,
            if crd.spec.scope == "Cluster" {
                "in no namespace"
            } else {
                "in a namespace"
            },
            names.plural,
            short.collect::<String>(),
        );
        columns(&mut page, version);
        for part in ["spec", "status"] {
            if let Some(schema) = schema.and_then(|schema| property(schema, part)) {
                section(&mut page, part, schema);
            }
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn columns(page: &mut String, version: &CustomResourceDefinitionVersion) {
    let Some(columns) = &version.additional_printer_columns else {
        return;
    };
    page.push_str("| Column of `kubectl get` | Shows |\n|---|---|\n");
    for column in columns {
        let wide = if column.priority.is_some_and(|priority| priority > 0) {
            " (`-o wide`)"
        } else {
            ""
        };
        let _ = writeln!(page, "| {}{wide} | `{}` |", column.name, cell(&column.json_path));
    }
    page.push('\n');
}

fn section(page: &mut String, name: &str, schema: &JSONSchemaProps) {
    let _ = writeln!(page, "## {name}\n");
    let refused: Vec<String> = rules(schema).map(|rule| format!("- {rule}\n")).collect();
    if !refused.is_empty() {
        let _ = writeln!(page, "{}", refused.concat());
    }
    let mut fields = Vec::new();
    walk(schema, "", &mut fields);
    page.push_str("| Field | Form | Meaning |\n|---|---|---|\n");
    for Field { path, form, meaning } in fields {
        let _ = writeln!(page, "| `{path}` | {} | {} |", cell(&form), cell(&meaning));
    }
    page.push('\n');
}

fn walk(schema: &JSONSchemaProps, path: &str, fields: &mut Vec<Field>) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let (path, inner) = unfolded(path, field);
        fields.push(Field {
            form: form(field, inner, required.contains(name)),
            meaning: meaning(field, inner),
            path: path.clone(),
        });
        // Of a standard condition Kubernetes' own reference tells.
        if name != "conditions" {
            walk(inner, &path, fields);
        }
    }
}

/// The path with what lists and maps add to it, and what is in them.
fn unfolded(path: String, field: &JSONSchemaProps) -> (String, &JSONSchemaProps) {
    if let Some(JSONSchemaPropsOrArray::Schema(inner)) = &field.items {
        return unfolded(format!("{path}[]"), inner);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(inner)) = &field.additional_properties {
        return unfolded(format!("{path}.KEY"), inner);
    }
    (path, field)
}

fn form(field: &JSONSchemaProps, inner: &JSONSchemaProps, required: bool) -> String {
    let mut parts = vec![values(inner)];
    if required {
        parts.push("required".to_owned());
    }
    let counted = |least: Option<i64>, most: Option<i64>, what: &str| match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most} {what}")),
        (None, Some(most)) => Some(format!("at most {most} {what}")),
        (Some(least), None) => Some(format!("at least {least} {what}")),
        (None, None) => None,
    };
    parts.extend(counted(field.min_items, field.max_items, "of them"));
    parts.extend(counted(inner.min_length, inner.max_length, "characters"));
    let whole = |bound: Option<f64>| bound.map(|bound| bound as i64);
    parts.extend(
        counted(whole(inner.minimum), whole(inner.maximum), "").map(|text| text.trim_end().to_owned()),
    );
    if let Some(pattern) = &inner.pattern {
        parts.push(format!("`{pattern}`"));
    }
    if let Some(default) = &field.default {
        parts.push(format!("default `{}`", default.0));
    }
    parts.join(", ")
}

fn values(inner: &JSONSchemaProps) -> String {
    if let Some(values) = &inner.enum_ {
        // A value that may be left out is among them as null.
        let said = values.iter().filter(|value| !value.0.is_null());
        return said
            .map(|value| {
                format!(
                    "`{}`",
                    value
                        .0
                        .as_str()
                        .map_or_else(|| value.0.to_string(), str::to_owned)
                )
            })
            .collect::<Vec<_>>()
            .join(" \\| ");
    }
    match (inner.type_.as_deref(), inner.format.as_deref()) {
        (Some("string"), Some("date-time")) => "time (RFC 3339)".to_owned(),
        (Some(kind), _) => kind.to_owned(),
        (None, _) if inner.x_kubernetes_int_or_string == Some(true) => "number or text".to_owned(),
        (None, _) => "anything".to_owned(),
    }
}

fn meaning(field: &JSONSchemaProps, inner: &JSONSchemaProps) -> String {
    let own = field.description.iter();
    let inners = inner.description.iter().filter(|_| !std::ptr::eq(field, inner));
    let said = own.chain(inners).map(|text| text.replace('\n', " "));
    let refused = rules(field).chain(rules(inner).filter(|_| !std::ptr::eq(field, inner)));
    said.chain(refused).collect::<Vec<_>>().join(" ")
}

/// What is refused, in the words of the refusal.
fn rules(schema: &JSONSchemaProps) -> impl Iterator<Item = String> {
    let rules = schema.x_kubernetes_validations.iter().flatten();
    rules.filter_map(|rule| {
        rule.message
            .as_ref()
            .map(|message| format!("*Refused:* {message}."))
    })
}

fn property<'a>(schema: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    schema.properties.as_ref()?.get(name)
}

/// What would end a table's cell, told as text.
fn cell(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut last = ' ';
    for c in text.chars() {
        if c == '|' && last != '\\' {
            told.push('\\');
        }
        told.push(if c == '\n' { ' ' } else { c });
        last = c;
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = r#"
metadata: {name: trees.example.com}
spec:
  group: example.com
  names: {kind: Tree, plural: trees, shortNames: [tr]}
  scope: Cluster
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    - {name: Leaf, type: string, jsonPath: .spec.leaf, priority: 1}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: A tree.
            required: [leaf]
            x-kubernetes-validations: [{rule: "false", message: it may not grow}]
            properties:
              leaf: {type: string, enum: [Red, Green], description: Its colour.}
              branches:
                type: array
                maxItems: 3
                default: []
                description: What it has.
                items:
                  type: object
                  properties:
                    age:
                      type: integer
                      minimum: 1.0
                      maximum: 9.0
                      x-kubernetes-validations: [{rule: "false", message: a | b}]
              labels: {type: object, additionalProperties: {type: string, maxLength: 5}}
"#;

    #[test]
    fn every_field_is_told_with_its_form_and_what_is_refused() {
        let crd: CustomResourceDefinition = serde_yaml::from_str(TREE).unwrap();
        let page = page(&crd);
        for line in [
            "`apiVersion: example.com/v1`, in no namespace, for kubectl `trees`, `tr`.",
            "| Leaf (`-o wide`) | `.spec.leaf` |",
            "- *Refused:* it may not grow.",
            "| `leaf` | `Red` \\| `Green`, required | Its colour. |",
            "| `branches[]` | object, at most 3 of them, default `[]` | What it has. |",
            "| `branches[].age` | integer, 1 to 9 | *Refused:* a \\| b. |",
            "| `labels.KEY` | string, at most 5 characters |  |",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
        }
    }
}
