//! When a maintenance window may be set.

use super::{Policy, rule};

/// A window that is new has not ended. One that was there before may grow old.
///
/// CEL has no clock; what is written was changed by its writer at this moment, and the API server notes when.
pub(super) fn windows() -> Policy {
    Policy {
        name: "govuc-maintenance-window",
        resources: ("1govuc.gov.my", vec!["platforms"]),
        operations: vec!["CREATE", "UPDATE"],
        conditions: vec![("has-windows", "has(object.spec.maintenance)".into())],
        variables: vec![
            (
                "before",
                "oldObject.?spec.?maintenance.?windows.orValue([])".into(),
            ),
            (
                "changes",
                "object.metadata.?managedFields.orValue([]).filter(entry, has(entry.time)).map(entry, timestamp(entry.time))"
                    .into(),
            ),
            // When each new window comes to its end; one that recurs for ever does not.
            (
                "ends",
                "object.spec.maintenance.windows.filter(window, !(window in variables.before) && \
                 (!has(window.recurrence) || window.recurrence.contains(';UNTIL='))).map(window, {'name': window.name, 'end': \
                 has(window.recurrence) ? window.recurrence.split(';UNTIL=')[1] : window.end})"
                    .into(),
            ),
            // 20271231T160000Z is how RFC 5545 writes 2027-12-31T16:00:00Z.
            (
                "over",
                "variables.ends.filter(window, variables.changes.exists(now, timestamp(window.end.contains('-') ? window.end : \
                 window.end.substring(0, 4) + '-' + window.end.substring(4, 6) + '-' + window.end.substring(6, 11) + ':' + \
                 window.end.substring(11, 13) + ':' + window.end.substring(13)) <= now))"
                    .into(),
            ),
        ],
        rules: vec![rule(
            "size(variables.over) == 0",
            r#"'spec.maintenance.windows: ' + variables.over.map(window, 'window ' + window.name + ' ends ' + window.end).join(', ') + ', which is in the past. Remedy: give a time that is to come, or leave the window out'"#,
        )],
        ..Default::default()
    }
}
