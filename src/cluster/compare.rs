//! Whether an object already is what is desired.

use serde_json::Value;

use crate::names::quantity;

/// Whether everything in `desired` is in `live`. What only `live` has is the server's defaults or another's. What is
/// desired empty may be missing, for the server drops it.
pub fn contains(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => desired.iter().all(|(key, desired)| {
            live.get(key)
                .map_or_else(|| is_empty(desired), |live| contains(live, desired))
        }),
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len()
                && live
                    .iter()
                    .zip(desired)
                    .all(|(live, desired)| contains(live, desired))
        }
        // The server writes a quantity in its own way: 1000m as 1.
        (Value::String(live), Value::String(desired)) => {
            live == desired
                || quantity(live).is_some_and(|live| live.is_finite() && quantity(desired) == Some(live))
        }
        (live, desired) => live == desired || is_empty(desired) && live.is_null(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::equal(json!({"a": 1}), json!({"a": 1}), true)]
    #[case::defaulted(json!({"a": 1, "b": 2}), json!({"a": 1}), true)]
    #[case::defaulted_in_a_list(json!([{"name": "x", "protocol": "TCP"}]), json!([{"name": "x"}]), true)]
    #[case::changed(json!({"a": 2}), json!({"a": 1}), false)]
    #[case::missing(json!({}), json!({"a": 1}), false)]
    #[case::empty_and_missing(json!({}), json!({"a": {}, "b": [], "c": null}), true)]
    #[case::one_more_in_a_list(json!([1, 2]), json!([1]), false)]
    #[case::the_same_quantity(json!({"cpu": "1"}), json!({"cpu": "1000m"}), true)]
    #[case::another_quantity(json!({"cpu": "2"}), json!({"cpu": "1000m"}), false)]
    fn an_object_that_has_all_that_is_desired_is_left_alone(
        #[case] live: Value,
        #[case] desired: Value,
        #[case] same: bool,
    ) {
        assert_eq!(contains(&live, &desired), same);
    }
}
