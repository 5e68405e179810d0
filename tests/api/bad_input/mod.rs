//! Every field, given badly: refused with the field, the value or the rule, and a remedy where the schema can't tell one.

mod agency;
mod boundaries;
mod mailbox;
mod platform;
mod store;

use serde_json::{Value, json};

use crate::cluster::{installed, try_out};

/// A change to a good object, and what the refusal must say.
struct Case {
    pointer: &'static str,
    /// `null` takes the field away.
    value: Value,
    says: &'static [&'static str],
}

fn case(pointer: &'static str, value: Value, says: &'static [&'static str]) -> Case {
    Case { pointer, value, says }
}

fn long(length: usize) -> Value {
    json!("a".repeat(length))
}

fn change(object: &mut Value, pointer: &str, value: &Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let mut target = object;
    for step in parent.split('/').skip(1) {
        target = match step.parse::<usize>() {
            Ok(index) => &mut target[index],
            Err(_) => &mut target[step],
        };
    }
    match (value, key.parse::<usize>()) {
        (Value::Null, Ok(index)) => drop(target.as_array_mut().unwrap().remove(index)),
        (Value::Null, Err(_)) => drop(target.as_object_mut().unwrap().remove(key)),
        (value, Ok(index)) => target[index] = value.clone(),
        (value, Err(_)) => target[key] = value.clone(),
    }
}

async fn all_are_refused(base: Value, cases: Vec<Case>) {
    let client = installed(None).await;
    try_out(&client, &base).await.expect("the good object is taken");
    let mut faults = Vec::new();
    for Case { pointer, value, says } in cases {
        let mut object = base.clone();
        change(&mut object, pointer, &value);
        let given: String = value.to_string().chars().take(60).collect();
        match try_out(&client, &object).await {
            Ok(_) => faults.push(format!("{pointer} = {given} was taken")),
            Err(message) => {
                for part in says.iter().filter(|part| !message.contains(**part)) {
                    faults.push(format!(
                        "{pointer} = {given} was refused without {part:?}: {message}"
                    ));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
