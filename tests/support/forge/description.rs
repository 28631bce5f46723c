//! Requests and answers checked against the API descriptions in tests/data/openapi.

use launchway::model::ForgeKind;
use serde_json::{Value, json};

pub struct Description {
    request: jsonschema::Validator,
    /// Where the description says how an answer looks.
    answer: Option<jsonschema::Validator>,
}

impl Description {
    pub fn of(forge: ForgeKind) -> Self {
        let (text, path) = match forge {
            ForgeKind::GitHub => {
                (include_str!("../../data/openapi/github-statuses.json"), "/repos/{owner}/{repo}/statuses/{sha}")
            }
            ForgeKind::GitLab => {
                (include_str!("../../data/openapi/gitlab-statuses.json"), "/projects/{id}/statuses/{sha}")
            }
            ForgeKind::Gitea | ForgeKind::Forgejo => {
                (include_str!("../../data/openapi/gitea-statuses.json"), "/repos/{owner}/{repo}/statuses/{sha}")
            }
            ForgeKind::Plain => panic!("the plain forge has no API"),
        };
        let whole: Value = serde_json::from_str(text).unwrap();
        let call = &whole["paths"][path]["post"];
        let first = |pointers: [&str; 2]| pointers.iter().find_map(|pointer| call.pointer(pointer)).cloned();
        let request = first(["/requestBody/content/application~1json/schema", "/parameters/3/schema"]).unwrap();
        let answer = first(["/responses/201/content/application~1json/schema", "/responses/201"]).unwrap();
        let answer = match answer.get("$ref").and_then(Value::as_str) {
            // Swagger 2: the answer refers to a response, which has the schema.
            Some(to) if to.starts_with("#/responses/") => whole.pointer(&format!("{}/schema", &to[1..])).cloned(),
            _ => Some(answer),
        };
        Self { request: validator(&whole, request), answer: answer.map(|schema| validator(&whole, schema)) }
    }

    /// What is wrong with a request, one sentence for each field.
    pub fn refuses(&self, body: &Value) -> Vec<String> {
        errors(&self.request, body)
    }

    /// Panics where this fake answers otherwise than the forge says that it does.
    pub fn assert_answer(&self, body: &Value) {
        if let Some(answer) = &self.answer {
            assert_eq!(errors(answer, body), Vec::<String>::new(), "the fake forge's own answer is wrong: {body}");
        }
    }
}

fn errors(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn validator(whole: &Value, schema: Value) -> jsonschema::Validator {
    let mut root = json!({ "allOf": [schema] });
    for key in ["components", "definitions", "responses"] {
        if let Some(part) = whole.get(key) {
            root[key] = part.clone();
        }
    }
    allow_null(&mut root);
    jsonschema::validator_for(&root).unwrap()
}

/// OpenAPI 3.0 says `nullable: true` where JSON Schema says `type: [..., "null"]`.
fn allow_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("nullable") == Some(&Value::Bool(true))
                && let Some(kind) = object.get("type").cloned()
            {
                object.insert("type".into(), json!([kind, "null"]));
            }
            object.values_mut().for_each(allow_null);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_null),
        _ => {}
    }
}
