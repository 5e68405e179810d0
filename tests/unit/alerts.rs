//! Every alert has a page, and asks for metrics that there are.

use std::{fs, path::Path};

use serde_json::Value;

const ALERTS: &str = include_str!("../../manifests/monitoring/alerts.yaml");
const OPERATORS_METRICS: &str = include_str!("../../src/telemetry.rs");
const GUARDS_METRICS: &str = include_str!("../../guard/src/metrics.rs");
const ROUTERS_METRICS: &str = include_str!("../../services/router/src/telemetry.rs");

fn alerts() -> Vec<Value> {
    let rules: Value = serde_yaml::from_str(ALERTS).unwrap();
    let groups = rules["spec"]["groups"].as_array().unwrap();
    let alerts: Vec<Value> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect();
    assert!(!alerts.is_empty());
    alerts
}

#[test]
fn every_alert_has_a_runbook_of_its_name_and_every_runbook_an_alert() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named: Vec<String> = alerts()
        .iter()
        .map(|alert| {
            let name = alert["alert"].as_str().unwrap();
            let page = alert["annotations"]["runbook"].as_str().unwrap();
            assert_eq!(page, format!("docs/runbooks/{name}.md"));
            let text = fs::read_to_string(root.join(page)).unwrap();
            assert!(text.starts_with(&format!("# {name}\n")), "{page}");
            format!("{name}.md")
        })
        .collect();
    named.sort();
    let mut pages: Vec<String> = fs::read_dir(root.join("docs/runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(named, pages);
}

#[test]
fn every_alert_says_what_it_means_in_both_languages() {
    for alert in alerts() {
        for language in ["summary", "ringkasan"] {
            let text = alert["annotations"][language].as_str().unwrap();
            assert!(text.len() > 20, "{}: {language}", alert["alert"]);
        }
    }
}

#[test]
fn every_alert_asks_for_metrics_that_guard_router_and_operator_have() {
    let mut asked = 0;
    for alert in alerts() {
        let expression = alert["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for metric in words.filter_map(|word| word.strip_prefix("govuc_")) {
            let (of, source) = [("guard_", GUARDS_METRICS), ("router_", ROUTERS_METRICS)]
                .iter()
                .find_map(|(prefix, source)| Some((metric.strip_prefix(prefix)?, *source)))
                .unwrap_or((metric, OPERATORS_METRICS));
            let name = of.strip_suffix("_seconds").unwrap_or(of);
            assert!(source.contains(&format!("\"{name}\"")), "{metric}");
            asked += 1;
        }
    }
    assert!(asked >= 5, "{asked}");
}
